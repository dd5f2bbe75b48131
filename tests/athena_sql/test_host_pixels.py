"""host_pixels: its limits, in the run, in one brick and in few hosts, from within and from without."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import poisson

from pipeline.checks import CheckResult
from pipeline.schema import BANDS
from pipeline.sky_limits import OF_PIXELS
from tests.athena_sql.synthetic import Tables, make_run, run_check, write_run

BRICKS, HOSTS = 30, 36
CLEAN = {"host": 0.0, "noise": 0.9, "sky": 0.15, "light": math.log(0.55)}
SCATTER = {"host": 0.05, "noise": 0.05, "sky": 0.1, "light": 0.2}
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def metrics() -> pa.Table:
    """One row a host, of a run whose quantities are normal about the values of clean runs."""
    table = make_run(BRICKS, HOSTS)["metrics"]
    table = table.take(list(range(0, len(table), 48)))
    rng = np.random.default_rng(3)
    for quantity in OF_PIXELS:
        kind = quantity.split()[0]
        table = put(table, quantity, lambda y, k=kind: rng.normal(CLEAN[k], SCATTER[k], len(y)))
    return table


def put(table: pa.Table, quantity: str, change: Change) -> pa.Table:
    """A quantity of the check changed, in the column that it is read from."""
    kind, *_, last = quantity.split()
    name = {"host": f"host_{last}_arcsec", "noise": f"sky_noise_{last}", "sky": f"sky_level_{last}",
            "light": f"host_core_flux_{last}_nmgy"}[kind]  # fmt: skip
    values = table[name].to_numpy()
    flux = table[f"host_flux_{last}_nmgy"].to_numpy() if kind == "light" else None
    made = change(values) if flux is None else flux * np.exp(change(np.log(values / flux)))
    return table.set_column(table.column_names.index(name), name, pa.array(made))


def judged(folder: Path, metrics: pa.Table) -> CheckResult:
    tables: Tables = {"metrics": metrics}
    return run_check(write_run(folder, tables), "host_pixels")


def beside(limit: float, mean: float, factor: float, allowed: float) -> float:
    """A mean that lies `factor` of the way from a clean one to where the limit and its errors are."""
    return mean + factor * (limit + math.copysign(allowed, limit - mean) - mean)


def test_a_clean_run_passes(metrics: pa.Table, tmp_path: Path) -> None:
    result = judged(tmp_path, metrics)
    assert (result.status, result.n) == ("PASS", BRICKS * HOSTS)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("quantity", ["host x", "light in z"])
@pytest.mark.parametrize(("factor", "status"), [(0.9, "PASS"), (1.1, "FAIL")])
def test_the_mean_of_a_run(
    metrics: pa.Table, tmp_path: Path, quantity: str, side: int, factor: float, status: str
) -> None:
    kind, limit = quantity.split()[0], OF_PIXELS[quantity]
    allowed = 5 * SCATTER[kind] / math.sqrt(BRICKS * HOSTS)
    shift = beside(limit.run[side], CLEAN[kind], factor, allowed) - CLEAN[kind]
    result = judged(tmp_path, put(metrics, quantity, lambda y: y - y.mean() + CLEAN[kind] + shift))
    assert result.status == status
    assert quantity in result.message or status == "PASS"


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("quantity", ["noise in z", "sky in g"])
@pytest.mark.parametrize(("factor", "status"), [(0.9, "PASS"), (1.1, "FAIL")])
def test_the_mean_of_one_brick_of_thirty(
    metrics: pa.Table, tmp_path: Path, quantity: str, side: int, factor: float, status: str
) -> None:
    kind, limit = quantity.split()[0], OF_PIXELS[quantity]
    own = np.array(metrics["brickname"].to_pylist()) == metrics["brickname"][0].as_py()
    allowed = 5 * SCATTER[kind] / math.sqrt(HOSTS)
    wanted = beside(limit.brick[side], CLEAN[kind], factor, allowed)
    result = judged(tmp_path, put(metrics, quantity, lambda y: np.where(own, y - y[own].mean() + wanted, y)))
    assert result.status == status
    assert (f"{quantity} is" in result.message and "in brick 0000p000" in result.message) or status == "PASS"


@pytest.mark.parametrize("quantity", ["sky in z", "light in g"])
@pytest.mark.parametrize("side", [0, 1])
def test_one_percent_of_the_hosts(metrics: pa.Table, tmp_path: Path, quantity: str, side: int) -> None:
    """Eleven of 1,080 are too many where they lie beyond the limit of a host, and none where within."""
    kind, limit = quantity.split()[0], OF_PIXELS[quantity]
    some = np.zeros(len(metrics), dtype=bool)
    some[:: len(metrics) // 10] = True
    for place, factor, status in (("in", 0.9, "PASS"), ("out", 1.1, "FAIL")):
        far = beside(limit.host[side], CLEAN[kind], factor, 0.0)
        result = judged(tmp_path / place, put(metrics, quantity, lambda y, far=far: np.where(some, far, y)))
        assert result.status == status
    assert f"{quantity} of {some.sum()} of {len(metrics)} hosts" in result.message


def test_a_rate_is_allowed_so_that_two_clean_runs_in_a_million_are_stopped() -> None:
    """3 + m + 5 sqrt(m) hosts where m are expected: no more than Poisson's numbers reach, at any size."""
    for expected in np.geomspace(1e-3, 1e4, 300):
        allowed = 3 + expected + 5 * math.sqrt(expected)
        assert poisson.sf(math.floor(allowed), expected) < 2e-6


def test_hosts_that_show_nothing_are_no_subject(metrics: pa.Table, tmp_path: Path) -> None:
    """No good pixel in any band, and a host without flux: NULL, and no verdict on them."""
    blind = metrics
    for quantity in OF_PIXELS:
        if not quantity.startswith("light"):
            blind = put(blind, quantity, lambda y: np.full(len(y), np.nan))
    names = [name for name in blind.column_names if name.startswith(("host_x", "host_y", "sky_"))]
    for name in (*names, *(f"psfdepth_{b}" for b in BANDS)):
        nothing = pa.nulls(len(blind), pa.float64())
        blind = blind.set_column(blind.column_names.index(name), name, nothing)
    assert judged(tmp_path, blind).status == "NOT_EXERCISED"


def test_few_hosts_are_inconclusive(metrics: pa.Table, tmp_path: Path) -> None:
    assert judged(tmp_path, metrics.slice(0, 29)).status == "INCONCLUSIVE"
