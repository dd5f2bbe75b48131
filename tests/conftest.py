"""What all tests share: real data where it is there, and property tests that repeat themselves.

Property tests draw the same examples every time, so that a failure is the change's own;
`HYPOTHESIS_PROFILE=explore make test` draws new ones.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real survey files; the test is skipped where there is none."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DARKHALO_TEST_DATA", beside))
    if not (folder / "desitarget_dr6").is_dir():
        pytest.skip(f"no real survey data in {folder} (set DARKHALO_TEST_DATA)")
    return folder
