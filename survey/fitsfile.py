"""Is this file the FITS file its headers say it is? Length of every HDU, and DATASUM / CHECKSUM where given.

FITS standard 4.0, section 3.1 (blocks of 2,880 bytes), 4.4.1 (size of the data) and appendix J (checksums).
Reads headers and sums bytes; decodes no pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from survey.errors import BrickError

BLOCK = 2880
_CARD = 80
_MAX_HEADER_BLOCKS = 2000


@dataclass(frozen=True)
class HduSpan:
    """Where one HDU lies in its file.

    Attributes
    ----------
    cards : dict of str
        Raw value text by keyword (strings without their quotes).
    start, data_start, end : int
        Byte offsets of the header, of the data and of the first byte after the padded data.
    """

    cards: dict[str, str]
    start: int
    data_start: int
    end: int


def check_fits(path: Path, name: object = None) -> list[HduSpan]:
    """Check a file's structure and its checksums.

    Parameters
    ----------
    path : Path
        A local FITS file.
    name : object, optional
        What errors call the file, if not its path.

    Returns
    -------
    list of HduSpan
        The file's HDUs.

    Raises
    ------
    BrickError
        reason "truncated" if the file is shorter than its headers say, "corrupt" if it is no FITS file or a
        checksum is wrong.
    """
    content = path.read_bytes()
    spans = hdu_spans(content, name or path)
    for number, span in enumerate(spans):
        _check_sums(content, span, number, name or path)
    return spans


def hdu_spans(content: bytes, path: object) -> list[HduSpan]:
    """List the HDUs of a file's content; `path` only names it in errors (see `check_fits`)."""
    if not content:
        raise BrickError("truncated", path, "the file is empty; fetch it again")
    if not content.startswith(b"SIMPLE  ="):
        raise BrickError("corrupt", path, "not a FITS file (it does not start with SIMPLE); fetch it again")
    spans: list[HduSpan] = []
    start = 0
    while start < len(content):
        span = _span_at(content, start, path)
        if span.end > len(content):
            message = f"HDU {len(spans)} needs {span.end} bytes, the file has {len(content)}"
            raise BrickError("truncated", path, f"{message}; fetch it again")
        spans.append(span)
        start = span.end
    return spans


def ones_complement_sum(content: bytes, seed: int = 0) -> int:
    """Sum 32-bit big-endian words in ones' complement (FITS 4.0, appendix J).

    Parameters
    ----------
    content : bytes
        A whole number of 4-byte words.
    seed : int
        Sum of what went before.
    """
    total = int(np.frombuffer(content, dtype=">u4").sum(dtype=np.uint64)) + seed
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _check_sums(content: bytes, span: HduSpan, number: int, path: object) -> None:
    data_sum = ones_complement_sum(content[span.data_start : span.end])
    stated = span.cards.get("DATASUM", "").strip()
    if stated and stated != str(data_sum):
        raise BrickError("corrupt", path, f"DATASUM of HDU {number} is wrong; fetch the file again")
    if span.cards.get("CHECKSUM", "").strip():
        total = ones_complement_sum(content[span.start : span.data_start], data_sum)
        if total not in (0, 0xFFFFFFFF):
            raise BrickError("corrupt", path, f"CHECKSUM of HDU {number} is wrong; fetch the file again")


def _span_at(content: bytes, start: int, path: object) -> HduSpan:
    cards: dict[str, str] = {}
    for position, card in _header_cards(content, start):
        keyword = card[:8].rstrip()
        if keyword == "END":
            data_start = start + -(-(position + _CARD - start) // BLOCK) * BLOCK
            return HduSpan(cards, start, data_start, data_start + _padded_data_size(cards, path))
        if card[8:10] == "= ":
            cards.setdefault(keyword, _value_text(card))
    raise BrickError("truncated", path, "a header has no END card; fetch it again")


def _header_cards(content: bytes, start: int) -> Iterator[tuple[int, str]]:
    stop = min(len(content), start + _MAX_HEADER_BLOCKS * BLOCK)
    for position in range(start, stop - _CARD + 1, _CARD):
        yield position, content[position : position + _CARD].decode("latin-1")


def _value_text(card: str) -> str:
    text = card[10:].strip()
    if text.startswith("'"):
        return text[1:].split("'", 1)[0].rstrip()
    return text.split("/", 1)[0].strip()


def _padded_data_size(cards: dict[str, str], path: object) -> int:
    try:
        axes = [int(cards[f"NAXIS{i + 1}"]) for i in range(int(cards["NAXIS"]))]
        groups, parameters = int(cards.get("GCOUNT", "1")), int(cards.get("PCOUNT", "0"))
        pixels = int(np.prod(axes, dtype=np.int64)) if axes else 0
        size = abs(int(cards["BITPIX"])) // 8 * groups * (parameters + pixels)
    except (KeyError, ValueError) as error:
        raise BrickError("corrupt", path, f"a header lacks or garbles {error}; fetch it again") from error
    return -(-size // BLOCK) * BLOCK
