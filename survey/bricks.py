"""The survey's tiling of the sky: 662,174 bricks in rows of constant declination.

Rows are 0.25 deg high and centred on multiples of 0.25 deg from -90 to +90. A row holds an even number of
bricks, as few as keep each at most 0.25 deg wide at its edge nearer the equator; the two polar caps are one
brick each. A brick owns its lower bounds and not its upper ones, so each point of the sky has one owner.
Same tiling as `desiutil.brick`. Python and numpy only: Lambda functions may import it.
"""

import math
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.errors import SurveyError

BRICK_SIZE_DEG = 0.25
N_ROWS = 721
N_BRICKS = 662_174
_NAME = re.compile(r"(\d{4})([pm])(\d{3})")


@dataclass(frozen=True)
class Brick:
    """One brick: its name, number, centre and bounds.

    Attributes
    ----------
    name : str
        For example "0591m305": RA x 10 and Dec x 10 of the centre, digits cut off.
    ra, dec : float
        Centre, degrees.
    ra1, ra2 : float
        Bounds in right ascension, degrees; ra1 <= ra < ra2, with 0 <= ra1 < ra2 <= 360.
    dec1, dec2 : float
        Bounds in declination, degrees; dec1 <= dec < dec2.
    brickid : int
        Number of the brick counted from the south pole, from 1 (the catalogues' `brickid`).
    """

    name: str
    ra: float
    dec: float
    ra1: float
    ra2: float
    dec1: float
    dec2: float
    brickid: int

    def owns(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Say which points belong to this brick.

        Parameters
        ----------
        ra, dec : array_like
            Points, degrees; right ascension of any turn (359.9 and -0.1 are the same).

        Returns
        -------
        ndarray of bool
            True where the brick's bounds hold the point.
        """
        turn = wrap_ra(ra)
        height = np.asarray(dec, dtype=np.float64)
        in_dec = (height >= self.dec1) & ((height < self.dec2) | (self.dec2 >= 90.0))
        return np.asarray((turn >= self.ra1) & (turn < self.ra2) & in_dec, dtype=np.bool_)


def wrap_ra(ra: ArrayLike) -> NDArray[np.float64]:
    """Bring right ascensions (degrees) into [0, 360)."""
    turn = np.mod(np.asarray(ra, dtype=np.float64), 360.0)
    return np.where(turn >= 360.0, 0.0, turn)  # a tiny negative number rounds up to 360


@cache
def columns_in_row(row: int) -> int:
    """Count the bricks of a row.

    Parameters
    ----------
    row : int
        Row from the south pole, 0 to 720.
    """
    if row in (0, N_ROWS - 1):
        return 1
    nearer_edge = abs(_row_dec(row)) - BRICK_SIZE_DEG / 2
    return math.ceil(360.0 / BRICK_SIZE_DEG * math.cos(math.radians(nearer_edge)) / 2) * 2


def brick_at(ra: float, dec: float) -> Brick:
    """Find the brick that owns a point.

    Parameters
    ----------
    ra, dec : float
        The point, degrees.

    Raises
    ------
    SurveyError
        If the declination is outside [-90, 90] or either is not a number.
    """
    if not (math.isfinite(ra) and -90.0 <= dec <= 90.0):
        raise SurveyError(f"no brick at ra={ra}, dec={dec}: give finite degrees with -90 <= dec <= 90")
    row = _row_at(dec)
    count, turn = columns_in_row(row), float(wrap_ra(ra))
    column = min(int(turn / 360.0 * count), count - 1)
    if turn < 360.0 * column / count:  # rounding at an edge: `owns` decides
        column -= 1
    elif turn >= 360.0 * (column + 1) / count:
        column += 1
    return _brick(row, column)


def brick_named(name: str) -> Brick:
    """Find a brick by its name.

    Parameters
    ----------
    name : str
        For example "0591m305".

    Raises
    ------
    SurveyError
        If no brick of the tiling has that name.
    """
    parts = _NAME.fullmatch(name)
    row = _row_of_name(parts[2], int(parts[3])) if parts else None
    if parts is None or row is None:
        raise SurveyError(f"brick name {name!r} is none of the survey's: expected RRRR[pm]DDD, as 0591m305")
    first = int(int(parts[1]) / 3600.0 * columns_in_row(row))
    for column in (first - 1, first, first + 1):
        if 0 <= column < columns_in_row(row) and _name(row, column) == name:
            return _brick(row, column)
    raise SurveyError(f"brick name {name!r} is none of the survey's: its row has no such right ascension")


def _row_at(dec: float) -> int:
    row = min(int((dec + 90.0 + BRICK_SIZE_DEG / 2) / BRICK_SIZE_DEG), N_ROWS - 1)
    # just below an edge the sum rounds up
    return row - 1 if dec < _row_dec(row) - BRICK_SIZE_DEG / 2 else row


def _row_dec(row: int) -> float:
    return -90.0 + BRICK_SIZE_DEG * row


@cache
def _bricks_before(row: int) -> int:
    return sum(columns_in_row(below) for below in range(row))


def _digits(degrees: float, width: int) -> str:
    """Write the first digits of an angle as the survey does: round to 1e-4 deg, then cut to a tenth."""
    return f"{degrees * 10000:0{width + 3}.0f}"[:width]


def _name(row: int, column: int) -> str:
    dec = _row_dec(row)
    ra = 360.0 * (column + 0.5) / columns_in_row(row)
    return _digits(ra, 4) + ("p" if dec >= 0 else "m") + _digits(abs(dec), 3)


def _row_of_name(sign: str, tenths: int) -> int | None:
    for quarter in range(4 * tenths // 10 - 1, 4 * tenths // 10 + 2):
        row = 360 + (quarter if sign == "p" else -quarter)
        if quarter < 0 or not 0 <= row < N_ROWS or (sign == "m" and quarter == 0):
            continue
        if _digits(quarter * BRICK_SIZE_DEG, 3) == f"{tenths:03d}":
            return row
    return None


def _brick(row: int, column: int) -> Brick:
    count = columns_in_row(row)
    dec = _row_dec(row)
    return Brick(
        name=_name(row, column),
        brickid=_bricks_before(row) + column + 1,
        ra=360.0 * (column + 0.5) / count,
        dec=dec,
        ra1=360.0 * column / count,
        ra2=360.0 * (column + 1) / count,
        dec1=max(dec - BRICK_SIZE_DEG / 2, -90.0),
        dec2=min(dec + BRICK_SIZE_DEG / 2, 90.0),
    )
