"""Which bricks a synthetic sky has: real bricks, spread over the survey, each in a region of its own."""

import math
from collections.abc import Iterator

from survey.bricks import Brick, brick_at
from survey.errors import SurveyError
from survey.hosts import region_of_brick

DEC_RANGE_DEG = (-25.0, 70.0)
MIN_GALACTIC_LATITUDE_DEG = 25.0
NORTH_DEC_DEG = 32.375
"""North of it the survey is BASS/MzLS, south of it DECaLS."""

AWKWARD = ((0.01, 2.0), (125.0, 79.75))
"""Points (ra, dec in degrees) whose bricks touch RA = 0 and lie at high Dec."""

MIN_BRICKS_FOR_AWKWARD = 6
MAX_BRICKS = 3000
_STEP_RA, _STEP_DEC = 0.7548776662466927, 0.5698402909980532  # R2 low-discrepancy sequence
_POLE_RA_DEG, _POLE_DEC_DEG = 192.85948, 27.12825


def choose_bricks(n_bricks: int, seed: int) -> list[Brick]:
    """Choose bricks, each in a HEALPix region (nside 64) of its own.

    Parameters
    ----------
    n_bricks : int
        How many, 1 to `MAX_BRICKS`. From 6 on, the second touches RA = 0 and the third lies at Dec 79.75.
    seed : int
        Shifts the pattern in right ascension.

    Raises
    ------
    SurveyError
        If `n_bricks` is out of range.
    """
    if not 1 <= n_bricks <= MAX_BRICKS:
        raise SurveyError(f"n_bricks={n_bricks}: a synthetic sky has 1 to {MAX_BRICKS} bricks")
    awkward = [brick_at(ra, dec) for ra, dec in AWKWARD] if n_bricks >= MIN_BRICKS_FOR_AWKWARD else []
    chosen: list[Brick] = []
    regions = {region_of_brick(brick) for brick in awkward}
    candidates = _candidates(seed)
    while len(chosen) < n_bricks - len(awkward):
        brick = next(candidates)
        region = region_of_brick(brick)
        if region not in regions:
            regions.add(region)
            chosen.append(brick)
    return chosen[:1] + awkward + chosen[1:]


def is_north(brick: Brick) -> bool:
    """Say whether a brick belongs to BASS/MzLS rather than DECaLS."""
    return brick.dec > NORTH_DEC_DEG


def galactic_latitude_deg(ra: float, dec: float) -> float:
    """Give the Galactic latitude of a point (all in degrees, ICRS)."""
    pole, d = math.radians(_POLE_DEC_DEG), math.radians(dec)
    from_pole = math.cos(math.radians(ra - _POLE_RA_DEG))
    return math.degrees(math.asin(math.sin(d) * math.sin(pole) + math.cos(d) * math.cos(pole) * from_pole))


def _candidates(seed: int) -> Iterator[Brick]:
    low, high = (math.sin(math.radians(dec)) for dec in DEC_RANGE_DEG)
    index = 0
    while True:
        index += 1
        ra = 360.0 * ((0.5 + index * _STEP_RA + seed * 0.1234567) % 1.0)
        dec = math.degrees(math.asin(low + (high - low) * ((0.5 + index * _STEP_DEC) % 1.0)))
        if abs(galactic_latitude_deg(ra, dec)) > MIN_GALACTIC_LATITUDE_DEG:
            yield brick_at(ra, dec)
