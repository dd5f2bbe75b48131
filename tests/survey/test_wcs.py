import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from survey.bricks import brick_at
from survey.wcs import TanWCS

PLACES = [(59.1, -30.5), (0.01, 2.0), (125.0, 79.75), (3.0, 0.0), (180.0, 90.0), (180.0, -90.0)]


@pytest.mark.parametrize("place", PLACES)
def test_projection_agrees_with_astropy(place):
    brick = brick_at(*place)
    wcs = TanWCS(brick.ra, brick.dec, 1799.5, 1799.5)
    oracle = WCS(fits.Header(wcs.to_header()))
    x, y = np.random.default_rng(1).uniform(-100, 3700, (2, 50))
    ra, dec = wcs.to_sky(x, y)
    expected = oracle.all_pix2world(x, y, 0)
    turn = np.abs((ra - expected[0] + 180) % 360 - 180)
    assert (turn * np.cos(np.radians(dec))).max() < 1e-9
    assert np.abs(dec - expected[1]).max() < 1e-9
    back = wcs.to_pixel(ra, dec)
    assert np.abs(np.array(back) - [x, y]).max() < 1e-6
    assert np.all((ra >= 0) & (ra < 360))


def test_real_header(real_data):
    path = real_data / "desitarget_dr6/legacysurvey-0959p805-image-g.fits.fz"
    header = fits.getheader(path, 1)
    wcs = TanWCS.from_header(header)
    oracle = WCS(header)
    for x, y in ((0.0, 0.0), (3599.0, 10.0), (1799.5, 1799.5)):
        ra, dec = oracle.all_pix2world(x, y, 0)
        assert wcs.to_pixel(ra, dec) == pytest.approx((x, y), abs=1e-6)
    # The header's own corner: CORN1 is the first pixel's outer corner.
    assert wcs.to_pixel(header["CORN1RA"], header["CORN1DEC"]) == pytest.approx((-0.5, -0.5), abs=0.51)


@pytest.mark.parametrize(
    ("card", "value", "what"),
    [
        ("CTYPE1", "RA---SIN", "projection"),
        ("CD1_1", +0.262 / 3600, "CD matrix"),
        ("CD2_2", 0.27 / 3600, "CD matrix"),
        ("CD1_2", 1e-5, "CD matrix"),
        ("CRVAL1", None, "no CRVAL1"),
    ],
)
def test_other_projections_are_refused(card, value, what):
    header = TanWCS(10.0, 10.0, 0.0, 0.0).to_header()
    header[card] = value
    if value is None:
        del header[card]
    with pytest.raises(ValueError, match=what):
        TanWCS.from_header(header)


def plain(wcs: TanWCS) -> dict[str, object]:
    """The cards as WCS libraries write them: CDELT, and PC where it is not the unit matrix."""
    return dict(WCS(fits.Header(wcs.to_header())).to_header())


@pytest.mark.parametrize("form", ["CDELT", "PC", "exponents"])
def test_other_forms_of_the_same_header(form):
    wcs = TanWCS(59.125, -30.5, 1799.5, 1799.5)
    header = plain(wcs) if form != "exponents" else {**wcs.to_header()}
    if form == "CDELT":
        header |= {"PC1_1": 1.0, "PC2_2": 1.0, "CDELT1": -0.262 / 3600, "CDELT2": 0.262 / 3600}
    if form == "exponents":
        header |= {"CD1_1": "-7.2777777777777D-05", "CD2_2": "7.2777777777777D-05", "CRVAL1": "5.9125D+01"}
    assert TanWCS.from_header(header).close_to(wcs)
    del header["CRVAL1" if form == "exponents" else "CDELT1"]
    with pytest.raises(ValueError, match="no C"):
        TanWCS.from_header(header)


@pytest.mark.parametrize(("card", "value"), [("LONPOLE", 0.0), ("CRVAL2", 91.0), ("CRPIX1", "NaN")])
def test_projections_that_would_be_read_wrong_are_refused(card, value):
    with pytest.raises(ValueError, match=card[:5]):
        TanWCS.from_header({**TanWCS(10.0, 10.0, 0.0, 0.0).to_header(), card: value})


def test_points_on_the_other_side_of_the_sky_have_no_pixel():
    x, y = TanWCS(10.0, 10.0, 0.0, 0.0).to_pixel(190.0, -10.0)
    assert np.isnan([x, y]).all()
