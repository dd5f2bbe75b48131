"""A window that sweeps up one coadd file: each tile is decoded once, and dropped when it is passed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.openfile import CoaddFile
from survey.tiles import Box


class Strip:
    """Pixels of boxes that are asked for in ascending order of their first row.

    Holds the decoded tiles that a later box may still touch: at most the rows of tiles from the first row of
    the last box on.

    Parameters
    ----------
    coadd : CoaddFile
        The file.
    """

    def __init__(self, coadd: CoaddFile) -> None:
        self._coadd = coadd
        self._held: dict[int, tuple[Box, NDArray[Any]]] = {}
        self._lowest = 0  # where the first of them ends

    def cut(self, box: Box, into: NDArray[Any]) -> None:
        """Copy the pixels of a box, which must lie in the image, into an array of its shape.

        Raises
        ------
        BrickError
            As `CoaddFile.tile`.
        """
        row, row_stop, column, column_stop = box
        for tile in self._coadd.tiles_of(box):
            (top, bottom, left, right), pixels = self._held.get(tile) or self._decoded(tile)
            low, high = max(row, top), min(row_stop, bottom)
            first, last = max(column, left), min(column_stop, right)
            into[low - row : high - row, first - column : last - column] = pixels[
                low - top : high - top, first - left : last - left
            ]

    def pixel(self, row: int, column: int) -> float:
        """Give the value of one pixel."""
        value = np.empty((1, 1))
        self.cut((row, row + 1, column, column + 1), value)
        return float(value[0, 0])

    def forget_below(self, row: int) -> None:
        """Drop the tiles that end below a row: no box to come touches them."""
        if row >= self._lowest:
            self._held = {tile: held for tile, held in self._held.items() if held[0][1] > row}
            self._lowest = min((held[0][1] for held in self._held.values()), default=0)

    def _decoded(self, tile: int) -> tuple[Box, NDArray[Any]]:
        held = self._coadd.box_of(tile), self._coadd.tile(tile)
        self._lowest = min(self._lowest, held[0][1]) if self._held else held[0][1]
        self._held[tile] = held
        return held
