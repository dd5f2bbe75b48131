"""All light of a lensed source: spread over the deposit grid in and around the stamp, summed over the whole
plane.
"""

import math
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, exact, inlined
from physics.cells import BLOCK, OUTSIDE, ROOM, ROOT_PLACE, Cells
from physics.deposit import RootGrid, put_roots, spread_roots
from physics.geometry import ROOT_PIXELS
from physics.quadtree import SMALLEST, Job, classify, drain, flush, pass_on, sort_by_rule

F32 = np.float32
#: Weight of the PSF's own variation across a root cell in the choice of rule (quadrature.choose_rules,
#: ripple).
_RIPPLE = 0.05
#: The plane is integrated out to where the profile has fallen by exp(-FALL).
_FALL = 25.0
#: Cells per side of each of the 8 blocks of a ring around a square.
_RING_CELLS = 3
#: Integrated again, to CAUSTIC of the tolerance: a source magnified more than MUCH. It lies on a caustic,
#: where the errors of many cells have one sign; one system in forty, so that it costs little to take the
#: tolerance at which the stress set of benchmarks/accuracy.py stays within its bounds.
MUCH, CAUSTIC = 10.0, 0.05


class Sizes(NamedTuple):
    """Sizes of one stamp; see geometry.Geometry."""

    n_pix: int
    pixel_scale: float
    steps: int
    n_root: int
    stride: int
    period: int
    first_root: float


@inlined
def _push_roots(
    stack: Cells, first: int, last: int, n_root: int, x0: Real, y0: Real, side: Real, step_x: int, step_y: int
) -> None:
    """Put the root cells in columns first..last on the stack. Their centres are worked out in double: rounded
    twice, they leave gaps of 1e-6" between them, which a sliver of an image beside the lens falls into.
    """
    for ix in range(first, last):
        at = stack.length[0]
        x, y, sides = stack.x[at:], stack.y[at:], stack.side[at:]
        home, place = stack.home[at:], stack.place[at:]
        for iy in range(n_root):
            x[iy] = F32(x0 + ix * side)
            y[iy] = F32(y0 + iy * side)
            sides[iy] = F32(side)
            home[iy] = np.int32(ix * step_x + iy * step_y)
            place[iy] = np.int32(ROOT_PLACE)
        stack.length[0] = at + n_root


@inlined
def _integrate_roots(
    job: Job, roots: RootGrid, n_root: int, steps: int, x0: Real, y0: Real, side: Real
) -> tuple[Real, Real]:
    """Spread the light of all root cells over the grid; returns its flux,
    and what root cells of one ray lose. x0, y0: first root's centre, arcsec.
    """
    work = job.work
    columns = max(BLOCK // n_root, 1)
    ripple, smallest = _RIPPLE / side**2, SMALLEST * side
    flux = 0.0
    roots.sums[:] = F32(0.0)
    roots.lost[:] = F32(0.0)
    for first in range(0, n_root, columns):
        last = min(first + columns, n_root)
        if work.stack.length[0] > ROOM:
            flux += drain(job, smallest, ripple)
        bottom = work.stack.length[0]
        _push_roots(work.stack, first, last, n_root, x0, y0, side, steps, steps * job.stride)
        n = work.stack.length[0] - bottom
        classify(job, bottom, n, smallest, ripple)
        sort_by_rule(n, 2, work.rule, work.order, work.counts)
        put_roots(roots, first, last, n_root, work.value, work.lost)
        flux += pass_on(job, bottom)
    flux += drain(job, smallest, ripple) + flush(job)
    spread_roots(roots, n_root, steps, job.stride, job.tables, job.grid)
    lost = 0.0
    for iy in range(n_root):
        flux += roots.sums[iy]
        lost += roots.lost[iy]
    return flux, lost


@inlined
def _push_ring(stack: Cells, x_centre: Real, y_centre: Real, width: Real) -> None:
    """Put cells between a square of this width (arcsec) and one three times wider on the stack."""
    side = width / _RING_CELLS
    k = stack.length[0]
    for j in range(3 * _RING_CELLS):
        for i in range(3 * _RING_CELLS):
            if _RING_CELLS <= i < 2 * _RING_CELLS and _RING_CELLS <= j < 2 * _RING_CELLS:
                continue
            stack.x[k] = F32(x_centre + (i + 0.5 - 1.5 * _RING_CELLS) * side)
            stack.y[k] = F32(y_centre + (j + 0.5 - 1.5 * _RING_CELLS) * side)
            stack.side[k] = F32(side)
            stack.home[k] = OUTSIDE
            stack.place[k] = ROOT_PLACE
            k += 1
    stack.length[0] = k


@exact
def _extent(source: Array, b: Real) -> Real:
    """Radius (arcsec) beyond which the source has no light worth counting: b R^(1/n) = b + FALL, b = b_n."""
    return source[0] * ((b + _FALL) / b) ** source[1] / math.sqrt(source[2])


@exact
def integrate(
    job: Job, roots: RootGrid, lens: Array, source: Array, center: Array, numbers: Sizes
) -> tuple[Real, Real]:
    """`integrate_plane`, as finely as the source's magnification asks for."""
    total, gain = integrate_plane(job, roots, lens, source, center, numbers)
    if total > MUCH:
        finer = Job(job.rays, job.tables, job.work, job.grid, job.stride, CAUSTIC * job.tolerance)
        total, gain = integrate_plane(finer, roots, lens, source, center, numbers)
    return total, gain


@exact
def integrate_plane(
    job: Job, roots: RootGrid, lens: Array, source: Array, center: Array, numbers: Sizes
) -> tuple[Real, Real]:
    """Fill job.grid with the light in and around the stamp; returns the flux of the whole plane, and by how
    much the light in the grid is to be multiplied.

    On the regular grid of root cells the midpoint rule is exact but at the border, where finer rules begin:
    there it loses, in all, what `choose_rules` says of the cells one by one. That is 1e-4 of the light, so
    all of it is made brighter by as much; where next to none is in the grid it is no more than half, and
    means nothing. Errors: see render.py.

    lens, source: rows of parameters as in `rays.prepare`. The source has unit flux.
    """
    job.grid[:] = F32(0.0)
    offset = numbers.first_root * numbers.pixel_scale
    x0, y0 = offset - center[0] - lens[5], offset - center[1] - lens[6]
    side = ROOT_PIXELS * numbers.pixel_scale
    width = numbers.n_root * side
    xc, yc = x0 + 0.5 * (width - side), y0 + 0.5 * (width - side)
    # shear moves the farthest light out by 1 / (1 - gamma), the lens by a few theta_e
    away = math.hypot(source[4] - lens[5], source[5] - lens[6])
    b = -math.log(2.0) * job.rays.numbers.neg_b_log2e
    reach = (away + _extent(source, b)) / (1.0 - lens[3]) + 4.0 * lens[0] + math.hypot(xc, yc)
    job.work.stack.length[0] = 0
    while width < 2.0 * reach:
        _push_ring(job.work.stack, xc, yc, width)
        width *= 3.0
    smallest, ripple = SMALLEST * side, _RIPPLE / side**2
    outside = drain(job, smallest, ripple) + flush(job)
    inside, lost = _integrate_roots(job, roots, numbers.n_root, numbers.steps, x0, y0, side)
    gain = 1.0 + lost / inside if inside > 0.0 else 1.0
    return outside + inside * gain, gain
