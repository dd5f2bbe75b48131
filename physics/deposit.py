"""Adding light to the deposit grid [x, y]: single cells, cells with several nodes, and all plain root cells
at once.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, inlined, vectorised
from physics._vector import LANES, deposit_loop, transpose_block
from physics.cells import CAPACITY, ROUND
from physics.geometry import ROOT_STEPS, WINDOW
from physics.gridding import CENTRE_LEVEL, deposit_tables, node_tables

F32 = np.float32
_ONE = F32(1.0)
#: Samples of one node of all queued cells lie together; not a power of two apart, which would share cache
#: lines.
SAMPLE_STRIDE = CAPACITY + 2 * ROUND

_deposit_1 = deposit_loop(1, WINDOW)
_deposit_2 = deposit_loop(2, WINDOW)
_deposit_3 = deposit_loop(3, WINDOW)
_deposit_4 = deposit_loop(4, WINDOW)


class Tables(NamedTuple):
    """`gridding.deposit_tables` (rows flat) and `gridding.node_tables`."""

    rows: Array
    start: Array
    node: Array
    weight: Array


def tables() -> Tables:
    """The constant tables."""
    rows, start = deposit_tables()
    return Tables(rows.ravel(), start, *node_tables())


@inlined
def spread_cell(
    grid: Array, stride: int, base: int, level: int, kx: int, ky: int, values: Array, at: int, tables: Tables
) -> None:
    """values[at] at the cell's centre; deeper than CENTRE_LEVEL, at the centre of its ancestor there."""
    shift = max(level - CENTRE_LEVEL, 0)
    first = tables.start[level - shift, 1]
    wx, wy = first + (kx >> shift), first + (ky >> shift)
    _deposit_1(grid, base, stride, tables.rows, wx, wy, values, at, 0, _ONE)


@inlined
def spread_nodes(
    rule: int, grid: Array, stride: int, base: int, level: int, kx: int, ky: int, samples: Array, at: int,
    area: Real, tables: Tables,
) -> None:  # fmt: skip
    """area x samples (brightness), each at its own quadrature node."""
    first = tables.start[level, rule]
    wx, wy = first + kx * rule, first + ky * rule
    if rule == 2:
        _deposit_2(grid, base, stride, tables.rows, wx, wy, samples, at, SAMPLE_STRIDE, area)
    elif rule == 3:
        _deposit_3(grid, base, stride, tables.rows, wx, wy, samples, at, SAMPLE_STRIDE, area)
    else:
        _deposit_4(grid, base, stride, tables.rows, wx, wy, samples, at, SAMPLE_STRIDE, area)


class RootGrid(NamedTuple):
    """Working memory for `spread_roots`. flux: [n_root + 4, width], two rows of zeros at either end."""

    flux: Array
    expanded: Array
    turned: Array
    width: int


def root_grid(n_root: int, n_used: int) -> RootGrid:
    """Zeros for n_root x n_root cells."""
    width = -(-n_root // LANES) * LANES
    return RootGrid(
        np.zeros((n_root + 4) * width, np.float32),
        np.zeros(n_used * width, np.float32),
        np.zeros((width + 4) * n_used, np.float32),
        width,
    )


@vectorised
def _expand(src: Array, dst: Array, width: int, n_root: int, weights: Array, keep: Real) -> None:
    """dst[g] = keep dst[g] + sum_i weights[g - 3 i] src[i + 2], g over the grid points that root cells
    reach.
    """
    for g in range(ROOT_STEPS * (n_root - 1) + WINDOW):
        i, p = g // ROOT_STEPS, g % ROOT_STEPS
        w0, w1 = weights[p], weights[p + ROOT_STEPS]
        w2 = weights[p + 2 * ROOT_STEPS] if p + 2 * ROOT_STEPS < WINDOW else F32(0.0)
        a, b, c = src[(i + 2) * width :], src[(i + 1) * width :], src[i * width :]
        out = dst[g * width : (g + 1) * width]
        for k in range(width):
            out[k] = keep * out[k] + w0 * a[k] + w1 * b[k] + w2 * c[k]


@vectorised
def spread_roots(roots: RootGrid, n_root: int, n_used: int, tables: Tables, grid: Array) -> None:
    """grid += roots.flux [iy + 2, ix], each at its root's centre."""
    weights = tables.rows[tables.start[0, 1] * WINDOW :]
    _expand(roots.flux, roots.expanded, roots.width, n_root, weights, F32(0.0))
    for i in range(0, n_used, LANES):
        for j in range(0, roots.width, LANES):
            transpose_block(
                roots.expanded, i * roots.width + j, roots.width, roots.turned, (j + 2) * n_used + i, n_used
            )
    _expand(roots.turned, grid, n_used, n_root, weights, _ONE)
