"""What a check's file must say, how it is rendered, what its answer means, and when the verdict is GO."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import cost
from pipeline.breaches import null_breach, range_breach
from pipeline.checks import (
    ANSWER,
    HEADERS,
    STATUSES,
    CheckResult,
    load_checks,
    parse_check,
    render,
    result_from_error,
    result_from_row,
    selection_function_sql,
    verdict,
)
from pipeline.errors import InputError
from pipeline.promises import promises
from pipeline.schema import MANIFEST, METRICS, STAMPS, Column
from pipeline.sql import sql_number, sql_text
from pipeline.storage import RunLayout
from pipeline.tier import load_tier

LAYOUT = RunLayout("debug", "run-1")
PROMISED = promises(load_tier("debug"))
CHECKS = load_checks()
GOOD_ROW = ("PASS", 0.5, 1.0, 10, "fine.")


def result(name: str = "a", status: str = "PASS") -> CheckResult:
    return CheckResult(name, status, True, 0.0, 0.0, 1, "a sentence")


# ---------------------------------------------------------------- files


def test_every_check_says_what_to_know_about_it() -> None:
    assert [check.name for check in CHECKS] == sorted(check.name for check in CHECKS)
    for check in CHECKS:
        assert all(getattr(check, key.replace(" ", "_")) for key in HEADERS)
        assert len(check.asks) > 30
        assert len(check.on_failure) > 30
        assert "?" not in check.sql.split("WITH", 1)[1]  # Athena would take it for a parameter


def test_a_header_goes_on_over_lines() -> None:
    text = (
        "".join(f"-- {key}: x\n" for key in HEADERS if key != "stops") + "-- stops: one,\n--   two\nSELECT 1"
    )
    assert parse_check("x.sql", text).stops == "one, two"


@pytest.mark.parametrize("missing", HEADERS)
def test_a_file_without_a_header_is_refused(missing: str) -> None:
    text = "".join(f"-- {key}: x\n" for key in HEADERS if key != missing) + "SELECT 1"
    with pytest.raises(InputError, match=f"x.sql: header {missing} missing"):
        parse_check("x.sql", text)


def test_a_file_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="its name says x"):
        parse_check("y.sql", "".join(f"-- {key}: x\n" for key in HEADERS))


# ---------------------------------------------------------------- SQL


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_rendering_fills_every_placeholder_and_stays_small(check: object) -> None:
    sql = render(check, LAYOUT, 17280, PROMISED)  # type: ignore[arg-type]
    assert "${" not in sql
    assert "'debug'" in sql
    assert "'run-1'" in sql
    assert len(sql) < 60_000  # Athena takes 262,144 bytes


def test_rendering_is_exact_about_the_schema() -> None:
    sql = render(next(check for check in CHECKS if check.name == "schema"), LAYOUT, 1, PROMISED)
    sql = sql.split("VALUES", 1)[1].split("AS v", 1)[0]
    for table in (MANIFEST, METRICS, STAMPS):
        assert sql.count(f"('{table.name}', ") == len(table.columns) + len(table.partition_keys)
    assert "('stamps', 'n_pix', 'integer')" in sql
    assert "('stamps', 'image', 'varbinary')" in sql


def test_an_unknown_placeholder_is_named() -> None:
    text = "".join(f"-- {key}: x\n" for key in HEADERS) + "SELECT ${nothing}"
    with pytest.raises(InputError, match="nothing"):
        render(parse_check("x.sql", text), LAYOUT, 1, PROMISED)


@pytest.mark.parametrize(
    ("tier", "run_id"), [("debug'--", "r"), ("debug", "r'; DROP"), ("", "r"), ("debug", "R")]
)
def test_ids_that_are_no_ids_never_reach_sql(tier: str, run_id: str) -> None:
    layout = object.__new__(RunLayout)
    object.__setattr__(layout, "tier", tier)
    object.__setattr__(layout, "run_id", run_id)
    for fill in (lambda: render(CHECKS[0], layout, 1, PROMISED), lambda: selection_function_sql(layout)):
        with pytest.raises(InputError):
            fill()


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(InputError, match="expected_rows"):
        render(CHECKS[0], LAYOUT, -1, PROMISED)


@given(st.text())
def test_text_literals_end_where_they_should(text: str) -> None:
    literal = sql_text(text)
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "") == text.replace("'", "")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_literals_are_doubles(value: float) -> None:
    literal = sql_number(value, Column("x", "double", "a number"))
    assert "e" in literal
    assert float(literal) == value


def test_every_column_has_the_rule_that_its_declaration_asks_for() -> None:
    for column in METRICS.columns:
        rule = null_breach(column)
        assert (column.type != "double") or f"NOT is_finite({column.name})" in rule
        assert column.nullable or f"{column.name} IS NULL" in rule
        limits = [limit for limit in (column.low, column.high) if limit is not None]
        assert all(sql_number(limit, column) in range_breach(column) for limit in limits)


# ---------------------------------------------------------------- answers


def test_a_row_becomes_a_result() -> None:
    assert result_from_row("a", ANSWER, [GOOD_ROW], True) == CheckResult(
        "a", "PASS", True, 0.5, 1.0, 10, "fine."
    )
    mixed = result_from_row(
        "a", ("n", "message", "status", "bound", "statistic"), [("3", "m", "WARN", "1e0", "")], False
    )
    assert mixed == CheckResult("a", "WARN", False, None, 1.0, 3, "m")


@pytest.mark.parametrize(
    ("columns", "rows", "says"),
    [
        (ANSWER, [], "0 rows"),
        (ANSWER, [GOOD_ROW, GOOD_ROW], "2 rows"),
        (ANSWER[:4], [GOOD_ROW[:4]], "columns"),
        ((*ANSWER, "more"), [(*GOOD_ROW, 1)], "columns"),
        (ANSWER, [GOOD_ROW[:4]], "columns"),
        (ANSWER, [("pass", 0.5, 1.0, 10, "m")], "status 'pass'"),
        (ANSWER, [(None, 0.5, 1.0, 10, "m")], "status None"),
        (ANSWER, [("PASS", None, 1.0, 10, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", math.nan, 1.0, 10, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", math.inf, 1.0, 10, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", 0.5, None, 10, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", 0.5, 1.0, 0, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", 0.5, 1.0, None, "m")], "PASS without a statistic"),
        (ANSWER, [("PASS", "many", 1.0, 10, "m")], "a number that is none"),
        (ANSWER, [("PASS", 0.5, 1.0, 10, None)], "without a message"),
    ],
)
def test_an_answer_that_is_not_well_formed_fails(columns: tuple, rows: list, says: str) -> None:
    failed = result_from_row("a", columns, rows, True)
    assert (failed.status, failed.critical) == ("FAIL", True)
    assert says in failed.message


def test_nothing_exercised_needs_no_statistic() -> None:
    row = ("NOT_EXERCISED", None, 0.0, 0, "no controls.")
    assert result_from_row("a", ANSWER, [row], False).status == "NOT_EXERCISED"


def test_an_error_is_a_failure() -> None:
    failed = result_from_error("a", "HIVE_BAD_DATA: x", False)
    assert (failed.status, failed.statistic) == ("FAIL", None)
    assert "HIVE_BAD_DATA: x" in failed.message


# ---------------------------------------------------------------- verdict


@pytest.mark.parametrize(("status", "critical"), product(STATUSES, (True, False)))
def test_one_check_decides(status: str, critical: bool) -> None:
    answer = verdict([result("a"), result("b", status)], ["a", "b"] if critical else ["a"])
    go = status == "PASS" or (status != "FAIL" and not critical)
    assert answer.verdict == ("GO" if go else "NO-GO")
    assert len(answer.reasons) == (0 if go else 1)
    assert all(reason.startswith("b: ") for reason in answer.reasons)


def test_a_critical_check_that_gave_no_answer_blocks() -> None:
    answer = verdict([result("a")], ["a", "b"])
    assert answer.verdict == "NO-GO"
    assert answer.reasons == ("b: critical, but it gave no answer",)
    assert verdict([], ["a"]).verdict == "NO-GO"


def test_every_check_asked_has_to_answer() -> None:
    answer = verdict([result("a")], ["a"], ["a", "b"])
    assert (answer.verdict, answer.reasons) == ("NO-GO", ("b: gave no answer",))
    assert verdict([], [], ["a"]).verdict == "NO-GO"


def test_a_check_that_answers_twice_blocks() -> None:
    assert verdict([result("a"), result("a")], ["a"]).verdict == "NO-GO"


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(STATUSES)), st.sets(st.sampled_from("abcd")))
def test_go_is_no_fail_and_every_critical_passed(statuses: dict[str, str], critical: set[str]) -> None:
    found = verdict([result(name, status) for name, status in statuses.items()], critical)
    go = "FAIL" not in statuses.values() and all(statuses.get(name) == "PASS" for name in critical)
    assert (found.verdict == "GO") == go
    assert bool(found.reasons) == (not go)


def test_the_cost_estimate_knows_how_many_checks_there_are() -> None:
    assert len(CHECKS) == cost.CHECKS
