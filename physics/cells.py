"""Lists of square cells: a stack of cells to be classified, and a queue for each quadrature rule.

Lists are handled in whole blocks: cells of one rule are picked out by an index list, so that no branch has to
guess what the next cell needs.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, inlined
from physics.gridding import CENTRE_LEVEL

F32 = np.float32
#: Cells are classified in blocks of at most this many.
BLOCK = 1024
#: Of a block's children at most 3 blocks wait while a fourth is worked on, at each of the 48 times that the
#: widest cell outside the stamp can be halved; below them wait what the root cells left, and the ring cells.
STACK = (3 * 48 + 14) * BLOCK
#: Root cells are added to the stack while it holds no more than this.
ROOM = 4 * BLOCK
#: A queue is flushed when it has no room for another block.
QUEUE = 2 * BLOCK
#: Vector loops run over whole multiples of this many cells, into stale ones: what LLVM leaves over it does
#: one by one, fifteen times slower. Lists are this much longer than they need be.
ROUND = 16
#: A cell with less light than this part of the tolerance is one ray, counted but not spread.
NEGLIGIBLE = 1e-4
#: home of a cell outside the deposit grid: its light counts in the magnification only.
OUTSIDE = -1
#: place of a root cell.
ROOT_PLACE = 1 << 16 | 1
_DEEP_PLACE = 1 << CENTRE_LEVEL + 16
_STEP_X, _STEP_Y = 1 << 16, 1


class Cells(NamedTuple):
    """One list of cells, the first length[0] in use.

    x, y: centre relative to the lens, arcsec. side: arcsec. home: index of the root cell's window in the flat
    deposit grid, or OUTSIDE. place: (2^level + kx) << 16 | 2^level + ky of a cell that is number (kx, ky)
    of the 2^level x 2^level in its root; cells deeper than CENTRE_LEVEL keep the place of their ancestor
    there.
    """

    x: Array
    y: Array
    side: Array
    home: Array
    place: Array
    length: Array


def empty_cells(capacity: int) -> Cells:
    """An empty list."""
    x, y, side = (np.zeros(capacity + ROUND, np.float32) for _ in range(3))
    home, place = (np.zeros(capacity + ROUND, np.int32) for _ in range(2))
    return Cells(x, y, side, home, place, np.zeros(1, np.int64))


@inlined
def whole(n: int) -> int:
    """n rounded up to a multiple of ROUND."""
    return (n + ROUND - 1) // ROUND * ROUND


@inlined
def append(cells: Cells, first: int, index: Array, n: int, to: Cells) -> None:
    """Copy the cells number first + index[k], k < n, to the end of another list."""
    end = to.length[0]
    x, y, side, home, place = to.x[end:], to.y[end:], to.side[end:], to.home[end:], to.place[end:]
    old_x, old_y, old_side = cells.x[first:], cells.y[first:], cells.side[first:]
    old_home, old_place = cells.home[first:], cells.place[first:]
    for k in range(n):
        j = index[k]
        x[k] = old_x[j]
        y[k] = old_y[j]
        side[k] = old_side[j]
        home[k] = old_home[j]
        place[k] = old_place[j]
    to.length[0] = end + n


@inlined
def push_quarters(cells: Cells, stack: Cells) -> None:
    """Put the four quarters of all cells on the stack, and empty the list of cells."""
    n, end = cells.length[0], stack.length[0]
    x, y, side = stack.x[end:], stack.y[end:], stack.side[end:]
    home, place = stack.home[end:], stack.place[end:]
    for k in range(n):
        quarter = F32(0.25) * cells.side[k]
        left, right = cells.x[k] - quarter, cells.x[k] + quarter
        low, high = cells.y[k] - quarter, cells.y[k] + quarter
        old, at = cells.place[k], 4 * k
        deep = old >= _DEEP_PLACE
        first = old if deep else np.int32(2 * old)
        step_x, step_y = np.int32(0 if deep else _STEP_X), np.int32(0 if deep else _STEP_Y)
        x[at], x[at + 1], x[at + 2], x[at + 3] = left, right, left, right
        y[at], y[at + 1], y[at + 2], y[at + 3] = low, low, high, high
        place[at], place[at + 1] = first, np.int32(first + step_x)
        place[at + 2], place[at + 3] = np.int32(first + step_y), np.int32(first + step_x + step_y)
        for child in range(4):
            side[at + child] = F32(2.0) * quarter
            home[at + child] = cells.home[k]
    stack.length[0] = end + 4 * n
    cells.length[0] = 0
