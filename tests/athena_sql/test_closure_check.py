"""The check of the closure table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.checks import CheckResult
from tests.athena_sql.synthetic import Tables, plant

Judge = Callable[..., CheckResult]


def test_closure_bears_what_a_clean_run_may_have_and_no_more(judge: Judge, clean: Tables) -> None:
    for bad, status in ((4, "PASS"), (5, "FAIL")):
        result = judge(plant(clean, "closure", "closure_flux_g", -0.01, slice(0, bad)), "closure")
        assert (result.status, result.statistic, result.bound, result.n) == (status, bad, 4.0, 69)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("closure_flux_z", 0.006, "flux 6"), ("closure_l2_r", 0.011, "shape 6"),
        ("closure_moment_g", -0.011, "second moment 6"), ("closure_centroid_r_arcsec", 0.011, "centroid 6"),
        ("closure_magnification", 0.006, "magnification 6"), ("closure_flux_r", None, "flux 6"),
        ("closure_reason", "no_stamp", "6 not comparable: no_stamp"),
    ],
)  # fmt: skip
def test_closure_judges_every_quantity(
    judge: Judge, clean: Tables, column: str, value: object, said: str
) -> None:
    tables = plant(clean, "closure", column, value, slice(0, 6))
    if column == "closure_reason":
        tables = plant(tables, "closure", "closure_flux_r", None, slice(0, 6))
    result = judge(tables, "closure")
    assert result.status == "FAIL"
    assert said in result.message


def test_closure_needs_its_rows(judge: Judge, clean: Tables) -> None:
    few = {**clean, "closure": clean["closure"].slice(0, 68)}
    assert judge(few, "closure").status == "INCONCLUSIVE"


def test_closure_fails_where_nothing_was_sampled(judge: Judge, clean: Tables) -> None:
    assert judge({**clean, "closure": clean["closure"].slice(0, 0)}, "closure").status == "FAIL"
