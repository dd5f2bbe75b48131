from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.checks import CheckResult
from tests.athena_sql.synthetic import Tables, make_run, run_check, write_run

OF_METRICS_ALONE = {
    "nulls", "ranges", "psf_provenance", "maskbits", "magnification", "flux_theta_e", "flux_identity",
    "split_balance", "brick_outliers", "snr_depth", "host_pixels", "realism",
    "magnification_tail",
}  # fmt: skip


@pytest.fixture(scope="session")
def clean() -> Tables:
    """6 bricks of 12 hosts with 48 injections each, no control."""
    return make_run()


@pytest.fixture(scope="session")
def mixed() -> Tables:
    """9 bricks of 12 hosts with 48 injections and 10 controls each."""
    return make_run(n_bricks=9, controls_per_host=10)


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., CheckResult]:
    """judge(tables, check): write the tables as a run and ask the check."""

    def judge(tables: Tables, name: str, expected_rows: int | None = None) -> CheckResult:
        asked = {"metrics"} if name in OF_METRICS_ALONE else set(tables)
        write_run(tmp_path, {table: tables[table] for table in asked})
        return run_check(tmp_path, name, len(tables["manifest"]) if expected_rows is None else expected_rows)

    return judge
