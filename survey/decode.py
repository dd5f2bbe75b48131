"""Pixels of single tiles of a compressed image, bit for bit those that astropy and cfitsio give.

FITS standard 4.0, sections 10.2 (quantisation) and 10.4 (codecs). The codecs are cfitsio's own, compiled into
astropy, which keeps them private: the locked version and `tests/survey/test_decode.py`, which compares every
codec with astropy's public reading, guard that. They let other threads run.
"""

import struct
import threading
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io.fits.hdu.compressed._compression import (
    decompress_hcompress_1_c,
    decompress_rice_1_c,
    unquantize_double_c,
    unquantize_float_c,
)
from numpy.typing import NDArray

from survey.errors import BrickError
from survey.tiles import STORAGE, TiledImage

_TYPES: dict[str, type[np.generic]] = {
    "8": np.uint8,
    "16": np.int16,
    "32": np.int32,
    "-32": np.float32,
    "-64": np.float64,
}
_UNSIGNED: dict[tuple[str, float], type[np.generic]] = {("16", 2.0**15): np.int32, ("32", 2.0**31): np.int64}
"""By BITPIX and BZERO: unsigned integers are written as signed ones with that offset."""
_DITHER = {"NO_DITHER": 0, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
_CODECS = {name: name for name in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1")} | {"RICE_ONE": "RICE_1"}
_HCOMPRESS_LOCK = threading.Lock()
"""cfitsio's HCOMPRESS keeps its place in global variables: two threads in it spoil each other's pixels."""
_GZIP = 31
"""zlib's name for the gzip format."""
_HCOMPRESS = b"\xdd\x99"
"""What a stream of HCOMPRESS starts with; its height and width follow."""

# The table of random numbers for dithers, global, too, is made here, before there are threads.
unquantize_float_c(bytes(4), 1, 1, 1.0, 0.0, _DITHER["SUBTRACTIVE_DITHER_1"], 0, 0, 0.0, 4)


class TileDecoder:
    """Decode the tiles of one image.

    Parameters
    ----------
    image : TiledImage
        Its layout.
    path : object
        What errors call the file.

    Raises
    ------
    BrickError
        reason "bad_layout" for a codec or a number format that the survey does not use.
    """

    def __init__(self, image: TiledImage, path: object) -> None:
        cards = image.span.cards
        try:
            self._settings, (scale, zero) = _settings(cards), _scaling(cards)
            self._seed = int(cards.get("ZDITHER0", "1"))
        except (KeyError, ValueError, OverflowError) as error:
            raise BrickError("corrupt", path, f"a header garbles {error}; fetch it again") from error
        codec, bits = cards.get("ZCMPTYPE", ""), cards.get("ZBITPIX", "")
        method = cards.get("ZQUANTIZ", "NO_DITHER")
        quantised = bits in ("-32", "-64") and image.steps is not None
        unsigned = _UNSIGNED.get((bits, zero))
        found = f"compressed by {codec!r}, BITPIX {bits!r}, {method}, BSCALE {scale:g}, BZERO {zero:g}"
        if (
            codec not in _CODECS
            or bits not in _TYPES
            or (quantised and method not in _DITHER)
            or scale != 1.0
            or (zero != 0.0 and unsigned is None)
        ):
            message = f"{found}: not read here; unpack it with funpack and pack it as RICE or GZIP with fpack"
            raise BrickError("bad_layout", path, message)
        if not _known(self._settings, self._seed):
            message = f"{found}, {self._settings}, ZDITHER0 {self._seed}: no codec can be; fetch it again"
            raise BrickError("bad_layout", path, message)
        self._image, self._path = image, path
        self._codec = _CODECS[codec]
        self._stored = np.dtype(_TYPES[bits])
        self._offset = int(zero)
        self.type = np.dtype(unsigned) if unsigned else self._stored
        self._dither = _DITHER[method] if quantised else 0
        self._quantised = quantised

    def decode(self, tile: int, content: bytes) -> NDArray[Any]:
        """Give the pixels of a tile, (rows, columns), in the machine's byte order.

        Parameters
        ----------
        tile : int
            Its number.
        content : bytes
            Its bytes in the file.

        Raises
        ------
        BrickError
            reason "absent_tile" if the file has no bytes of it, "corrupt" if they cannot be decoded or a
            pixel is not finite.
        """
        if not content:
            message = f"tile {tile} is not in this file; stage the brick again for all of its hosts"
            raise BrickError("absent_tile", self._path, message)
        top, bottom, left, right = self._image.box_of(tile)
        shape = (bottom - top, right - left)
        try:
            pixels = self._pixels(tile, content, shape)
        except Exception as error:  # the codecs raise errors of many kinds
            raise BrickError(
                "corrupt", self._path, f"tile {tile} cannot be decoded ({error}); fetch it again"
            ) from error
        if self.type.kind == "f" and not np.isfinite(pixels).all():
            raise BrickError("corrupt", self._path, "holds pixels that are not finite; fetch it again")
        return pixels

    def _pixels(self, tile: int, content: bytes, shape: tuple[int, int]) -> NDArray[Any]:
        image = self._image
        if image.storage[tile] != STORAGE.index("COMPRESSED_DATA"):  # one that the codec does not suit
            plain = STORAGE[image.storage[tile]] == "UNCOMPRESSED_DATA"
            raw = content if plain else _unzipped(content, shape[0] * shape[1])
            return self._offset_added(_big_endian(raw, self._stored).reshape(shape))
        numbers = self._numbers(content, shape)
        if image.steps is None or not self._quantised:
            return self._offset_added(numbers.reshape(shape))
        scale, zero = float(image.steps[0][tile]), float(image.steps[1][tile])
        if self._dither:
            unquantize = unquantize_float_c if self.type == np.float32 else unquantize_double_c
            found = unquantize(
                numbers.tobytes(), tile + self._seed, numbers.size, scale, zero, self._dither, 0, 0, 0.0,
                numbers.itemsize,
            )  # fmt: skip
            pixels = np.frombuffer(found, dtype=self.type)
        else:
            pixels = (numbers * scale + zero).astype(self.type)
        if image.blank is not None:
            pixels = np.where(numbers == image.blank[tile], self.type.type(np.nan), pixels)
        return pixels.reshape(shape)

    def _offset_added(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Give pixels of the numbers that are stored for them, which of unsigned integers are signed."""
        pixels = numbers.astype(self.type, copy=False)
        return pixels + self.type.type(self._offset) if self._offset else pixels

    def _numbers(self, content: bytes, shape: tuple[int, int]) -> NDArray[Any]:
        """Give what the codec holds, flat: pixels, or steps of the quantisation."""
        size = shape[0] * shape[1]
        if self._codec == "RICE_1":
            width = self._settings["BYTEPIX"]
            raw = decompress_rice_1_c(content, self._settings["BLOCKSIZE"], width, size)
            return np.frombuffer(raw, dtype=f"i{width}", count=size)
        if self._codec == "HCOMPRESS_1":
            # the decoder writes as many pixels as the stream says it has
            if content[:2] != _HCOMPRESS or struct.unpack(">2i", content[2:10].ljust(8, b"\0")) != shape:
                raise ValueError(f"a stream that is no tile of {shape[0]} x {shape[1]} pixels")
            settings = self._settings["SCALE"], self._settings["SMOOTH"]
            with _HCOMPRESS_LOCK:
                raw = decompress_hcompress_1_c(content, *shape, *settings, 8)
            return np.frombuffer(raw, dtype=np.int32, count=size)
        raw = _unzipped(content, size)
        if self._codec == "GZIP_2":  # the first bytes of all numbers, then the second ones, ...
            raw = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size).T.tobytes()
        kind = np.dtype(np.int32) if self._quantised else self._stored
        return _big_endian(raw, np.dtype(f"{kind.kind}{len(raw) // size}"))


def _unzipped(content: bytes, pixels: int) -> bytes:
    """Unpack a gzip stream of pixels, at most 8 bytes each: it may hold a thousand times its own size."""
    stream = zlib.decompressobj(_GZIP)
    raw = stream.decompress(content, 8 * pixels + 1)
    if len(raw) > 8 * pixels or not stream.eof:
        raise ValueError(f"a gzip stream that does not hold {pixels} pixels")
    return raw


def _big_endian(raw: bytes, kind: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(raw, dtype=kind.newbyteorder(">")).astype(kind.newbyteorder("="))


def _scaling(cards: Mapping[str, str]) -> tuple[float, float]:
    return float(cards.get("BSCALE", "1")), float(cards.get("BZERO", "0"))


def _known(settings: Mapping[str, int], seed: int) -> bool:
    """Whether the codecs, which check nothing, can be given these settings (10,000: the dither's numbers)."""
    block, scale = settings["BLOCKSIZE"], settings["SCALE"]
    known = 1 <= block <= 1024 and settings["BYTEPIX"] in (1, 2, 4) and 0 <= scale < 1 << 31
    return known and settings["SMOOTH"] in (0, 1) and 1 <= seed <= 10_000


def _settings(cards: Mapping[str, str]) -> dict[str, int]:
    """Read the codec's settings, ZNAMEn and ZVALn."""
    settings = {"BLOCKSIZE": 32, "BYTEPIX": 4, "SCALE": 0, "SMOOTH": 0}
    number = 1
    while f"ZNAME{number}" in cards:
        settings[cards[f"ZNAME{number}"].upper()] = int(float(cards[f"ZVAL{number}"]))
        number += 1
    return settings
