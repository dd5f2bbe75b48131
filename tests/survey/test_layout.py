import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.errors import SurveyError
from survey.layout import (
    BANDS,
    SurveyPath,
    brick_files,
    coadd_path,
    parse_path,
    sha256_path,
    tractor_path,
)

BRICKS = st.from_regex(r"[0-3][0-9]{3}[pm][0-8][0-9]{2}", fullmatch=True)
PATHS = st.one_of(
    st.builds(SurveyPath, st.sampled_from(["image", "invvar", "psfsize"]), BRICKS, st.sampled_from(BANDS)),
    st.builds(SurveyPath, st.sampled_from(["maskbits", "tractor", "sha256sum"]), BRICKS),
)


@given(PATHS, st.sampled_from(["", "dr10/south/", "/data/coadd/"]))
def test_paths_parse_back_to_what_built_them(path, folder):
    assert parse_path(folder + path.build()) == path


def test_paths_are_the_surveys():
    folder = "coadd/059/0591m305"
    assert coadd_path("image", "0591m305", "g") == f"{folder}/legacysurvey-0591m305-image-g.fits.fz"
    assert coadd_path("maskbits", "0591m305") == f"{folder}/legacysurvey-0591m305-maskbits.fits.fz"
    assert sha256_path("0591m305") == f"{folder}/legacysurvey-0591m305.sha256sum"
    assert tractor_path("0591m305") == "tractor/059/tractor-0591m305.fits"
    assert len(set(brick_files("0591m305"))) == 10


@pytest.mark.parametrize(
    "path",
    [
        "coadd/058/0591m305/legacysurvey-0591m305-image-g.fits.fz",
        "coadd/059/0591m305/legacysurvey-0591m306-image-g.fits.fz",
        "coadd/059/0591m305/legacysurvey-0591m305-image-g.fits",
        "tractor/059/tractor-0591m305.fits.gz",
        "",
    ],
)
def test_other_paths_are_refused(path):
    with pytest.raises(SurveyError, match="not a path of the survey"):
        parse_path(path)
