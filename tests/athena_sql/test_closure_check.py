"""The check of the closure table."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.checks import CheckResult
from pipeline.schema import CLOSURE
from tests.athena_sql.synthetic import SAMPLE, TOO_MANY, Tables, plant

Judge = Callable[..., CheckResult]


def test_closure_bears_what_a_clean_run_may_have_and_no_more(judge: Judge, clean: Tables) -> None:
    for bad, status in ((TOO_MANY - 1, "PASS"), (TOO_MANY, "FAIL")):
        result = judge(plant(clean, "closure", "closure_flux_g", -0.01, slice(0, bad)), "closure")
        assert (result.status, result.statistic) == (status, bad)
        assert (result.bound, result.n) == (TOO_MANY - 1, SAMPLE)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("closure_flux_z", 0.006, "flux 8"), ("closure_l2_r", 0.011, "shape 8"),
        ("closure_moment_g", -0.011, "second moment 8"), ("closure_centroid_r_arcsec", 0.011, "centroid 8"),
        ("closure_magnification", 0.006, "magnification 8"), ("closure_flux_r", None, "flux 8"),
        ("closure_reason", "no_stamp", "8 not comparable: no_stamp"),
    ],
)  # fmt: skip
def test_closure_judges_every_quantity(
    judge: Judge, clean: Tables, column: str, value: object, said: str
) -> None:
    tables = plant(clean, "closure", column, value, slice(0, 8))
    if column == "closure_reason":
        tables = plant(tables, "closure", "closure_flux_r", None, slice(0, 8))
    result = judge(tables, "closure")
    assert result.status == "FAIL"
    assert said in result.message


def test_closure_needs_its_rows(judge: Judge, clean: Tables) -> None:
    few = {**clean, "closure": clean["closure"].slice(0, SAMPLE - 1)}
    assert judge(few, "closure").status == "INCONCLUSIVE"


@pytest.mark.parametrize(("n", "status"), [(25, "PASS"), (8, "INCONCLUSIVE")])
def test_closure_of_every_injection_needs_fewer(judge: Judge, clean: Tables, n: int, status: str) -> None:
    """Where all were rendered none is missed: there only has to be room below the share that counts."""
    closure = clean["closure"].slice(0, n)
    of_sample = pc.is_in(clean["metrics"]["task_id"], closure["task_id"])
    few = {**clean, "closure": closure, "metrics": clean["metrics"].filter(of_sample)}
    assert judge(few, "closure").status == status


def test_closure_fails_where_nothing_was_sampled(judge: Judge, clean: Tables) -> None:
    assert judge({**clean, "closure": clean["closure"].slice(0, 0)}, "closure").status == "FAIL"


@pytest.mark.parametrize("reason", ["hash_mismatch", "not_finite"])
def test_one_stamp_of_other_pixels_is_too_many(judge: Judge, mixed: Tables, reason: str) -> None:
    """One of a control, which is not compared."""
    (control,) = mixed["metrics"].filter(mixed["metrics"]["is_control"])["task_id"].slice(0, 1).to_pylist()
    row = dict.fromkeys(CLOSURE.names) | {
        "task_id": control,
        "closure_reason": reason,
        "stratum": "not sampled",
    }
    row |= {"brickname": "0000p000", "host_id": "10000-0-0"}
    more = pa.concat_tables([mixed["closure"], pa.Table.from_pylist([row], mixed["closure"].schema)])
    result = judge({**mixed, "closure": more}, "closure")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 1.0, 0.0)
    assert (
        "1 stamps or their rows have changed or not finite values, 0 rows are doubled, 0 are of"
        in result.message
    )


def test_copies_of_one_row_fail(judge: Judge, clean: Tables) -> None:
    copies = pa.concat_tables([clean["closure"].slice(0, 1)] * SAMPLE)
    result = judge({**clean, "closure": copies}, "closure")
    assert (result.status, result.statistic, result.bound) == ("FAIL", SAMPLE - 1, 0.0)


def test_rows_of_another_run_fail(judge: Judge, clean: Tables) -> None:
    alien = plant(clean, "closure", "task_id", lambda row: "x" + row["task_id"][1:], slice(0, 1))
    result = judge(alien, "closure")
    assert (result.status, result.statistic) == ("FAIL", 1.0)
    for column in ("metrics_ok", "is_control"):
        bad = plant(clean, "metrics", column, column == "is_control")
        assert judge(bad, "closure").statistic == SAMPLE
