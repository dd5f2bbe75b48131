"""sky_closure, orientation and host_record: each limit from within and without; and what is no comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.checks import CheckResult
from pipeline.sky_limits import LIMITS
from tests.athena_sql.synthetic import Tables, make_run, plant, run_check, write_run

BRICKS, HOSTS = 30, 30
# One quantity of each kind: its column, and the mean and scatter of clean runs.
KINDS = {
    ("sky_closure", "light in z"): ("sky_light_z", 0.0, 0.03),
    ("sky_closure", "offset x in r"): ("sky_x_r_arcsec", 0.0, 0.02),
    ("sky_closure", "offset y in g"): ("sky_y_g_arcsec", 0.0, 0.02),
    ("sky_closure", "sky in g"): ("sky_left_g", 0.05, 0.1),
    ("sky_closure", "slope in r"): ("sky_slope_r", 0.1, 0.1),
    ("sky_closure", "noise in z"): ("sky_scatter_z", 0.9, 0.03),
    ("orientation", "orientation"): ("sky_orientation", 0.95, 0.03),
    ("host_record", "position"): ("sky_position_arcsec", 0.0, 1e-4),
    ("host_record", "psfdepth in r"): ("sky_depth_r", 0.0, 1e-7),
    ("host_record", "psfsize in g"): ("sky_psf_g", 0.0, 0.0005),
}
SIDES = (0, 1)


@pytest.fixture(scope="module")
def clean() -> Tables:
    """The tables of one row a host that the checks read."""
    made = make_run(BRICKS, HOSTS)
    stamps = made["stamps"]
    return {"sky": made["sky"], "stamps": stamps.take(list(range(0, len(stamps), 48)))}


def with_values(
    clean: Tables, column: str, change: Callable[[np.ndarray], np.ndarray], kind: tuple[float, float]
) -> Tables:
    """A column drawn as clean runs have it, then changed."""
    table = clean["sky"]
    values = np.random.default_rng(5).normal(*kind, len(table))
    values = values - values.mean() + kind[0]
    place = table.column_names.index(column)
    return {**clean, "sky": table.set_column(place, column, pa.array(change(values)))}


def judged(folder: Path, tables: Tables, check: str) -> CheckResult:
    return run_check(write_run(folder, tables), check)


def beyond(limit: float, mean: float, factor: float, allowed: float) -> float:
    """`factor` of the way from the clean mean to where the limit and its errors are."""
    return factor * (limit + math.copysign(allowed, limit - mean) - mean)


@pytest.mark.parametrize("check", ["sky_closure", "orientation", "host_record"])
def test_a_clean_run_passes(clean: Tables, tmp_path: Path, check: str) -> None:
    result = judged(tmp_path, clean, check)
    assert (result.status, result.n) == ("PASS", BRICKS * HOSTS)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("where", ["upper limit of the run", "lower limit of a brick"])
@pytest.mark.parametrize(("check", "quantity"), KINDS, ids=lambda text: text)
def test_a_mean_at_nine_and_eleven_tenths_of_its_limit(
    clean: Tables, tmp_path: Path, check: str, quantity: str, where: str, factor: float
) -> None:
    column, mean, scatter = KINDS[check, quantity]
    limit = LIMITS[check][quantity]
    names = clean["sky"]["brickname"].to_pylist()
    rows = np.array([where.endswith("run") or name == names[0] for name in names])
    bound = limit.run[1] if where.endswith("run") else limit.brick[0]
    shift = beyond(bound, mean, factor, 5 * scatter / math.sqrt(rows.sum()))

    def shifted(y: np.ndarray) -> np.ndarray:
        return np.where(rows, y - y[rows].mean() + mean + shift, y)

    result = judged(tmp_path, with_values(clean, column, shifted, (mean, scatter)), check)
    assert result.status == ("PASS" if factor < 1 else "FAIL"), result.message
    assert result.status == "PASS" or quantity in result.message


@pytest.mark.parametrize(("check", "quantity"), KINDS, ids=lambda text: text)
def test_one_in_thirty_hosts_beyond_its_limit(
    clean: Tables, tmp_path: Path, check: str, quantity: str
) -> None:
    column, mean, scatter = KINDS[check, quantity]
    far = mean + beyond(LIMITS[check][quantity].host[0], mean, 1.1, 0.0)
    some = np.arange(BRICKS * HOSTS) % 30 == 0
    tables = with_values(clean, column, lambda y: np.where(some, far, y), (mean, scatter))
    result = judged(tmp_path, tables, check)
    assert result.status == "FAIL"
    assert quantity in result.message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sky_reason", "no_host"),
        ("sky_reason", "not_in_catalogue"),
        ("sky_reason", "catalogue_unreadable"),
        ("raw_hash", "0" * 16),
        ("sky_left_r", math.nan),
    ],
)
def test_one_host_that_is_not_the_catalogues_is_too_many(
    clean: Tables, tmp_path: Path, column: str, value: Any
) -> None:
    result = judged(tmp_path, plant(clean, "sky", column, value, slice(7, 8)), "sky_closure")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 1.0, 0.0)


def test_nothing_compared_is_not_exercised(clean: Tables, tmp_path: Path) -> None:
    names = [name for name in clean["sky"].column_names if name.startswith("sky_") and name != "sky_reason"]
    table = clean["sky"]
    for name in names:
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.nulls(len(table), table.schema.field(name).type))
    for check in ("sky_closure", "orientation", "host_record"):
        assert judged(tmp_path / check, {**clean, "sky": table}, check).status == "NOT_EXERCISED"


def test_few_hosts_are_inconclusive(clean: Tables, tmp_path: Path) -> None:
    few = {**clean, "sky": clean["sky"].slice(0, 29)}
    for check in ("sky_closure", "orientation", "host_record"):
        assert judged(tmp_path / check, few, check).status == "INCONCLUSIVE"
