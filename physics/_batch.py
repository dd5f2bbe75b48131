"""The loop over systems: rays, deposit, convolution. Serial, without the GIL."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from physics._jit import Array, exact
from physics._memory import memory
from physics.convolve import (
    Buffers,
    Plan,
    image,
    modes_of,
    place_image,
    plan,
    set_transfer,
    spectrum,
)
from physics.deposit import RootGrid, Tables, tables
from physics.geometry import Geometry
from physics.plane import Sizes, integrate
from physics.psf import cutoff_of_peak, fourier_gaussians
from physics.quadtree import Job, Scratch
from physics.rays import Desk, prepare

F32 = np.float32
#: Integration error allowed per cell, in units of the source's flux.
TOLERANCE = 8e-5
#: Frequencies that hold less than this of a star's peak, in all, are left out.
PSF_LOST = 1e-4


class Constants(NamedTuple):
    """Everything that is the same for all systems of one stamp size and density."""

    numbers: Sizes
    plan: Plan
    tables: Tables


@lru_cache(maxsize=32)
def row_constants(g: Geometry, pixel_scale: float) -> Constants:
    """Tables for stamps of this geometry with pixels of pixel_scale arcsec."""
    numbers = Sizes(g.n_pix, pixel_scale, g.steps, g.n_root, g.stride, g.period, g.first_root)
    return Constants(numbers, plan(g), tables(g.steps))


def render_rows(
    rows: Array,
    lenses: Array,
    sources: Array,
    centers: Array,
    fluxes: Array,
    scales: Array,
    wrapped: Array,
    kind: str,
    beta: float,
    g: Geometry,
    constants: Constants,
    tolerances: Array,
    left_out: float,
    out: Array,
    magnification: Array,
    flux_in_stamp: Array,
    shot: Array,
) -> None:
    """Render the given rows into the outputs. scales, wrapped: the PSF in Fourier space (psf.py). tolerances:
    of each system, see `TOLERANCE`. left_out: of PSF_LOST, the part that is. shot: rays, added up.
    """
    rates, weights = (values.astype(np.float32) for values in fourier_gaussians(kind, beta))
    cutoff = cutoff_of_peak(kind, beta, left_out * PSF_LOST)
    bands = fluxes.shape[1]
    _render_rows(
        rows, lenses, sources, frame_centers(centers, g, constants), fluxes, scales, wrapped, rates, weights,
        cutoff, constants, tolerances, *memory(g, bands, rates.size), np.full(bands, -1.0),
        np.zeros(bands, np.int64), out.reshape(-1), magnification, flux_in_stamp, shot,
    )  # fmt: skip


def frame_centers(centers: Array, g: Geometry, constants: Constants) -> Array:
    """The hosts' offsets from the middle of the grids, arcsec."""
    return centers - g.middle * constants.numbers.pixel_scale


@exact
def _render_rows(
    rows: Array, lenses: Array, sources: Array, centers: Array, fluxes: Array, scales: Array, wrapped: Array,
    rates: Array, weights: Array, cutoff: float, constants: Constants, tolerances: Array, desk: Desk,
    work: Scratch, roots: RootGrid, buf: Buffers, known: Array, modes: Array, out: Array,
    magnification: Array, flux_in_stamp: Array, shot: Array,
) -> None:  # fmt: skip
    """Rays, deposit, spectrum, and an image a band, row by row, into `out`, flat; error bounds: render.py. A
    PSF that is that of the row before keeps its transfer; known, modes: scale and modes of each band's.
    """
    numbers, n_pix = constants.numbers, constants.numbers.n_pix
    step = 2.0 * math.pi / (numbers.period * numbers.pixel_scale)
    for row in rows:
        lens, source = lenses[row], sources[row]
        rays = prepare(lens, source, desk, numbers.pixel_scale)
        job = Job(rays, constants.tables, work, buf.grid, numbers.stride, tolerances[row])
        work.shot[0] = 0
        total, gain = integrate(job, roots, lens, source, centers[row], numbers)
        shot[row] += work.shot[0]
        magnification[row] = total
        most = 0
        for band in range(fluxes.shape[1]):
            scale = scales[row, band]
            if scale != known[band]:
                known[band] = scale
                unit = step * scale
                modes[band] = modes_of(constants.plan, cutoff / unit)
                set_transfer(
                    buf, constants.plan, buf.transfer[band], rates, weights, F32(unit),
                    F32(wrapped[row, band]), modes[band],
                )  # fmt: skip
            most = max(most, modes[band])
        spectrum(buf, constants.plan, most)
        for band in range(fluxes.shape[1]):
            image(buf, constants.plan, buf.transfer[band], most, modes[band])
            flux = F32(gain * fluxes[row, band])
            number = row * fluxes.shape[1] + band
            stamp = gain * place_image(buf, constants.plan, out, number, n_pix, flux)
            flux_in_stamp[row, band] = stamp / total
