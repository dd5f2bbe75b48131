"""What the bits of a `maskbits` image mean, and how much of a stamp is bad.

The bits are read from the file's own `MB_*` header cards; the table below (DR10) serves files without them.
DR9 writes int16, DR10 int32.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

MASK_BITS: dict[str, int] = {
    "NPRIMARY": 0,
    "BRIGHT": 1,
    "SATUR_G": 2,
    "SATUR_R": 3,
    "SATUR_Z": 4,
    "ALLMASK_G": 5,
    "ALLMASK_R": 6,
    "ALLMASK_Z": 7,
    "WISEM1": 8,
    "WISEM2": 9,
    "BAILOUT": 10,
    "MEDIUM": 11,
    "GALAXY": 12,
    "CLUSTER": 13,
    "SATUR_I": 14,
    "ALLMASK_I": 15,
    "SUB_BLOB": 16,
}
"""Bit number of each name (DR10)."""

CARD_OF_NAME: dict[str, str] = {
    "NPRIMARY": "MB_NPRIM",
    "BRIGHT": "MB_BRIGH",
    "SATUR_G": "MB_SAT_G",
    "SATUR_R": "MB_SAT_R",
    "SATUR_Z": "MB_SAT_Z",
    "ALLMASK_G": "MB_ALL_G",
    "ALLMASK_R": "MB_ALL_R",
    "ALLMASK_Z": "MB_ALL_Z",
    "WISEM1": "MB_WISE1",
    "WISEM2": "MB_WISE2",
    "BAILOUT": "MB_BAIL",
    "MEDIUM": "MB_MED",
    "GALAXY": "MB_GAL",
    "CLUSTER": "MB_CLUST",
    "SATUR_I": "MB_SAT_I",
    "ALLMASK_I": "MB_ALL_I",
    "SUB_BLOB": "MB_SUBBL",
}
"""Header card that carries a bit's value (1 << bit), as the survey's pipeline writes it."""

BAD_BITS = (
    "BRIGHT",
    "SATUR_G",
    "SATUR_R",
    "SATUR_Z",
    "ALLMASK_G",
    "ALLMASK_R",
    "ALLMASK_Z",
    "BAILOUT",
    "GALAXY",
    "CLUSTER",
)
"""Bits that make a pixel bad: its value was patched, or sources on it cannot be measured.

BRIGHT, GALAXY, CLUSTER are DESI's own default for its targets (`desitarget.geomask.get_default_maskbits`);
SATUR_*, ALLMASK_* mark patched pixels, BAILOUT those the survey's fit gave up on. Left out on purpose:
NPRIMARY (the pixel is good, a neighbour brick owns it), MEDIUM (the wide halo of stars of G < 16: DESI keeps
its targets there), WISEM1 and WISEM2 (about the WISE images, counted apart), SATUR_I and ALLMASK_I (the i
band is not used), SUB_BLOB (bookkeeping of the fit).
"""

WISE_BITS = ("WISEM1", "WISEM2")


def bits_from_header(header: Mapping[str, object]) -> dict[str, int]:
    """Read the bit numbers from the `MB_*` cards of a maskbits header.

    Parameters
    ----------
    header : mapping
        Header of HDU 1 of a maskbits file, card name to value.

    Returns
    -------
    dict
        Bit number by name; the names of `MASK_BITS` if the header has no `MB_*` card.

    Raises
    ------
    ValueError
        If a card's value is not a power of two.
    """
    found = {name: header[card] for name, card in CARD_OF_NAME.items() if card in header}
    return {name: _bit_number(name, value) for name, value in found.items()} or dict(MASK_BITS)


def mask_value(names: Iterable[str], bits: Mapping[str, int] | None = None) -> int:
    """Combine named bits into one integer; names the file does not know are left out."""
    table = MASK_BITS if bits is None else bits
    value = 0
    for name in names:
        if name not in MASK_BITS:
            raise ValueError(f"unknown mask bit {name!r}; known: {', '.join(MASK_BITS)}")
        if name in table:
            value |= 1 << table[name]
    return value


def flagged(
    maskbits: NDArray[np.integer], names: Iterable[str], bits: Mapping[str, int] | None = None
) -> NDArray[np.bool_]:
    """Say which pixels carry any of the named bits.

    Parameters
    ----------
    maskbits : ndarray of int
        Mask values.
    names : iterable of str
        Names of `MASK_BITS`.
    bits : mapping, optional
        Bit numbers of this file, from `bits_from_header`.
    """
    return np.asarray((maskbits.astype(np.int32) & mask_value(names, bits)) != 0, dtype=np.bool_)


def wise_brightmask_fraction(maskbits: NDArray[np.integer], bits: Mapping[str, int] | None = None) -> float:
    """Give the share of a stamp's pixels under a WISE bright-star mask, W1 or W2 (0 to 1)."""
    return float(flagged(maskbits, WISE_BITS, bits).mean())


def bit_fractions(
    maskbits: NDArray[np.integer], bits: Mapping[str, int] | None = None
) -> dict[str, float | None]:
    """Give the share of a stamp's pixels (0 to 1) under each name of `MASK_BITS`.

    Parameters
    ----------
    maskbits : ndarray of int
        Mask values.
    bits : mapping, optional
        Bit numbers of this file, from `bits_from_header`.

    Returns
    -------
    dict
        None for the names that the file does not know: DR9 has no mask of the i band.
    """
    known = MASK_BITS if bits is None else bits
    values = maskbits.astype(np.int32, copy=False)
    present = int(np.bitwise_or.reduce(values, axis=None))  # most stamps have one or two of the bits
    return {
        name: None
        if name not in known
        else float(flagged(values, (name,), known).mean())
        if present >> known[name] & 1
        else 0.0
        for name in MASK_BITS
    }


def _bit_number(name: str, value: object) -> int:
    number = int(str(value))
    if number <= 0 or number & (number - 1):
        raise ValueError(f"mask bit {name} has the value {number}; expected a power of two")
    return number.bit_length() - 1
