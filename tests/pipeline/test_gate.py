"""From the answers of the queries to verdict.json, check_results, and what may follow."""

from __future__ import annotations

import json

import pytest

from pipeline.canaries import canaries_sql
from pipeline.code_version import CODE_VERSION, code_version
from pipeline.errors import GateError, InputError
from pipeline.gate import Asked, judge
from pipeline.manifest import plan_of, tier_of
from pipeline.parquet import read
from pipeline.queries import checks_sql, sql_sha256
from pipeline.schema import CHECK_RESULTS, SELECTION_FUNCTION
from pipeline.selection import write_cells
from pipeline.store import get_json
from tests.pipeline.judged_run import Engine, answer, judge_as, planned_run, refused


@pytest.fixture
def request_(store):
    return planned_run(store)


def sql_of(store, request):
    return checks_sql(request, plan_of(store, request)["expected_rows"], "")


def judge_checks(store, request, checks, engine=None, **canaries):
    """The verdict on these checks; each canary refused, but for the statuses that are given."""
    engine = engine or Engine()
    asked = Asked(checks, refused(engine, request, **canaries), "")
    return judge(store, engine, None, request, asked, {})


def test_go_is_recorded_and_may_be_published(store, request_):
    run = judge_as(store, request_, controls="NOT_EXERCISED")
    judged = run.verdict
    assert judged["verdict"] == "GO"
    assert get_json(store, request_.layout.verdict) == judged
    key = request_.layout.partition(CHECK_RESULTS.name).part(0)
    rows = read(store.get(key), CHECK_RESULTS, key).to_pylist()
    assert [row["name"] for row in rows] == [check["name"] for check in judged["checks"]]
    assert {row["name"]: row["sql_sha256"] for row in rows} == {
        name: sql_sha256(sql) for name, sql in sql_of(store, request_).items()
    }
    assert {row["code_version"] for row in rows} == {code_version()}
    assert run.publish(store)["verdict"] == "GO"
    assert store.exists(request_.layout.success)


@pytest.mark.parametrize("status", ["FAIL", "WARN", "INCONCLUSIVE", "NOT_EXERCISED"])
def test_no_go_is_neither_published_nor_selected_from(store, request_, status):
    run = judge_as(store, request_, magnification=status)
    judged = run.verdict
    assert judged["verdict"] == "NO-GO"
    assert any("magnification" in reason for reason in judged["reasons"])
    with pytest.raises(InputError, match="only a GO"):
        run.publish(store)
    with pytest.raises(InputError, match="verdict is NO-GO; 4d runs after a GO only"):
        write_cells(store, request_.layout, list(SELECTION_FUNCTION.names), [])
    assert not store.exists(request_.layout.success)
    assert not list(store.list(f"{request_.layout.prefix}selection_function/"))


def test_a_run_that_is_only_too_small_is_told_how_many_bricks_would_do(store, request_):
    """magnification needs 192 injections and has 5 of 3 bricks."""
    judged = judge_as(store, request_, magnification="INCONCLUSIVE").verdict
    assert judged["verdict"] == "NO-GO"
    assert judged["reasons"][0] == (
        "too few rows to judge, though nothing failed: run at least 116 bricks; this has 3"
    )


@pytest.mark.parametrize(
    "others", [{"magnification": "WARN"}, {"magnification": "INCONCLUSIVE", "nulls": "FAIL"}]
)
def test_a_run_that_failed_or_is_large_enough_is_not_sent_to_more_bricks(store, request_, others):
    judged = judge_as(store, request_, **others).verdict
    assert not any("too few rows" in reason for reason in judged["reasons"])


def test_a_query_that_failed_is_a_fail_with_the_engines_own_words(store, request_):
    cause = {"QueryExecution": {"Status": {"StateChangeReason": "line 1:8: Column 'mu' cannot be resolved"}}}
    caught = json.dumps({"Error": "States.TaskFailed", "Cause": json.dumps(cause)})
    failed = [{"name": name, "error": caught} for name in sql_of(store, request_)]
    judged = judge_checks(store, request_, failed)
    assert judged["verdict"] == "NO-GO"
    assert {check["status"] for check in judged["checks"]} == {"FAIL"}
    assert "line 1:8: Column 'mu' cannot be resolved" in judged["checks"][0]["message"]


@pytest.mark.parametrize("error", ["not JSON", "{}", json.dumps({"Error": "States.Timeout"}), "[]"])
def test_an_error_of_another_shape_is_kept_as_it_is(store, request_, error):
    judged = judge_checks(store, request_, [{"name": "nulls", "error": error}])
    assert error in judged["checks"][0]["message"]
    assert judged["verdict"] == "NO-GO"


def answered(store, request, row, sql=None):
    """The verdict where the engine was asked `nulls` alone."""
    engine = Engine()
    query = engine.ask(sql or sql_of(store, request)["nulls"], row)
    return judge_checks(store, request, [{"name": "nulls", "query_execution_id": query}], engine)


def test_an_answer_becomes_the_check_it_names(store, request_):
    judged = answered(store, request_, ["PASS", "0.5", "1.0", "7", "fine."])
    check = judged["checks"][0]
    assert (check["status"], check["statistic"], check["bound"], check["n"]) == ("PASS", 0.5, 1.0, 7)
    assert check["critical"]
    assert judged["verdict"] == "NO-GO"  # the other critical checks gave no answer
    assert any("magnification" in reason for reason in judged["reasons"])


def test_a_result_that_cannot_be_read_is_a_fail(store, request_):
    judged = answered(store, request_, ["PASS", "0.5", "1.0", "seven", "fine."])
    assert judged["checks"][0]["status"] == "FAIL"
    assert "unreadable result" in judged["checks"][0]["message"]


def test_a_pass_without_a_statistic_is_a_fail(store, request_):
    judged = answered(store, request_, ["PASS", None, "1.0", "7", "fine."])
    assert judged["checks"][0]["status"] == "FAIL"


@pytest.mark.parametrize(
    "other", ["SELECT 'PASS' AS status, 0e0 AS statistic, 1e0 AS bound, 5 AS n, 'fine.' AS message", "run-2"]
)
def test_a_check_that_was_asked_other_sql_has_failed(store, request_, other):
    """A constant PASS, and the same check of another run."""
    sql = sql_of(store, request_)["nulls"].replace("run-1", "run-2") if other == "run-2" else other
    check = answered(store, request_, ["PASS", "0.0", "1.0", "5", "fine."], sql)["checks"][0]
    assert (check["status"], check["statistic"]) == ("FAIL", None)
    assert check["message"].endswith("the engine was asked other SQL than the check's")


def test_a_run_of_other_code_is_not_judged(store, request_, monkeypatch):
    monkeypatch.setenv(CODE_VERSION, "f" * 64)
    with pytest.raises(InputError, match="run run-1: planned by code .* and this is ffffffff; judge it with"):
        judge_checks(store, request_, [])
    assert not store.exists(request_.layout.verdict)


@pytest.mark.parametrize("status", ["PASS", "WARN", "INCONCLUSIVE", "NOT_EXERCISED"])
def test_a_canary_that_is_not_refused_is_an_outage_and_no_verdict(store, request_, status):
    message = f"the gate cannot fail, so it says nothing of the run: nulls says {status} "
    with pytest.raises(GateError, match=message):
        judge_checks(store, request_, [], nulls=status)
    assert not store.exists(request_.layout.verdict)
    assert not list(store.list(f"{request_.layout.prefix}check_results/"))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"name": "nulls", "error": "TABLE_NOT_FOUND: metrics"}, "did not answer: TABLE_NOT_FOUND: metrics"),
        (
            {"name": "nulls", "row": ["FAIL", "0.0", "0.0", "0", "0 of 0 rows"]},
            r"nulls says FAIL \(0 of 0 rows",
        ),
        (
            {"name": "nulls", "row": answer("FAIL", "nulls"), "sql": "SELECT 1"},
            "asked other SQL than the check",
        ),
        (None, "nulls says nothing of a canary"),
    ],
)
def test_a_canary_that_broke_or_is_missing_is_an_outage(store, request_, item, message):
    """A query that failed, a table without rows, an answer to another question, no question at all."""
    engine = Engine()
    canaries = [one for one in refused(engine, request_) if one["name"] != "nulls"]
    if item and "row" in item:
        sql = item.get("sql") or canaries_sql(request_.layout, tier_of(request_))["nulls"]
        item = {"name": "nulls", "query_execution_id": engine.ask(sql, item["row"])}
    with pytest.raises(GateError, match=message):
        judge(store, engine, None, request_, Asked([], canaries + [item] * bool(item), ""), {})
