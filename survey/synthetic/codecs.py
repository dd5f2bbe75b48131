"""Write coadds in the survey's own codecs: 100 x 100 tiles in HDU 1 behind an empty HDU 0, with checksums.

image: RICE, absolute step 1e-4 nanomaggy, SUBTRACTIVE_DITHER_2 (keeps exact zeros). invvar: RICE, 16 steps
per sigma, no dither. psfsize: lossless GZIP. maskbits: lossless HCOMPRESS.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.checksum import hdu_bytes
from survey.fitsfile import HduSpan, hdu_spans, header_cards
from survey.maskbits import CARD_OF_NAME, MASK_BITS
from survey.wcs import TanWCS

TILE = (100, 100)
IMAGE_STEP = 1e-4
"""Quantisation step of the image, nanomaggy."""

_CODECS: dict[str, dict[str, Any]] = {
    "image": {"compression_type": "RICE_1", "quantize_level": -IMAGE_STEP, "quantize_method": 2},
    "invvar": {"compression_type": "RICE_1", "quantize_level": 16.0, "quantize_method": -1},
    "psfsize": {"compression_type": "GZIP_1", "quantize_level": 0.0},
    "maskbits": {"compression_type": "HCOMPRESS_1", "hcomp_scale": 0},
}
_GZIP_MAGIC = b"\x1f\x8b\x08"
_UNITS = {"image": "nanomaggy", "invvar": "1/nanomaggy^2", "psfsize": "arcsec"}
_QUANTISATION = {"invvar": "NO_DITHER", "psfsize": "NONE"}
"""ZQUANTIZ cards that the survey's files have and astropy leaves out."""


def coadd_bytes(kind: str, pixels: NDArray[Any], header: Mapping[str, Any], dither_seed: int = 1) -> bytes:
    """Encode one coadd file.

    Parameters
    ----------
    kind : str
        "image", "invvar" or "psfsize".
    pixels : ndarray of float32
        (rows, columns).
    header : mapping
        Cards of HDU 1.
    dither_seed : int
        1 to 10000, for the image.
    """
    codec = _CODECS[kind] | ({"dither_seed": dither_seed} if kind == "image" else {})
    cards = {**header, "IMTYPE": kind, "BUNIT": _UNITS[kind]}
    content = _encode([fits.CompImageHDU(pixels, fits.Header(cards), tile_shape=TILE, **codec)])
    extra = [f"ZQUANTIZ= '{_QUANTISATION[kind]}'"] if kind in _QUANTISATION else []
    return with_checksums(content, extra)


def maskbits_bytes(
    maskbits: NDArray[np.integer],
    wise: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    header: Mapping[str, Any],
) -> bytes:
    """Encode a maskbits file.

    Parameters
    ----------
    maskbits : ndarray of int16 (as DR9) or int32 (as DR10)
        Its type decides which `MB_*` cards there are.
    wise : tuple of ndarray
        WISE masks of W1 and W2, HDU 2 and 3.
    header : mapping
        Cards of HDU 1.
    """
    last = 13 if maskbits.dtype == np.int16 else 16
    bits = {name: bit for name, bit in MASK_BITS.items() if bit <= last}
    cards = {**header, "IMTYPE": "maskbits"}
    cards |= {CARD_OF_NAME[name]: 1 << bit for name, bit in bits.items()}
    cards |= {f"MBIT_{bit}": name for name, bit in bits.items()}
    planes = [(maskbits, fits.Header(cards), "MASKBITS")]
    planes += [(plane, fits.Header(), name) for plane, name in zip(wise, ("WISEM1", "WISEM2"), strict=True)]
    codec = _CODECS["maskbits"]
    return with_checksums(
        _encode([fits.CompImageHDU(p, h, name=name, tile_shape=TILE, **codec) for p, h, name in planes])
    )


def coadd_header(brick: Brick, wcs: TanWCS, release: int, north: bool) -> dict[str, Any]:
    """Give the header cards all coadds of a brick share."""
    return {
        "SURVEY": "BASS MzLS" if north else "DECaLS",
        "DRVERSIO": release,
        "ORIGIN": "dark-halo-scope synthetic sky",
        "BRICKNAM": brick.name,
        "BRICKID": brick.brickid,
        "RAMIN": brick.ra1,
        "RAMAX": brick.ra2,
        "DECMIN": brick.dec1,
        "DECMAX": brick.dec2,
        "BRICKRA": brick.ra,
        "BRICKDEC": brick.dec,
        **wcs.to_header(),
        "EQUINOX": 2000.0,
        "MAGZERO": 22.5,
    }


def table_bytes(columns: Mapping[str, NDArray[Any]], header: Mapping[str, Any] | None = None) -> bytes:
    """Encode a binary table in HDU 1."""
    kind = np.dtype([(name, values.dtype) for name, values in columns.items()])
    rows = np.empty(len(next(iter(columns.values()))), dtype=kind)
    for name, values in columns.items():
        rows[name] = values
    table = fits.BinTableHDU(rows)
    table.header.update(header or {})
    return with_checksums(_encode([table]))


def with_checksums(content: bytes, extra_cards: list[str] | None = None) -> bytes:
    """Add DATASUM and CHECKSUM to every HDU, without the time astropy would put beside them.

    Parameters
    ----------
    content : bytes
        A FITS file.
    extra_cards : list of str, optional
        Cards to add to the header of HDU 1.
    """
    parts = []
    for number, span in enumerate(hdu_spans(content, "new file")):
        parts.append(_with_sums(content, span, (extra_cards or []) if number == 1 else []))
    return b"".join(parts)


def without_gzip_times(data: bytes, span: HduSpan) -> bytes:
    """Set the time that gzip notes in each tile to 0, so that the same pixels always give the same bytes.

    Parameters
    ----------
    data : bytes
        Data of one HDU.
    span : HduSpan
        Its header; other HDUs than tables with gzipped tiles come back unchanged.
    """
    if not span.cards.get("ZCMPTYPE"):
        return data
    row_bytes, rows = int(span.cards["NAXIS1"]), int(span.cards["NAXIS2"])
    table = np.frombuffer(data[: row_bytes * rows], dtype=np.uint8).reshape(rows, row_bytes)
    heap = int(span.cards.get("THEAP", row_bytes * rows))
    changed = bytearray(data)
    for offset in _tile_columns(span):
        lengths, starts = np.ascontiguousarray(table[:, offset : offset + 8]).view(">i4").T
        for start in (heap + starts[lengths > 0]).tolist():
            if data[start : start + 3] == _GZIP_MAGIC:
                changed[start + 4 : start + 8] = bytes(4)
    return bytes(changed)


def _tile_columns(span: HduSpan) -> list[int]:
    """Give the byte offsets in a row of the descriptors of tiles (32-bit: files stay under 2 GB)."""
    offsets, position = [], 0
    for column in range(1, int(span.cards["TFIELDS"]) + 1):
        form = span.cards[f"TFORM{column}"].lstrip("1")
        if form.startswith("P"):
            offsets.append(position)
        position += {"P": 8, "D": 8, "J": 4}[form[0]]
    return offsets


def _with_sums(content: bytes, span: HduSpan, extra_cards: list[str]) -> bytes:
    data = without_gzip_times(content[span.data_start : span.end], span)
    cards = header_cards(content, span.start) or []
    return hdu_bytes([*cards, *(card.ljust(80) for card in extra_cards)], data)


def _encode(hdus: list[Any]) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    return buffer.getvalue()
