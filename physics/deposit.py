"""Adding light to the deposit grid [y, x]: single cells, cells with several nodes, and all plain root cells
at once.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, inlined, vectorised
from physics._vector import LANES, deposit_loop, transpose
from physics.cells import QUEUE, ROUND
from physics.geometry import DENSITIES, WINDOW
from physics.gridding import NODE_LEVEL, deposit_tables, node_tables

F32 = np.float32
_ONE = F32(1.0)
#: Samples of one node of all queued cells lie together; not a power of two apart, which would share cache
#: lines.
SAMPLE_STRIDE = QUEUE + 2 * ROUND

#: Cells whose place (cells.Cells) is smaller keep the position of each node.
NODE_PLACES = 2 << NODE_LEVEL + 16

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


def tables(steps: int) -> Tables:
    """The constant tables for one density."""
    rows, start = deposit_tables(steps)
    return Tables(rows.ravel(), start, *node_tables())


@inlined
def _first_rows(tables: Tables, rule: int, place: int) -> tuple[int, int]:
    """Rows of the table for a cell's first node along x and y; one rule's lie in the order of 2^level + k."""
    start = tables.start[0, rule]
    return start + ((place >> 16) - 1) * rule, start + ((place & 0xFFFF) - 1) * rule


@inlined
def spread_cell(
    grid: Array, stride: int, home: int, place: int, values: Array, at: int, tables: Tables
) -> None:
    """values[at] at the cell's centre."""
    wx, wy = _first_rows(tables, 1, place)
    _deposit_1(grid, home, stride, tables.rows, wy, wx, values, at, 0, _ONE)


@inlined
def spread_nodes(
    rule: int, grid: Array, stride: int, home: int, place: int, samples: Array, at: int, area: Real,
    tables: Tables,
) -> None:  # fmt: skip
    """area x samples (brightness), each at its own quadrature node."""
    wx, wy = _first_rows(tables, rule, place)
    if rule == 2:
        _deposit_2(grid, home, stride, tables.rows, wy, wx, samples, at, SAMPLE_STRIDE, area)
    elif rule == 3:
        _deposit_3(grid, home, stride, tables.rows, wy, wx, samples, at, SAMPLE_STRIDE, area)
    else:
        _deposit_4(grid, home, stride, tables.rows, wy, wx, samples, at, SAMPLE_STRIDE, area)


#: Root cells whose windows hold a grid point, at most; as many zeros pad the root grid at either end.
_OVERLAP = WINDOW // DENSITIES[0]
_FRONT = _OVERLAP - 1


class RootGrid(NamedTuple):
    """Working memory for `spread_roots`. flux: by column, [n_root + 2 FRONT, width], FRONT columns of zeros
    at either end; sums: of its rows.
    """

    flux: Array
    expanded: Array
    turned: Array
    sums: Array
    lost: Array
    width: int


def root_grid(n_root: int, stride: int) -> RootGrid:
    """Zeros for n_root x n_root cells."""
    width = -(-n_root // LANES) * LANES
    return RootGrid(
        np.zeros((n_root + 2 * _FRONT) * width, np.float32),
        np.zeros(stride * width, np.float32),
        np.zeros((width + 2 * _FRONT) * stride, np.float32),
        np.zeros(width, np.float32),
        np.zeros(width, np.float32),
        width,
    )


@vectorised
def put_roots(roots: RootGrid, first: int, last: int, n_root: int, values: Array, lost: Array) -> None:
    """Store the fluxes of root cells in columns first..last, and add them and `lost` up by row."""
    for ix in range(first, last):
        line, column = roots.flux[(ix + _FRONT) * roots.width :], values[(ix - first) * n_root :]
        column_lost = lost[(ix - first) * n_root :]
        for iy in range(n_root):
            line[iy] = column[iy]
            roots.sums[iy] += column[iy]
            roots.lost[iy] += column_lost[iy]


@inlined
def _weight(weights: Array, place: int) -> Real:
    """The window's weight at a place, nothing outside it."""
    return weights[place] if place < WINDOW else F32(0.0)


@vectorised
def _expand(src: Array, dst: Array, row: int, n_root: int, steps: int, weights: Array, keep: Real) -> None:
    """dst[g] = keep dst[g] + sum_i weights[g - steps i] src[FRONT + i], g over the grid points that root
    cells reach.
    """
    for g in range(steps * (n_root - 1) + WINDOW):
        i, p = g // steps + _FRONT, g % steps
        w0, w1 = weights[p], _weight(weights, p + steps)
        w2, w3 = _weight(weights, p + 2 * steps), _weight(weights, p + 3 * steps)
        a, b, c, d = src[i * row :], src[(i - 1) * row :], src[(i - 2) * row :], src[(i - 3) * row :]
        out = dst[g * row : (g + 1) * row]
        for k in range(row):
            out[k] = keep * out[k] + w0 * a[k] + w1 * b[k] + w2 * c[k] + w3 * d[k]


@vectorised
def spread_roots(roots: RootGrid, n_root: int, steps: int, stride: int, tables: Tables, grid: Array) -> None:
    """grid += roots.flux, each at its root's centre."""
    weights = tables.rows[tables.start[0, 1] * WINDOW :]
    _expand(roots.flux, roots.expanded, roots.width, n_root, steps, weights, F32(0.0))
    transpose(roots.expanded, 0, roots.width, roots.turned, _FRONT * stride, stride, stride, roots.width)
    _expand(roots.turned, grid, stride, n_root, steps, weights, _ONE)
