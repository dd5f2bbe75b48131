"""Lists of square cells, and their two moves: into a queue, or in four quarters to the level below."""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, inlined

F32 = np.float32
#: Cells are classified in blocks of at most this many; the four quarters of each fit a list.
BLOCK = 4096
CAPACITY = 4 * BLOCK
#: Vector loops run over whole multiples of this many cells, into stale ones: what LLVM leaves over it does
#: one by one, fifteen times slower. Lists are this much longer than CAPACITY.
ROUND = 16
#: base of a cell outside the deposit grid: its light counts in the magnification only.
OUTSIDE = -1


class Cells(NamedTuple):
    """Lists of cells [list, CAPACITY], the first count[list] in use.

    x, y: centre relative to the lens, arcsec. side: arcsec. base: index of the root cell's window in the flat
    deposit grid, or OUTSIDE. level, kx, ky: the cell's place among the 2^level per axis of its root.
    """

    x: Array
    y: Array
    side: Array
    base: Array
    level: Array
    kx: Array
    ky: Array
    lengths: Array


def empty_cells(lists: int) -> Cells:
    """Empty lists."""
    x, y, side = (np.zeros((lists, CAPACITY + ROUND), np.float32) for _ in range(3))
    base, level, kx, ky = (np.zeros((lists, CAPACITY + ROUND), np.int32) for _ in range(4))
    return Cells(x, y, side, base, level, kx, ky, np.zeros(lists, np.int64))


@inlined
def whole(n: int) -> int:
    """n rounded up to a multiple of ROUND."""
    return (n + ROUND - 1) // ROUND * ROUND


@inlined
def push_root(cells: Cells, x: Real, y: Real, base: int) -> None:
    """Append a root cell to list 0."""
    k = cells.lengths[0]
    cells.x[0, k] = x
    cells.y[0, k] = y
    cells.base[0, k] = base
    cells.kx[0, k] = 0
    cells.ky[0, k] = 0
    cells.lengths[0] = k + 1


@inlined
def push_quarters(cells: Cells, level: int, c: int, side: Real) -> None:
    """Append the four quarters of cell c of a level to the level below."""
    quarter = F32(0.25) * side
    x, y, base = cells.x[level, c], cells.y[level, c], cells.base[level, c]
    kx, ky = 2 * cells.kx[level, c], 2 * cells.ky[level, c]
    below = level + 1
    k = cells.lengths[below]
    for dy in range(2):
        for dx in range(2):
            cells.x[below, k] = x + F32(2 * dx - 1) * quarter
            cells.y[below, k] = y + F32(2 * dy - 1) * quarter
            cells.base[below, k] = base
            cells.kx[below, k] = kx + dx
            cells.ky[below, k] = ky + dy
            k += 1
    cells.lengths[below] = k


@inlined
def enqueue(queues: Cells, rule: int, cells: Cells, level: int, c: int, side: Real) -> None:
    """Append cell c of a level to the queue of its rule."""
    k = queues.lengths[rule]
    queues.x[rule, k] = cells.x[level, c]
    queues.y[rule, k] = cells.y[level, c]
    queues.side[rule, k] = side
    queues.base[rule, k] = cells.base[level, c]
    queues.level[rule, k] = level
    queues.kx[rule, k] = cells.kx[level, c]
    queues.ky[rule, k] = cells.ky[level, c]
    queues.lengths[rule] = k + 1
