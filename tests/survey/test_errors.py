import pickle

import pytest

from survey.errors import BrickError, CatalogueError, CutoutError


def test_messages_are_one_line_that_names_the_file():
    error = BrickError("truncated", "a/b.fits.fz", "too short;\n  fetch it again")
    assert str(error) == "a/b.fits.fz: too short; fetch it again [truncated]"
    assert (error.reason, error.path) == ("truncated", "a/b.fits.fz")
    assert "\n" not in str(CatalogueError("a\nb"))


@pytest.mark.parametrize(
    "error", [BrickError("corrupt", "x", "y"), CutoutError("off_edge", "stamp"), CatalogueError("c")]
)
def test_errors_cross_process_borders(error):
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_reasons_are_a_closed_list():
    with pytest.raises(ValueError, match="unknown brick reason 'broken'"):
        BrickError("broken", "x", "y")
    with pytest.raises(ValueError, match="unknown cutout reason 'broken'"):
        CutoutError("broken", "y")
