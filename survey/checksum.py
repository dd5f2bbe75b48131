"""DATASUM and CHECKSUM of a FITS HDU (FITS standard 4.0, section 4.4.2.7 and appendix J)."""

from collections.abc import Iterable

import numpy as np

BLOCK = 2880
_ZEROES = "CHECKSUM= '0000000000000000'"


def ones_complement_sum(content: bytes | memoryview, seed: int = 0) -> int:
    """Sum 32-bit big-endian words in ones' complement (appendix J).

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


def encode_checksum(total: int) -> str:
    """Write the complement of a 32-bit sum as 16 characters (appendix J.2)."""
    value = ~total & 0xFFFFFFFF
    letters = [""] * 16
    for byte in range(4):
        quotient, remainder = divmod((value >> (24 - 8 * byte)) & 0xFF, 4)
        for index, code in enumerate(_without_punctuation([quotient + remainder, *[quotient] * 3])):
            letters[4 * index + byte] = chr(code)
    return "".join(letters[-1:] + letters[:-1])


def hdu_bytes(cards: Iterable[str], data: bytes) -> bytes:
    """Assemble an HDU with its checksums.

    Parameters
    ----------
    cards : iterable of str
        Header cards of 80 characters without END, DATASUM, CHECKSUM.
    data : bytes
        Its data, a whole number of blocks.
    """
    data_sum = ones_complement_sum(data)
    header = "".join([*cards, f"DATASUM = '{data_sum}'".ljust(80), _ZEROES.ljust(80), "END".ljust(80)])
    header = header.ljust(-(-len(header) // BLOCK) * BLOCK)
    total = ones_complement_sum(header.encode("ascii"), data_sum)
    return header.replace(_ZEROES, f"CHECKSUM= '{encode_checksum(total)}'").encode("ascii") + data


def _without_punctuation(quarters: list[int]) -> list[int]:
    """Shift pairs of codes against each other, their sum kept, until all are digits or letters."""
    codes = [quarter + ord("0") for quarter in quarters]
    while any(0x3A <= code <= 0x40 or 0x5B <= code <= 0x60 for code in codes):
        for low in (0, 2):
            if any(0x3A <= code <= 0x40 or 0x5B <= code <= 0x60 for code in codes[low : low + 2]):
                codes[low] += 1
                codes[low + 1] -= 1
    return codes
