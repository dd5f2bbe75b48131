"""The loop over systems: rays, deposit, convolution. Serial, without the GIL."""

import math
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, allocating, vectorised
from physics.convolve import PSF_FLOOR, Buffers, Plan, buffers, image, plan, set_transfer, spectrum
from physics.deposit import RootGrid, Tables, root_grid, tables
from physics.geometry import Geometry
from physics.plane import Numbers, integrate_plane
from physics.psf import TABLE_STEPS, table_cutoff
from physics.quadtree import Job, Scratch, scratch
from physics.rays import fit_matrix, prepare

F32 = np.float32
#: Integration error allowed per cell, in units of the source's flux.
TOLERANCE = 6e-6


class Constants(NamedTuple):
    """Everything that is the same for all systems of one stamp size and density."""

    numbers: Numbers
    plan: Plan
    tables: Tables
    nodes: Array
    matrix: Array


def row_constants(g: Geometry, pixel_scale: float) -> Constants:
    """Tables for stamps of this geometry with pixels of pixel_scale arcsec."""
    numbers = Numbers(g.n_pix, pixel_scale, g.steps, g.n_root, g.stride, g.period, g.first_root)
    return Constants(numbers, plan(g), tables(g.steps), *fit_matrix())


def render_rows(
    rows: Array,
    lenses: Array,
    sources: Array,
    centers: Array,
    fluxes: Array,
    scales: Array,
    wrapped: Array,
    table: Array,
    g: Geometry,
    constants: Constants,
    out: Array,
    magnification: Array,
    flux_in_stamp: Array,
) -> None:
    """Render the given rows into the outputs. scales, wrapped, table: the PSF in Fourier space (psf.py)."""
    cutoff = table_cutoff(table, PSF_FLOOR)
    _render_rows(
        rows, lenses, sources, centers, fluxes, scales, wrapped, table, cutoff, constants, scratch(),
        root_grid(g.n_root, g.stride), buffers(g, constants.plan, fluxes.shape[1]), out, magnification,
        flux_in_stamp,
    )  # fmt: skip


@allocating
def _render_rows(
    rows: Array, lenses: Array, sources: Array, centers: Array, fluxes: Array, scales: Array, wrapped: Array,
    table: Array, cutoff: float, constants: Constants, work: Scratch, roots: RootGrid, buf: Buffers,
    out: Array, magnification: Array, flux_in_stamp: Array,
) -> None:  # fmt: skip
    numbers = constants.numbers
    series = np.empty((2, constants.nodes.size))
    known = np.full(fluxes.shape[1], -1.0)
    modes = np.zeros(fluxes.shape[1], np.int64)
    sums = np.empty(numbers.n_pix, np.float32)
    step = 2.0 * math.pi / (numbers.period * numbers.pixel_scale)
    for row in rows:
        lens, source = lenses[row], sources[row]
        rays = prepare(lens, source, constants.nodes, constants.matrix, series)
        job = Job(rays, constants.tables, work, buf.grid, numbers.stride, TOLERANCE)
        total = integrate_plane(job, roots, lens, source, centers[row], numbers)
        magnification[row] = total
        for band in range(fluxes.shape[1]):
            scale = scales[row, band]
            if scale != known[band]:
                known[band] = scale
                modes[band] = min(int(cutoff / (step * scale)) + 2, constants.plan.most)
                set_transfer(buf.transfer[band], table, F32(TABLE_STEPS), F32(step * scale), modes[band])
                buf.transfer[band, 0] *= F32(1.0 - wrapped[row, band])
        most = modes.max()
        spectrum(buf, constants.plan, most)
        for band in range(fluxes.shape[1]):
            stamp = out[row, band]
            image(buf, constants.plan, buf.transfer[band], most, modes[band], stamp)
            flux_in_stamp[row, band] = scale_image(stamp, F32(fluxes[row, band]), sums) / total


@vectorised
def scale_image(stamp: Array, flux: Real, sums: Array) -> Real:
    """Sum of the unit-flux stamp, which is then multiplied by flux. sums: scratch of n_pix."""
    sums[:] = F32(0.0)
    for j in range(stamp.shape[0]):
        for i in range(stamp.shape[1]):
            sums[i] += stamp[j, i]
        for i in range(stamp.shape[1]):
            stamp[j, i] *= flux
    total = 0.0
    for i in range(stamp.shape[1]):
        total += sums[i]
    return total
