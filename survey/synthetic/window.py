"""Which pixels of the real brick a synthetic one holds.

A full brick has the survey's 3600 x 3600 pixels around the brick's centre. A smaller one is a window of that
image which touches one of its edges, so that it has, as real bricks do, about 9 % of pixels that belong to a
neighbour.
"""

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.synthetic.rng import generator
from survey.wcs import TanWCS

FULL_PIXELS = 3600
_MARGIN = 90
"""Pixels at each edge of the full image that may belong to a neighbour."""


def window_wcs(brick: Brick, pixels: int, seed: int) -> TanWCS:
    """Place a brick's image.

    Parameters
    ----------
    brick : Brick
        The brick; if it touches RA = 0 its window does too.
    pixels : int
        Width of the image, 1 to 3600 pixels.
    seed : int
        The sky's seed.

    Returns
    -------
    TanWCS
        Tangent at the brick's centre, as the survey's.
    """
    middle = (FULL_PIXELS - 1) / 2
    spare = FULL_PIXELS - pixels
    if spare <= 2 * _MARGIN:
        return TanWCS(brick.ra, brick.dec, middle - spare // 2, middle - spare // 2)
    rng = generator(seed, brick.brickid, "window")
    along = int(rng.integers(_MARGIN, spare - _MARGIN))
    side = int(rng.integers(4))
    if brick.ra1 == 0.0:
        side = 0
    columns, rows = ((spare, along), (0, along), (along, 0), (along, spare))[side]
    return TanWCS(brick.ra, brick.dec, middle - columns, middle - rows)


def primary_mask(brick: Brick, wcs: TanWCS, pixels: int) -> NDArray[np.bool_]:
    """Say which pixels of the image belong to the brick (rows, columns)."""
    x, y = np.meshgrid(np.arange(pixels), np.arange(pixels))
    ra, dec = wcs.to_sky(x, y)
    return brick.owns(ra, dec)
