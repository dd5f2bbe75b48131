"""What each part of the room may load where it runs."""

import subprocess
import sys

import pytest

IN_THE_TASK = "import survey.coadd, survey.cache, survey.tractors"
IN_A_LAMBDA = "import survey.bricks, survey.layout, survey.maskbits, survey.errors, survey.host_columns"
PROBE = "import sys; sys.modules.update(dict.fromkeys({banned!r})); {statement}"


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        (
            IN_THE_TASK,
            [
                "survey.synthetic",
                "survey.plain",
                "scipy",
                "astropy_healpix",
                "fitsio",
                "pandas",
                "pipeline",
                "physics",
                "numba",
            ],
        ),
        (IN_A_LAMBDA, ["astropy", "pyarrow", "boto3", "scipy", "astropy_healpix", "pipeline", "physics"]),
    ],
)
def test_modules_load_without_what_is_not_there(statement, banned):
    """None in sys.modules makes an import of that name fail."""
    code = PROBE.format(banned=banned, statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = PROBE.format(banned=["survey.errors"], statement=statement)
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=False).returncode == 1
