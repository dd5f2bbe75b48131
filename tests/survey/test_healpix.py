"""Nested HEALPix pixels against astropy's."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy_healpix import HEALPix

from survey.bricks import N_ROWS, columns_in_row
from survey.healpix import nested_pixel


def astropys(nside: int, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    return HEALPix(nside=nside, order="nested").lonlat_to_healpix(ra * units.deg, dec * units.deg)


@pytest.mark.parametrize("nside", [1, 2, 64, 4096])
def test_any_position_has_astropys_pixel(nside: int) -> None:
    rng = np.random.default_rng(nside)
    ra, dec = rng.uniform(-360, 720, 200_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))
    np.testing.assert_array_equal(nested_pixel(nside, ra, dec), astropys(nside, np.mod(ra, 360), dec))


def test_the_poles_lie_in_a_pixel_that_meets_them() -> None:
    ra = np.arange(0.0, 360.0, 7.0)
    for dec in (-90.0, 90.0):
        np.testing.assert_array_equal(nested_pixel(64, ra, dec), astropys(64, ra, np.full(ra.shape, dec)))


def test_every_brick_of_the_survey_has_astropys_pixel_but_for_centres_on_a_border() -> None:
    rows = [columns_in_row(row) for row in range(N_ROWS)]
    ra = np.concatenate([(np.arange(n) + 0.5) * 360 / n for n in rows])
    dec = np.repeat(-90 + 0.25 * np.arange(N_ROWS), rows)
    assert (nested_pixel(64, ra, dec) != astropys(64, ra, dec)).sum() == 24
