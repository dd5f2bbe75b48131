"""Which bytes of a tile-compressed FITS image hold which pixels, and a file of some of its tiles alone.

FITS standard 4.0, section 10.1 (tiled images in binary tables) and 7.3.5 (variable-length arrays). The image
is HDU 1. What is needed of a file is its first bytes, up to the end of the table of tiles: `bytes_needed`.
No pixel is decoded here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.checksum import BLOCK, hdu_bytes
from survey.errors import BrickError
from survey.fitsfile import CARD, ByteSource, HduSpan, header_cards, span_of

FIRST_BYTES = 65536
"""Bytes that hold the headers and the table of tiles of a survey coadd (3600 px: about 56,000)."""

STORAGE = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
"""Columns that may hold a tile, in the order in which they are looked at."""

_MOST_SIDE, _MOST_PIXELS = 8192, 1 << 24
"""Width of an image, and pixels of a tile, that are believed (the survey's: 3600, and 10,000)."""

_WIDTHS = {"L": 1, "X": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}
_DESCRIPTORS = {"P": ">i4", "Q": ">i8"}
_NUMBERS = {"E": ">f4", "D": ">f8", "J": ">i4", "I": ">i2", "K": ">i8", "B": "u1"}
_PACK = "give the image packed by fpack, as the survey does (in HDU 1)"
_FORM = re.compile(r"(\d*)([A-Z])([A-Z]?)")

Box = tuple[int, int, int, int]
"""Pixels from (row, column) up to (row stop, column stop): (row, row stop, column, column stop)."""


@dataclass(frozen=True, eq=False)
class TiledImage:
    """Layout of the compressed image in HDU 1 of a file.

    Attributes
    ----------
    span : HduSpan
        Cards and bytes of HDU 1; `span.end` is the least size of the file.
    shape : tuple of int
        Rows and columns of the image.
    tile_shape : tuple of int
        Rows and columns of a tile; tiles at the upper edges may be smaller.
    starts, stops : ndarray of int64
        The bytes of each tile in the file. Tiles are numbered along the rows; an absent tile has none.
    storage : ndarray of uint8
        Index into `STORAGE`: where each tile's bytes came from.
    steps : pair of ndarray of float64, or None
        ZSCALE and ZZERO of each tile; None where the image is not quantised.
    blank : ndarray of float64 or None
        ZBLANK of each tile.
    """

    span: HduSpan
    shape: tuple[int, int]
    tile_shape: tuple[int, int]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    storage: NDArray[np.uint8]
    steps: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    blank: NDArray[np.float64] | None

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across."""
        (rows, columns), (high, wide) = self.shape, self.tile_shape
        return -(-rows // high), -(-columns // wide)

    def box_of(self, tile: int) -> Box:
        """Give the pixels of a tile."""
        row, column = divmod(tile, self.grid[1])
        high, wide = self.tile_shape
        top, left = row * high, column * wide
        return top, min(top + high, self.shape[0]), left, min(left + wide, self.shape[1])

    def touched(self, boxes: Iterable[Box]) -> list[int]:
        """Number the tiles that any of some boxes touches, in ascending order.

        Parameters
        ----------
        boxes : iterable of Box
            May reach over the edges of the image, or lie outside.
        """
        (high, wide), (rows, columns), across = self.tile_shape, self.shape, self.grid[1]
        found: set[int] = set()
        for row, row_stop, column, column_stop in boxes:
            if row >= rows or column >= columns:
                continue
            tile_columns = range(max(column, 0) // wide, -(-min(column_stop, columns) // wide))
            for tile_row in range(max(row, 0) // high, -(-min(row_stop, rows) // high)):
                found.update(tile_row * across + tile_column for tile_column in tile_columns)
        return sorted(found)

    def byte_ranges(self, tiles: Iterable[int], gap: int = 0) -> list[tuple[int, int]]:
        """List the byte ranges (start, stop) of the file that hold some tiles, in ascending order.

        Parameters
        ----------
        tiles : iterable of int
            Numbers of tiles; absent ones have no bytes.
        gap : int
            Ranges with at most so many bytes between them are joined.
        """
        ranges: list[tuple[int, int]] = []
        for start, stop in sorted((int(self.starts[t]), int(self.stops[t])) for t in set(tiles)):
            if start == stop:
                continue
            if ranges and start - ranges[-1][1] <= gap:
                ranges[-1] = ranges[-1][0], max(stop, ranges[-1][1])
            else:
                ranges.append((start, stop))
        return ranges

    def cut_tiles(self, tiles: Iterable[int], start: int, content: bytes) -> dict[int, bytes]:
        """Take the bytes of those tiles that lie whole in a piece of the file.

        Parameters
        ----------
        tiles : iterable of int
            Numbers of tiles.
        start : int
            Byte of the file where the piece starts.
        content : bytes
            The piece.
        """
        stop = start + len(content)
        return {
            tile: content[self.starts[tile] - start : self.stops[tile] - start]
            for tile in tiles
            if start <= self.starts[tile] < self.stops[tile] <= stop
        }


def bytes_needed(head: bytes, path: object) -> int:
    """Say how many bytes from its start are needed of a file, so that `read_tiles` can read its layout.

    Parameters
    ----------
    head : bytes
        The first bytes of the file, best `FIRST_BYTES`.
    path : object
        What errors call the file.

    Returns
    -------
    int
        At most len(head): there are enough. More: get so many and ask again, since a header that is not
        all there only tells that it goes on.

    Raises
    ------
    BrickError
        reason "corrupt" or "bad_layout" if this can be no such file.
    """
    span = _image_span(head, path)
    if span is None:
        return 2 * max(len(head), BLOCK)
    return span.data_start + _table_bytes(span, path)


def read_tiles(head: ByteSource, path: object) -> TiledImage:
    """Read the layout of the compressed image in HDU 1.

    Parameters
    ----------
    head : bytes or FileBytes
        The file, or its first bytes, at least `bytes_needed`.
    path : object
        What errors call the file.

    Raises
    ------
    BrickError
        reason "truncated", "corrupt", or "bad_layout" if HDU 1 holds no two-dimensional compressed image.
    """
    span = _image_span(head, path)
    if span is None or len(head) < span.data_start + _table_bytes(span, path):
        raise BrickError("truncated", path, "it ends within its table of tiles; fetch it again")
    try:
        return _layout(span, head)
    except (KeyError, ValueError, OverflowError) as error:
        raise BrickError(
            "corrupt", path, f"its table of tiles is garbled ({error}); fetch it again"
        ) from error


def some_tiles(head: bytes, image: TiledImage, tiles: Mapping[int, bytes]) -> bytes:
    """Write a FITS file of some tiles of an image, with the headers of the whole one and its own checksums.

    The same tiles give the same bytes. HDUs after the image are left out.

    Parameters
    ----------
    head : bytes
        The first bytes of the whole file, as given to `read_tiles`.
    image : TiledImage
        Its layout.
    tiles : mapping of int to bytes
        The tiles' compressed bytes, from `TiledImage.cut_tiles`.

    Raises
    ------
    ValueError
        If a tile's bytes are not as many as the file says.
    """
    span, columns = image.span, _columns(image.span)
    row_bytes, rows = int(span.cards["NAXIS1"]), int(span.cards["NAXIS2"])
    table = np.zeros((rows, row_bytes), dtype=np.uint8)
    table[:] = _rows(span, head)
    for name in STORAGE:
        if name in columns:
            column = columns[name]
            table[:, column.offset : column.offset + column.width] = 0
    heap = bytearray()
    for tile in sorted(tiles):
        if len(tiles[tile]) != image.stops[tile] - image.starts[tile]:
            raise ValueError(f"tile {tile} has {len(tiles[tile])} bytes where the file has another number")
        column = columns[STORAGE[image.storage[tile]]]
        descriptor = np.array([len(tiles[tile]) // column.element, len(heap)], dtype=column.type)
        table[tile, column.offset : column.offset + column.width] = descriptor.view(np.uint8)
        heap += tiles[tile]
    data = table.tobytes() + bytes(heap)
    data = data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")
    cards = [_changed(card, len(heap), table.size) for card in header_cards(head, span.start) or []]
    return head[: span.start] + hdu_bytes([card for card in cards if card], data)


@dataclass(frozen=True)
class _Column:
    """A column of the table: its numpy type, bytes in a row, and the bytes of an element of its arrays."""

    type: str
    offset: int
    width: int
    element: int


def _changed(card: str, heap: int, table: int) -> str:
    """Give a header card as the file of some tiles has it; empty where it has none."""
    keyword = card[:8].rstrip()
    if keyword in ("DATASUM", "CHECKSUM"):
        return ""
    value = {"PCOUNT": heap, "THEAP": table}.get(keyword)
    return card if value is None else f"{keyword:8}= {value:20d}".ljust(CARD)


def _image_span(head: ByteSource, path: object) -> HduSpan | None:
    """Find HDU 1; None if its header is not all there."""
    if head[:9] != b"SIMPLE  ="[: len(head)]:
        raise BrickError("corrupt", path, "not a FITS file (it does not start with SIMPLE); fetch it again")
    first = header_cards(head, 0)
    if first is None:
        return None
    primary = span_of(first, 0, path)
    if primary.cards.get("NAXIS") not in (None, "0"):
        raise BrickError("bad_layout", path, f"HDU 0 holds an image that is not compressed; {_PACK}")
    start = primary.end
    cards = header_cards(head, start)
    if cards is None:
        return None
    span = span_of(cards, start, path)
    if span.cards.get("XTENSION") != "BINTABLE" or span.cards.get("ZIMAGE") != "T":
        held = "an image that is not compressed" if span.cards.get("XTENSION") == "IMAGE" else "no image"
        raise BrickError("bad_layout", path, f"HDU 1 holds {held}; {_PACK}")
    if span.cards.get("ZNAXIS") != "2":
        axes = span.cards.get("ZNAXIS", "no")
        raise BrickError("bad_layout", path, f"HDU 1 holds an image of {axes} axes; give one of two")
    return span


def _table_bytes(span: HduSpan, path: object) -> int:
    try:
        return int(span.cards["NAXIS1"]) * int(span.cards["NAXIS2"])
    except (KeyError, ValueError) as error:
        raise BrickError("corrupt", path, f"a header lacks or garbles {error}; fetch it again") from error


def _layout(span: HduSpan, head: ByteSource) -> TiledImage:
    cards, columns, table = span.cards, _columns(span), _rows(span, head)
    shape = int(cards["ZNAXIS2"]), int(cards["ZNAXIS1"])
    tile_shape = int(cards.get("ZTILE2", "1")), int(cards.get("ZTILE1", cards["ZNAXIS1"]))
    if max(shape) > _MOST_SIDE or min(shape[0], tile_shape[0]) * min(shape[1], tile_shape[1]) > _MOST_PIXELS:
        raise ValueError(f"tiles of {tile_shape} for an image of {shape}: larger than any of the survey")
    if min(*shape, *tile_shape) < 1 or -(-shape[0] // tile_shape[0]) * -(-shape[1] // tile_shape[1]) != len(
        table
    ):
        raise ValueError(f"{len(table)} tiles of {tile_shape} for an image of {shape}")
    heap = span.data_start + int(cards.get("THEAP", table.size))
    starts, stops, storage = _spans_of_tiles(columns, table, heap)
    if (starts < heap).any() or (stops > span.end).any():
        raise ValueError("a tile lies outside the data")
    scale, zero = (_numbers(name, columns, table, cards) for name in ("ZSCALE", "ZZERO"))
    return TiledImage(
        span=span,
        shape=shape,
        tile_shape=tile_shape,
        starts=starts,
        stops=stops,
        storage=storage,
        steps=None if scale is None or zero is None else (scale, zero),
        blank=_numbers("ZBLANK", columns, table, cards),
    )


def _spans_of_tiles(
    columns: dict[str, _Column], table: NDArray[np.uint8], heap: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    starts, lengths = np.full(len(table), heap, dtype=np.int64), np.zeros(len(table), dtype=np.int64)
    storage = np.zeros(len(table), dtype=np.uint8)
    for number, name in enumerate(STORAGE):
        if name not in columns:
            continue
        descriptors = _values(columns[name], table).reshape(len(table), 2).astype(np.int64)
        here = (lengths == 0) & (descriptors[:, 0] != 0)
        lengths[here] = descriptors[here, 0] * columns[name].element
        starts[here] = heap + descriptors[here, 1]
        storage[here] = number
    if (lengths < 0).any():
        raise ValueError("a tile of negative length")
    return starts, starts + lengths, storage


def _columns(span: HduSpan) -> dict[str, _Column]:
    """Lay out the columns of the table by name (only those a tile can need have a type)."""
    columns, offset = {}, 0
    for number in range(1, int(span.cards["TFIELDS"]) + 1):
        form = _FORM.match(span.cards[f"TFORM{number}"].strip())
        if form is None:
            raise ValueError(f"TFORM{number} is {span.cards[f'TFORM{number}']!r}")
        repeat, letter = int(form[1] or "1"), form[2]
        if letter in _DESCRIPTORS:
            kind, element = _DESCRIPTORS[letter], _WIDTHS[form[3]]
            width = repeat * 2 * np.dtype(kind).itemsize
        else:
            kind, element = _NUMBERS.get(letter, ""), 1
            width = -(-repeat // 8) if letter == "X" else repeat * _WIDTHS[letter]
        columns[span.cards.get(f"TTYPE{number}", "").strip()] = _Column(kind, offset, width, element)
        offset += width
    if offset != int(span.cards["NAXIS1"]):
        raise ValueError(f"columns of {offset} bytes in rows of {span.cards['NAXIS1']}")
    return columns


def _rows(span: HduSpan, head: ByteSource) -> NDArray[np.uint8]:
    row_bytes, rows = int(span.cards["NAXIS1"]), int(span.cards["NAXIS2"])
    table = np.frombuffer(head[span.data_start : span.data_start + row_bytes * rows], dtype=np.uint8)
    return table.reshape(rows, row_bytes)


def _values(column: _Column, table: NDArray[np.uint8]) -> NDArray[Any]:
    raw = np.ascontiguousarray(table[:, column.offset : column.offset + column.width])
    return raw.view(column.type)


def _numbers(
    name: str, columns: Mapping[str, _Column], table: NDArray[np.uint8], cards: Mapping[str, str]
) -> NDArray[np.float64] | None:
    """Give a number a tile, from its column or else from the header; None if there is neither."""
    if name in columns:
        return _values(columns[name], table).reshape(len(table)).astype(np.float64)
    if name in cards:
        return np.full(len(table), float(cards[name]))
    return None
