"""All light of a lensed source: spread over the deposit grid in and around the stamp, summed over the whole
plane.
"""

import math
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, exact, inlined
from physics.cells import BLOCK, CAPACITY, OUTSIDE, enqueue, push_quarters, push_root, whole
from physics.deposit import RootGrid, root_line, spread_roots
from physics.geometry import ROOT_PIXELS
from physics.quadrature import SPLIT_RULE, choose_rules
from physics.quadtree import Job, drain, flush
from physics.sersic import b_n

F32 = np.float32
#: Weight of the PSF's own variation across a root cell in the choice of rule (quadrature.choose_rules,
#: ripple).
_RIPPLE = 0.05
#: The plane is integrated out to where the profile has fallen by exp(-FALL).
_FALL = 25.0
#: Cells per side of each of the 8 blocks of a ring around a square.
_RING_CELLS = 4


class Numbers(NamedTuple):
    """Sizes of one stamp; see geometry.Geometry."""

    n_pix: int
    pixel_scale: float
    steps: int
    n_root: int
    stride: int
    period: int
    first_root: float


@exact
def _classify_roots(job: Job, n_root: int, first: int, last: int, x0: Real, y0: Real, side: Real) -> None:
    """Rules and central values of the root cells in rows first..last."""
    x, y = job.work.levels.x[0], job.work.levels.y[0]
    k = 0
    for iy in range(first, last):
        yy = F32(y0 + iy * side)
        for ix in range(n_root):
            x[k + ix] = F32(x0 + ix * side)
            y[k + ix] = yy
        k += n_root
    choose_rules(
        x, y, F32(side), F32(_RIPPLE), F32(job.tolerance), whole(k), job.rays, job.work.value, job.work.rule
    )


@inlined
def _pass_on(job: Job, k: int, rule: int, base: int, side: Real) -> None:
    """Root cell k of the block, which needs more than one ray: to its queue, or in quarters to level 1."""
    cells = job.work.levels
    cells.base[0, k] = base
    cells.kx[0, k] = 0
    cells.ky[0, k] = 0
    if rule >= SPLIT_RULE:
        push_quarters(cells, 0, k, side)
    else:
        enqueue(job.work.queues, rule, cells, 0, k, side)


@exact
def _integrate_roots(
    job: Job, roots: RootGrid, n_root: int, steps: int, x0: Real, y0: Real, side: Real
) -> Real:
    """Spread the light of all root cells over the grid; returns its flux. x0, y0: first root's centre,
    arcsec.
    """
    rows = max(BLOCK // n_root, 1)
    values, rules = job.work.value, job.work.rule
    flux = 0.0
    for first in range(0, n_root, rows):
        last = min(first + rows, n_root)
        _classify_roots(job, n_root, first, last, x0, y0, side)
        k = 0
        for iy in range(first, last):
            line = root_line(roots, iy)
            for ix in range(n_root):
                if rules[k] < F32(1.5):
                    line[ix] = values[k]
                    flux += values[k]
                else:
                    line[ix] = F32(0.0)
                    _pass_on(job, k, int(rules[k]), steps * (ix * job.stride + iy), F32(side))
                k += 1
        flux += flush(job, CAPACITY - BLOCK)
        flux += drain(job, 1, side, _RIPPLE)
    spread_roots(roots, n_root, steps, job.stride, job.tables, job.grid)
    return flux


@exact
def _integrate_ring(job: Job, x_centre: Real, y_centre: Real, width: Real) -> Real:
    """Flux between a square of this width (arcsec) and one three times wider."""
    side = width / _RING_CELLS
    for j in range(3 * _RING_CELLS):
        for i in range(3 * _RING_CELLS):
            if _RING_CELLS <= i < 2 * _RING_CELLS and _RING_CELLS <= j < 2 * _RING_CELLS:
                continue
            x = x_centre + (i + 0.5 - 1.5 * _RING_CELLS) * side
            y = y_centre + (j + 0.5 - 1.5 * _RING_CELLS) * side
            push_root(job.work.levels, F32(x), F32(y), OUTSIDE)
    return drain(job, 0, side, 0.0)


@exact
def _extent(source: Array) -> Real:
    """Radius (arcsec) beyond which the source has no light worth counting: b R^(1/n) = b + FALL."""
    b = b_n(source[1])
    return source[0] * ((b + _FALL) / b) ** source[1] / math.sqrt(source[2])


@exact
def integrate_plane(
    job: Job, roots: RootGrid, lens: Array, source: Array, center: Array, numbers: Numbers
) -> Real:
    """Fill job.grid with the light in and around the stamp; returns the flux of the whole plane.

    lens, source: rows of parameters as in `rays.prepare`. The source has unit flux.
    """
    job.grid[:] = F32(0.0)
    offset = numbers.first_root * numbers.pixel_scale
    x0, y0 = offset - center[0] - lens[5], offset - center[1] - lens[6]
    side = ROOT_PIXELS * numbers.pixel_scale
    flux = _integrate_roots(job, roots, numbers.n_root, numbers.steps, x0, y0, side)
    width = numbers.n_root * side
    xc, yc = x0 + 0.5 * (width - side), y0 + 0.5 * (width - side)
    # shear moves the farthest light out by 1 / (1 - gamma), the lens by a few theta_e
    away = math.hypot(source[4] - lens[5], source[5] - lens[6])
    reach = (away + _extent(source)) / (1.0 - lens[3]) + 4.0 * lens[0] + math.hypot(xc, yc)
    while width < 2.0 * reach:
        flux += _integrate_ring(job, xc, yc, width)
        width *= 3.0
    return flux + flush(job, 0)
