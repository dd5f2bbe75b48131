import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from survey.bricks import N_BRICKS, N_ROWS, Brick, _brick, brick_at, brick_named, columns_in_row, wrap_ra
from survey.errors import SurveyError


def bricks_in_row(row: int) -> list[Brick]:
    return [_brick(row, column) for column in range(columns_in_row(row))]


def test_the_whole_tiling_has_the_surveys_number_of_bricks_with_unique_names():
    names = set()
    northward = (brick for row in range(N_ROWS) for brick in bricks_in_row(row))
    for number, brick in enumerate(northward, 1):
        assert brick.brickid == number
        names.add(brick.name)
    assert number == N_BRICKS == len(names)


def test_rows_of_the_surveys_own_tables(real_data):
    tables = [
        *real_data.glob("legacypipe_bricks/*.fits.gz"),
        real_data / "desitarget_dr6/survey-bricks.fits.gz",
    ]
    assert len(tables) == 7
    for path in tables:
        row = fits.getdata(path, 1)[0]
        brick = brick_named(row["brickname"])
        assert brick.brickid == row["brickid"]
        for name in ("ra", "dec", "ra1", "ra2", "dec1", "dec2"):
            assert getattr(brick, name) == pytest.approx(row[name], abs=1e-10), (path.name, name)
        assert brick_at(row["ra"], row["dec"]) == brick


def test_brick_names_of_real_catalogues(real_data):
    for path in real_data.glob("desitarget_tables/[st]*-3*.fits"):
        for row in fits.getdata(path, 1):
            brick = brick_named(row["BRICKNAME"])
            assert brick.brickid == row["BRICKID"]


@given(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
def test_each_point_has_one_owner_and_names_are_reversible(ra, dec):
    brick = brick_at(ra, dec)
    assert brick.owns(ra, dec)
    assert brick_named(brick.name) == brick
    row = bricks_in_row(round((brick.dec + 90) / 0.25))
    assert sum(bool(other.owns(ra, dec)) for other in row) == 1


def test_bounds_are_half_open():
    brick = brick_named("0591m305")
    assert brick.owns(brick.ra1, brick.dec1)
    assert not brick.owns(brick.ra2, brick.dec)
    assert not brick.owns(brick.ra, brick.dec2)
    assert brick_at(brick.ra2, brick.dec).ra1 == brick.ra2


def test_edges_belong_to_the_brick_east_of_them():
    """Edges are no round numbers; every row has its own."""
    for row in range(0, 721, 9):
        for brick in bricks_in_row(row):
            assert brick_at(brick.ra1, brick.dec) == brick
            assert brick_at(np.nextafter(brick.ra2, 0), brick.dec) == brick


def test_points_a_bit_below_an_edge_in_dec_belong_to_the_row_below():
    for row in range(1, N_ROWS):
        edge = -90.125 + 0.25 * row  # exact in binary
        for dec in (edge, np.nextafter(edge, -90.0), np.nextafter(edge, 90.0)):
            brick = brick_at(200.0, float(dec))
            assert brick.owns(200.0, dec), (row, dec)
            assert brick_named(brick.name) == brick


def test_right_ascension_wraps_at_zero():
    east, west = brick_at(0.01, 2.0), brick_at(-0.01, 2.0)
    assert (east.ra1, west.ra2) == (0.0, 360.0)
    assert east.owns(360.01, 2.0)
    assert west.owns(359.99, 2.0)
    assert west.owns(-0.01, 2.0)
    assert not east.owns(359.99, 2.0)
    assert np.all(wrap_ra([-1e-20, 360.0, 720.5]) == [0.0, 0.0, 0.5])


def test_the_poles_are_one_brick_each():
    assert brick_at(12.0, 90.0).owns(200.0, 90.0)
    assert (brick_at(0.0, -90.0).brickid, brick_at(0.0, 90.0).brickid) == (1, N_BRICKS)


@pytest.mark.parametrize(
    "name", ["", "0591m306", "0592m305", "0591x305", "9999p000", "0001m000", "0591m3055"]
)
def test_names_of_no_brick_are_refused(name):
    with pytest.raises(SurveyError, match="brick name"):
        brick_named(name)


@pytest.mark.parametrize(("ra", "dec"), [(float("nan"), 0.0), (0.0, 90.1), (0.0, float("nan"))])
def test_points_off_the_sky_are_refused(ra, dec):
    with pytest.raises(SurveyError, match="no brick at"):
        brick_at(ra, dec)
