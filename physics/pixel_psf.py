"""A PSF given as an image: its Fourier transform, and the rows rendered with it.

The image is the effective PSF sampled at the stamp's pixel scale, taken as band-limited between its samples
(sinc interpolation): H(k) = sum_d p(d) exp(-i k d) up to half a cycle per pixel, nothing beyond. It need not
be symmetric, so H has four parts, (cos or sin in x) x (cos or sin in y), and mixes the four coefficient
matrices of convolve.py by cos(a + b) = cos a cos b - sin a sin b and sin(a + b) = sin a cos b + cos a sin b.
"""

import numpy as np

from physics._batch import Constants, frame_centers
from physics._jit import Array, exact, vectorised
from physics._memory import memory
from physics._vector import LANES, Vector, across
from physics.convolve import Buffers, Plan, pair_row, place_image, spectrum, synthesise, whole
from physics.deposit import RootGrid
from physics.geometry import PADS, Geometry
from physics.plane import integrate
from physics.quadtree import Job, Scratch
from physics.rays import Desk, prepare
from physics.series import NO_NUMBERS

F32 = np.float32
#: Deposit density: a grid Nyquist frequency of 0.75 cycles per pixel.
STEPS = 3


def transfer(image: Array, p: Plan, period: int) -> tuple[Array, int]:
    """(u u H, modes): float32, four matrices [kx, ky]: (cos or sin in x) x (cos or sin in y).

    u: see convolve.py. modes: whole vectors. image: odd side, its middle pixel is the origin.
    """
    nyquist = period // 2  # the period is even: the last frequency is its own mirror image
    modes = int(whole(nyquist + 1, LANES))
    d = np.arange(image.shape[0]) - image.shape[0] // 2
    k = np.arange(nyquist + 1)
    phase = 2.0 * np.pi / period * np.outer(k, d)
    gain = p.gain[: nyquist + 1] * np.where(k == nyquist, 0.5, 1.0)
    c, s = np.cos(phase) * gain[:, None], np.sin(phase) * gain[:, None]
    parts = np.zeros((2, 2, modes, modes), np.float32)
    for i, along_x in enumerate((c, s)):
        for j, along_y in enumerate((c, s)):
            parts[i, j, : nyquist + 1, : nyquist + 1] = along_x @ image.T @ along_y.T
    return parts.ravel(), modes


def _mix(h: list[Vector], x: list[Vector], _: list[Vector]) -> tuple[Vector, ...]:
    """Coefficients of the convolution, exact to rounding (see the module's head).

    h, x: (cos, cos), (cos, sin), (sin, cos), (sin, sin) in (x, y).
    """
    hcc, hcs, hsc, hss = h
    cc, cs, sc, ss = x
    return (
        cc * hcc - cs * hcs - sc * hsc + ss * hss, cs * hcc + cc * hcs - ss * hsc - sc * hss,
        sc * hcc - ss * hcs + cc * hsc - cs * hss, ss * hcc + sc * hcs + cs * hsc + cc * hss,
    )  # fmt: skip


_mix_rows = across(_mix, 4, 4, 4)


@vectorised
def _filter(buf: Buffers, p: Plan, h: Array, modes: int) -> None:
    """buf.passed = the coefficients of the convolution, for `synthesise`."""
    row = pair_row(modes)
    size, part = modes * modes, modes * row
    for kx in range(modes):
        of_h, at, sin_x, to, to_sin = kx * modes, kx * row, p.part + kx * row, kx * row, part + kx * row
        _mix_rows(
            h, (of_h, of_h + size, of_h + 2 * size, of_h + 3 * size),
            buf.coefficients, (at, at + modes, sin_x, sin_x + modes),
            buf.passed, (to, to + modes, to_sin, to_sin + modes), NO_NUMBERS, modes,
        )  # fmt: skip


def pad_of(images: Array) -> int:
    """Pixels around the stamp whose light these PSFs scatter into it: all that they reach."""
    return max(PADS[1][0], int(images.shape[-1]) // 2)


def render_pixel_rows(
    rows: Array,
    lenses: Array,
    sources: Array,
    centers: Array,
    fluxes: Array,
    images: Array,
    g: Geometry,
    constants: Constants,
    tolerances: Array,
    out: Array,
    magnification: Array,
    flux_in_stamp: Array,
    shot: Array,
) -> None:
    """Render the given rows into the outputs with one PSF image per band: images [band, side, side], unit
    sums. tolerances: of each system, see `TOLERANCE`. shot: rays, added up.
    """
    transfers = [transfer(image, constants.plan, g.period) for image in images]
    _render_pixel_rows(
        rows, lenses, sources, frame_centers(centers, g, constants), fluxes,
        np.stack([h for h, _ in transfers]), transfers[0][1], constants, *memory(g, 0, 0), tolerances,
        out.reshape(-1), magnification, flux_in_stamp, shot,
    )  # fmt: skip


@exact
def _render_pixel_rows(
    rows: Array, lenses: Array, sources: Array, centers: Array, fluxes: Array, transfers: Array, modes: int,
    constants: Constants, desk: Desk, work: Scratch, roots: RootGrid, buf: Buffers, tolerances: Array,
    out: Array, magnification: Array, flux_in_stamp: Array, shot: Array,
) -> None:  # fmt: skip
    """As `_batch._render_rows`, with the transfers of images."""
    n_pix = constants.numbers.n_pix
    for row in rows:
        lens, source = lenses[row], sources[row]
        rays = prepare(lens, source, desk, constants.numbers.pixel_scale)
        job = Job(rays, constants.tables, work, buf.grid, constants.numbers.stride, tolerances[row])
        work.shot[0] = 0
        total, gain = integrate(job, roots, lens, source, centers[row], constants.numbers)
        shot[row] += work.shot[0]
        magnification[row] = total
        spectrum(buf, constants.plan, modes)
        for band in range(fluxes.shape[1]):
            _filter(buf, constants.plan, transfers[band], modes)
            synthesise(buf, constants.plan, modes)
            flux = F32(gain * fluxes[row, band])
            number = row * fluxes.shape[1] + band
            stamp = gain * place_image(buf, constants.plan, out, number, n_pix, flux)
            flux_in_stamp[row, band] = stamp / total
