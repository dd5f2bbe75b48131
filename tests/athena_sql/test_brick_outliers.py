"""The check of bricks on small and mixed runs: clean ones pass, and one bad band of one brick does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.checks import CheckResult
from tests.athena_sql.synthetic import Tables, make_run, plant

Judge = Callable[..., CheckResult]
# Noise of neighbouring pixels over invvar's, north (BASS, MzLS) and south (DECam): clean pilots of 60 bricks.
NOISE = {"9011": {"g": 0.54, "r": 0.55, "z": 0.79}, "9010": {"g": 0.87, "r": 0.88, "z": 0.875}}


def run_of(n_bricks: int, n_north: int, seed: int) -> Tables:
    """Bricks of 12 hosts, the first of them northern; hosts scatter by 5 %, bricks by 2 %, as pilots' do."""
    tables = make_run(n_bricks=n_bricks, seed=seed)
    rng = np.random.default_rng(seed)
    of_brick, of_host = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
    ids = dict[str, str]()
    for host in dict.fromkeys(tables["metrics"]["host_id"].to_pylist()):
        brick = host.split("-")[1]
        kind = "9011" if int(brick) < n_north else "9010"
        ids[host] = f"{kind}-{host.split('-', 1)[1]}"
        for band in "grz":
            mean = of_brick.setdefault(
                (brick, band), NOISE[kind][band] * np.exp(0.02 * rng.standard_normal())
            )
            of_host[host, band] = mean * float(np.exp(0.05 * rng.standard_normal()))
    for band in "grz":
        tables = plant(
            tables, "metrics", f"sky_noise_{band}", lambda row, band=band: of_host[row["host_id"], band]
        )
    return plant(tables, "metrics", "host_id", lambda row: ids[row["host_id"]])


@pytest.mark.parametrize(("n_bricks", "n_north"), [(6, 0), (6, 1), (6, 2), (6, 3), (6, 6), (10, 1), (12, 4)])
def test_clean_runs_pass_and_noise_of_one_band_does_not(judge: Judge, n_bricks: int, n_north: int) -> None:
    tables = run_of(n_bricks, n_north, n_bricks + n_north)
    assert judge(tables, "brick_outliers").status == "PASS"
    for brick in {0, n_bricks - 1}:
        name = f"{brick * 30:04d}p{brick:03d}"
        loud = plant(
            tables,
            "metrics",
            "sky_noise_g",
            lambda row: 3 * row["sky_noise_g"],
            lambda row, name=name: row["brickname"] == name,
        )
        result = judge(loud, "brick_outliers")
        assert (result.status, name in result.message, "noise in g" in result.message) == ("FAIL", True, True)


def test_bricks_drawn_from_a_clean_run_are_not_stopped(judge: Judge) -> None:
    """Three draws of each size; `python -m benchmarks.false_alarms` has the large figure, of all checks."""
    whole = run_of(30, 8, 3)
    rng = np.random.default_rng(1)
    names = sorted(set(whole["metrics"]["brickname"].to_pylist()))
    for size in (6, 10, 20):
        for _ in range(3):
            chosen = pa.array(rng.choice(names, size, replace=False).tolist())
            drawn = {n: t.filter(pc.is_in(t["brickname"], chosen)) for n, t in whole.items()}
            result = judge(drawn, "brick_outliers")
            assert result.status == "PASS", result.message


def test_every_brick_beyond_is_counted(judge: Judge) -> None:
    bad = ("0000p000", "0030p001", "0060p002")
    loud = plant(
        run_of(12, 0, 5), "metrics", "sky_noise_r", lambda row: 1.5 * row["sky_noise_r"],
        lambda row: row["brickname"] in bad,
    )  # fmt: skip
    result = judge(loud, "brick_outliers")
    assert result.status == "FAIL"
    assert result.message.startswith("3 of ")


def test_fewer_than_six_bricks_are_inconclusive(judge: Judge) -> None:
    assert judge(run_of(5, 0, 1), "brick_outliers").status == "INCONCLUSIVE"


def test_where_no_brick_can_be_compared_it_says_so(judge: Judge) -> None:
    run = run_of(6, 0, 1)
    few = {name: table.slice(0, 5) for name, table in run.items()}
    result = judge(few, "brick_outliers")
    assert result.status == "INCONCLUSIVE"
    assert "furthest" not in result.message
    assert result.message.endswith("can be compared with others.")
