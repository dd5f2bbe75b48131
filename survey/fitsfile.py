"""Is this file the FITS file its headers say it is? Length of every HDU, and DATASUM / CHECKSUM where given.

FITS standard 4.0, section 3.1 (blocks of 2,880 bytes), 4.4.1 (size of the data) and appendix J (checksums).
Reads headers and sums bytes; decodes no pixel.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from survey.checksum import BLOCK, ones_complement_sum
from survey.errors import BrickError

CARD = 80
_END = "END".ljust(CARD)
_MAX_HEADER_BLOCKS = 2000


class FileBytes:
    """A file that is sliced like bytes; only what is sliced is read.

    Parameters
    ----------
    path : Path
        The file; it stays open as long as this lives.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        return os.pread(self._descriptor, max(stop - start, 0), start)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


ByteSource = bytes | FileBytes


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


def check_content(content: ByteSource, name: object) -> list[HduSpan]:
    """Check a FITS file's structure and its checksums.

    Parameters
    ----------
    content : ByteSource
        All of the file.
    name : object
        What errors call the file.

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
    spans = hdu_spans(content, name)
    for number, span in enumerate(spans):
        _check_sums(content, span, number, name)
    return spans


def hdu_spans(content: ByteSource, path: object) -> list[HduSpan]:
    """List the HDUs of a file's content; `path` only names it in errors (see `check_content`)."""
    if not content:
        raise BrickError("truncated", path, "the file is empty; fetch it again")
    if content[:9] != b"SIMPLE  =":
        raise BrickError("corrupt", path, "not a FITS file (it does not start with SIMPLE); fetch it again")
    spans: list[HduSpan] = []
    start = 0
    while start < len(content):
        cards = header_cards(content, start)
        if cards is None:
            raise BrickError("truncated", path, "a header has no END card; fetch it again")
        span = span_of(cards, start, path)
        if span.end > len(content):
            message = f"HDU {len(spans)} needs {span.end} bytes, the file has {len(content)}"
            raise BrickError("truncated", path, f"{message}; fetch it again")
        spans.append(span)
        start = span.end
    return spans


def _check_sums(content: ByteSource, span: HduSpan, number: int, path: object) -> None:
    data_sum = ones_complement_sum(content[span.data_start : span.end])
    stated = span.cards.get("DATASUM", "").strip()
    if stated and stated != str(data_sum):
        raise BrickError("corrupt", path, f"DATASUM of HDU {number} is wrong; fetch the file again")
    if span.cards.get("CHECKSUM", "").strip():
        total = ones_complement_sum(content[span.start : span.data_start], data_sum)
        if total not in (0, 0xFFFFFFFF):
            raise BrickError("corrupt", path, f"CHECKSUM of HDU {number} is wrong; fetch the file again")


def header_cards(content: ByteSource, start: int) -> list[str] | None:
    """List the cards of the header that starts at a byte, without END; None where it is not all there."""
    cards: list[str] = []
    for block in range(start, min(len(content), start + _MAX_HEADER_BLOCKS * BLOCK), BLOCK):
        text = content[block : block + BLOCK].decode("latin-1")
        fresh = [text[at : at + CARD] for at in range(0, len(text) - CARD + 1, CARD)]
        if _END in fresh:
            return cards + fresh[: fresh.index(_END)]
        cards += fresh
    return None


def header_bytes(cards: list[str]) -> int:
    """Give the size of a header of these cards, END and padding included."""
    return -(-(len(cards) + 1) * CARD // BLOCK) * BLOCK


def span_of(cards: list[str], start: int, path: object) -> HduSpan:
    """Say where the HDU of a header lies.

    Parameters
    ----------
    cards : list of str
        From `header_cards`.
    start : int
        Byte of the file where the header starts.
    path : object
        What errors call the file.
    """
    values = {card[:8].rstrip(): _value_text(card) for card in reversed(cards) if card[8:10] == "= "}
    data_start = start + header_bytes(cards)
    return HduSpan(values, start, data_start, data_start + _padded_data_size(values, path))


def _value_text(card: str) -> str:
    text = card[10:].lstrip()
    return text[1:].partition("'")[0].rstrip() if text[:1] == "'" else text.partition("/")[0].rstrip()


def _padded_data_size(cards: dict[str, str], path: object) -> int:
    try:
        axes = [int(cards[f"NAXIS{i + 1}"]) for i in range(int(cards["NAXIS"]))]
        groups, parameters = int(cards.get("GCOUNT", "1")), int(cards.get("PCOUNT", "0"))
        pixels = math.prod(axes) if axes else 0
        if min(*axes, groups, parameters, 0) < 0:
            raise ValueError("a negative size")
        size = abs(int(cards["BITPIX"])) // 8 * groups * (parameters + pixels)
    except (KeyError, ValueError) as error:
        raise BrickError("corrupt", path, f"a header lacks or garbles {error}; fetch it again") from error
    return -(-size // BLOCK) * BLOCK
