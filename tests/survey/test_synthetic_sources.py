"""The sources of a synthetic brick: their numbers, kinds and masks, and what the catalogue says of them."""

import numpy as np
import pytest

from survey.layout import BANDS
from survey.maskbits import MASK_BITS
from survey.synthetic.conditions import observe
from survey.synthetic.pixels import draw_sources
from survey.synthetic.population import SATURATED_MAG, Population, populate
from survey.synthetic.tractor import tractor_columns
from survey.synthetic.window import window_wcs
from tests.survey.conftest import SOUTH, WIDE


def test_numbers_and_kinds_of_sources():
    counts, points, hosts = [], [], []
    for seed in range(12):
        primary = np.ones((900, 900), bool)
        sources = populate(SOUTH, observe(SOUTH, (900, 900), seed), primary, 12, seed)
        field = sources.take(~sources.is_host)
        counts.append(len(field))
        points.append((field.kind == "PSF").mean())
        hosts.append(sources.is_host.sum())
        planted = sources.take(sources.is_host)
        assert ((planted.mag[:, 1] > 17) & (planted.mag[:, 1] < 22)).all()
        gaps = np.hypot(*(planted.x[:, None] - planted.x, planted.y[:, None] - planted.y)) + 1e9 * np.eye(12)
        assert gaps.min() >= 40
    assert np.mean(counts) == pytest.approx(7700 * 900**2 / 3600**2, rel=0.05)
    assert np.mean(points) == pytest.approx(0.5, abs=0.03)
    assert set(hosts) == {12}


def test_saturated_stars_are_patched_and_masked(made):
    stars = made.sources.take((made.sources.kind == "PSF") & (made.sources.mag[:, 1] < SATURATED_MAG[1]))
    assert len(stars) >= 1
    seen = 0
    for x, y, mag in zip(stars.x, stars.y, stars.mag[:, 1], strict=True):
        column, row = round(x), round(y)
        if not (5 < column < WIDE - 5 and 5 < row < WIDE - 5):
            continue
        seen += 1
        mask = int(made.pixels.maskbits[row, column])
        for name in ("SATUR_R", "ALLMASK_R", "MEDIUM", "WISEM1", "WISEM2"):
            assert mask & (1 << MASK_BITS[name]), name
        assert bool(mask & (1 << MASK_BITS["BRIGHT"])) == (mag < 13)
        assert made.pixels.invvar["r"][row, column] == 0
        assert 5 < made.pixels.image["r"][row, column] < 13
        assert made.pixels.wise[0][row, column]
    assert seen >= 1


def test_pixels_of_a_neighbour_are_marked(made):
    marked = (made.pixels.maskbits & 1) == 1
    assert np.array_equal(marked, ~made.primary)
    assert 0.05 < marked.mean() < 0.15


def one_galaxy(angle: float) -> Population:
    """A bright flattened galaxy alone in the middle of a 300-pixel image; angle in radians, east of north."""
    one = np.ones(1)
    return Population(
        x=150.2 * one,
        y=149.6 * one,
        mag=np.array([[18.5, 17.5, 17.0, 16.5, 17.0]]),
        kind=np.array(["EXP"]),
        sersic=one,
        shape_r=2.0 * one,
        axis_ratio=0.4 * one,
        angle=angle * one,
        is_host=np.zeros(1, bool),
    )


@pytest.mark.parametrize("degrees", [0.0, 30.0, 75.0, 140.0])
def test_image_and_catalogue_tell_of_the_same_galaxy(degrees):
    """Flux, place, size and position angle, from the image's moments and from the catalogue's columns."""
    sources, wcs = one_galaxy(np.radians(degrees)), window_wcs(SOUTH, 300, 0)
    conditions = observe(SOUTH, (300, 300), 0)
    light = draw_sources(sources, conditions, (300, 300)).astype(float)
    row = {
        name: values[0]
        for name, values in tractor_columns(
            SOUTH, wcs, conditions, sources, np.zeros((300, 300), np.int16), 9010, 0
        ).items()
    }
    for index, band in enumerate(BANDS):
        error = float(row[f"flux_ivar_{band}"]) ** -0.5
        assert row[f"flux_{band}"] == pytest.approx(light[index].sum(), rel=0.005, abs=5 * error)
        dust = 10 ** (-0.4 * {"g": 3.214, "r": 2.165, "z": 1.211}[band] * conditions.ebv)
        assert row[f"mw_transmission_{band}"] == pytest.approx(dust, rel=1e-5)
        assert light[index].sum() == pytest.approx(
            dust * 10 ** (0.4 * (22.5 - sources.mag[0, index])), rel=0.005
        )
    y, x = np.mgrid[:300, :300]
    weights = light[1] * (np.hypot(x - 150.2, y - 149.6) < 40)
    weights /= weights.sum()
    assert wcs.to_pixel(row["ra"], row["dec"]) == pytest.approx((150.2, 149.6), abs=1e-4)
    east, north = -(x - 150.2), y - 149.6  # north up, east to the left
    q_ee, q_nn, q_en = ((weights * pair).sum() for pair in (east**2, north**2, east * north))
    found = 0.5 * np.degrees(np.arctan2(2 * q_en, q_nn - q_ee)) % 180
    listed = 0.5 * np.degrees(np.arctan2(row["shape_e2"], row["shape_e1"])) % 180
    assert abs((listed - degrees + 90) % 180 - 90) < 0.01
    assert abs((found - degrees + 90) % 180 - 90) < 1.0
    ellipticity = np.hypot(row["shape_e1"], row["shape_e2"])
    assert (1 - ellipticity) / (1 + ellipticity) == pytest.approx(0.4, abs=1e-5)
    assert row["shape_r"] == 2.0
