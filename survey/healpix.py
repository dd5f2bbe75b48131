"""HEALPix pixels of positions, nested: numpy only, for what must not load astropy (the Lambdas).

Gorski et al. 2005, ApJ 622, 759: twelve base pixels of nside x nside, each numbered by interleaved bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def nested_pixel(nside: int, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.int64]:
    """The pixel of each position (degrees); nside a power of two."""
    z = np.sin(np.radians(np.asarray(dec, dtype=np.float64)))
    turn = np.mod(np.asarray(ra, dtype=np.float64), 360.0) / 90.0  # quarters of a turn, [0, 4)
    polar = np.abs(z) > 2 / 3
    flat = _equatorial(nside, z, turn)
    cap = _polar(nside, z, turn)
    face, x, y = (np.where(polar, a, b) for a, b in zip(cap, flat, strict=True))
    pixel = face * nside * nside
    for bit in range(nside.bit_length() - 1):
        pixel = pixel + (((x >> bit) & 1) << 2 * bit) + (((y >> bit) & 1) << 2 * bit + 1)
    return np.asarray(pixel, dtype=np.int64)


_Pixels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _equatorial(nside: int, z: NDArray[np.float64], turn: NDArray[np.float64]) -> _Pixels:
    """Base pixel, and place in it along its two edges, where |z| <= 2/3: straight lines in (turn, z)."""
    rising = np.floor(nside * (0.5 + turn - 0.75 * z)).astype(np.int64)
    falling = np.floor(nside * (0.5 + turn + 0.75 * z)).astype(np.int64)
    up, down = rising // nside, falling // nside
    face = np.where(up == down, up % 4 + 4, np.where(up < down, up % 4, down % 4 + 8))
    return face, falling % nside, nside - 1 - rising % nside


def _polar(nside: int, z: NDArray[np.float64], turn: NDArray[np.float64]) -> _Pixels:
    """The same in the caps, where pixels end at the pole."""
    quarter = np.minimum(turn.astype(np.int64), 3)
    within = turn - quarter
    width = nside * np.sqrt(3 * (1 - np.abs(z)))
    along = np.minimum((within * width).astype(np.int64), nside - 1)
    across = np.minimum(((1 - within) * width).astype(np.int64), nside - 1)
    north = z >= 0
    x = np.where(north, nside - 1 - across, along)
    y = np.where(north, nside - 1 - along, across)
    return np.where(north, quarter, quarter + 8), x, y
