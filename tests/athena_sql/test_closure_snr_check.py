"""The check of the arcs' SNR against those of the rendered arcs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from pipeline.checks import CheckResult
from pipeline.tier import load_tier
from tests.athena_sql.synthetic import SAMPLE, Tables, plant

Judge = Callable[..., CheckResult]
BOTH = ("closure_arc_snr", "closure_arc_peak_snr")


def times(tables: Tables, factor: float, *columns: str, every: int = 1) -> Tables:
    """The recorded SNRs of one row of `every` multiplied, as the table closure then tells it."""
    for name in columns:
        tables = plant(
            tables, "closure", name, lambda r, n=name: r[n] + math.log(factor), slice(0, None, every)
        )
    return tables


def test_a_clean_run_passes(judge: Judge, clean: Tables) -> None:
    result = judge(clean, "closure_snr")
    assert (result.status, result.bound, result.n) == ("PASS", pytest.approx(math.log(1.5)), SAMPLE)
    for tier in ("debug", "grid", "train"):
        assert "closure_snr" in load_tier(tier).critical


@pytest.mark.parametrize("factor", [0.1, 0.5, 2, 10])
@pytest.mark.parametrize("columns", [BOTH, BOTH[:1], BOTH[1:]])
def test_an_snr_off_by_a_factor_in_every_row_fails(
    judge: Judge, clean: Tables, factor: float, columns: tuple[str, ...]
) -> None:
    assert judge(times(clean, factor, *columns), "closure_snr").status == "FAIL"


def test_an_snr_off_by_two_in_a_third_of_the_rows_fails(judge: Judge, clean: Tables) -> None:
    assert judge(times(clean, 2, *BOTH, every=3), "closure_snr").status == "FAIL"
    assert judge(times(clean, 2, *BOTH, every=20), "closure_snr").status == "PASS"


def test_a_few_arcs_that_masks_hide_pass(judge: Judge, clean: Tables) -> None:
    assert judge(times(clean, 1e-9, *BOTH, every=20), "closure_snr").status == "PASS"


def test_rows_in_masks_are_not_judged(judge: Judge, clean: Tables) -> None:
    masked = plant(times(clean, 0.5, *BOTH), "metrics", "bad_pixel_frac", 0.3)
    assert judge(masked, "closure_snr").status == "NOT_EXERCISED"


def test_the_two_snrs_are_one_where_the_light_has_no_noise(judge: Judge, clean: Tables) -> None:
    for value in (None, lambda row: row["arc_snr"] / 2):
        assert judge(plant(clean, "metrics", "arc_snr_sky", value, slice(7, 8)), "closure_snr").statistic == 1
    assert judge(plant(clean, "metrics", "arc_snr", 0.0, slice(7, 8)), "closure_snr").status == "FAIL"


def test_it_needs_a_depth_and_hosts(judge: Judge, clean: Tables) -> None:
    without = plant(clean, "closure", "closure_arc_snr", None)
    assert judge(without, "closure_snr").status == "NOT_EXERCISED"
    few = {**clean, "closure": clean["closure"].slice(0, 20)}
    assert judge(few, "closure_snr").status == "INCONCLUSIVE"
