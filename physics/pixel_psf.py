"""A PSF given as an image: its Fourier transform, and the rows rendered with it.

The image is the effective PSF sampled at the stamp's pixel scale, taken as band-limited between its samples
(sinc interpolation): H(k) = sum_d p(d) exp(-i k d) up to half a cycle per pixel, nothing beyond. It need not
be symmetric, so H has four parts, (cos or sin in y) x (cos or sin in x), and mixes the four coefficient
matrices of convolve.py by cos(a + b) = cos a cos b - sin a sin b and sin(a + b) = sin a cos b + cos a sin b.
"""

import numpy as np

from physics._batch import TOLERANCE, Constants, scale_image
from physics._jit import Array, allocating, vectorised
from physics._vector import LANES
from physics.convolve import Buffers, buffers, spectrum, synthesise, whole
from physics.deposit import RootGrid, root_grid
from physics.geometry import Geometry
from physics.plane import integrate_plane
from physics.quadtree import Job, Scratch, scratch
from physics.rays import prepare

F32 = np.float32
#: Deposit density: a grid Nyquist frequency of 0.75 cycles per pixel.
STEPS = 3


def transfer(image: Array, period: int) -> tuple[Array, int]:
    """(H, modes): H float32 [cos or sin in y, ky, pair of kx in rows of whole vectors], flat.

    image: odd side, its middle pixel is the origin.
    """
    modes = period // 2 + 1
    row = -(-modes // LANES) * LANES
    d = np.arange(image.shape[0]) - image.shape[0] // 2
    phase = 2.0 * np.pi / period * np.outer(np.arange(modes), d)
    c, s = np.cos(phase), np.sin(phase)
    parts = np.zeros((2, modes, 2, row), np.float32)
    for j, along_y in enumerate((c, s)):
        for i, along_x in enumerate((c, s)):
            parts[j, :, i, :modes] = along_y @ image @ along_x.T
    if period % 2 == 0:  # the last frequency is its own mirror image
        parts[:, -1] *= 0.5
        parts[:, :, :, modes - 1] *= 0.5
    return parts.ravel(), modes


@vectorised
def _mix(buf: Buffers, h: Array, modes: int) -> None:
    """buf.a, buf.b (cos and sin in y) = the coefficients of the convolution."""
    row = whole(modes, LANES)
    pair = 2 * row
    for ky in range(modes):
        at = ky * pair
        hcc, hcs = h[at:], h[at + row :]
        hsc, hss = h[modes * pair + at :], h[modes * pair + at + row :]
        xcc, xcs, xsc, xss = buf.cos_y[at:], buf.cos_y[at + row :], buf.sin_y[at:], buf.sin_y[at + row :]
        ycc, ycs, ysc, yss = buf.a[at:], buf.a[at + row :], buf.b[at:], buf.b[at + row :]
        for k in range(row):
            ycc[k] = xcc[k] * hcc[k] - xcs[k] * hcs[k] - xsc[k] * hsc[k] + xss[k] * hss[k]
        for k in range(row):
            ycs[k] = xcs[k] * hcc[k] + xcc[k] * hcs[k] - xss[k] * hsc[k] - xsc[k] * hss[k]
        for k in range(row):
            ysc[k] = xsc[k] * hcc[k] - xss[k] * hcs[k] + xcc[k] * hsc[k] - xcs[k] * hss[k]
        for k in range(row):
            yss[k] = xss[k] * hcc[k] + xsc[k] * hcs[k] + xcs[k] * hsc[k] + xcc[k] * hss[k]


def render_pixel_rows(
    lenses: Array,
    sources: Array,
    centers: Array,
    fluxes: Array,
    images: Array,
    g: Geometry,
    constants: Constants,
    out: Array,
    magnification: Array,
    flux_in_stamp: Array,
) -> None:
    """Render all rows into the outputs with one PSF image per band: images [band, side, side], unit sums."""
    transfers = [transfer(image, g.period) for image in images]
    _render_pixel_rows(
        lenses, sources, centers, fluxes, np.stack([h for h, _ in transfers]), transfers[0][1], constants,
        scratch(), root_grid(g.n_root, g.stride), buffers(g, constants.plan, len(images)), out, magnification,
        flux_in_stamp,
    )  # fmt: skip


@allocating
def _render_pixel_rows(
    lenses: Array, sources: Array, centers: Array, fluxes: Array, transfers: Array, modes: int,
    constants: Constants, work: Scratch, roots: RootGrid, buf: Buffers, out: Array, magnification: Array,
    flux_in_stamp: Array,
) -> None:  # fmt: skip
    series = np.empty((2, constants.nodes.size))
    sums = np.empty(constants.numbers.n_pix, np.float32)
    for row in range(len(lenses)):
        lens, source = lenses[row], sources[row]
        rays = prepare(lens, source, constants.nodes, constants.matrix, series)
        job = Job(rays, constants.tables, work, buf.grid, constants.numbers.stride, TOLERANCE)
        total = integrate_plane(job, roots, lens, source, centers[row], constants.numbers)
        magnification[row] = total
        spectrum(buf, constants.plan, modes)
        for band in range(fluxes.shape[1]):
            stamp = out[row, band]
            _mix(buf, transfers[band], modes)
            synthesise(buf, constants.plan, modes, stamp)
            flux_in_stamp[row, band] = scale_image(stamp, F32(fluxes[row, band]), sums) / total
