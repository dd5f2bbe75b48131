"""From the answers of the queries to verdict.json, check_results, and what may follow."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import InputError
from pipeline.fingerprints import fingerprints
from pipeline.gate import judge, record
from pipeline.parquet import read
from pipeline.publish import publish
from pipeline.schema import CHECK_RESULTS, SELECTION_FUNCTION
from pipeline.selection import write_cells
from pipeline.store import get_json
from tests.pipeline.judged_run import planned_run, results


@pytest.fixture
def request_(store):
    return planned_run(store)


def judge_as(store, request, **statuses):
    return record(store, None, request, results(**statuses), fingerprints(store, request.layout))


def test_go_is_recorded_and_may_be_published(store, request_):
    judged = judge_as(store, request_, controls="NOT_EXERCISED")
    assert judged["verdict"] == "GO"
    assert get_json(store, request_.layout.verdict) == judged
    key = request_.layout.partition(CHECK_RESULTS.name).part(0)
    rows = read(store.get(key), CHECK_RESULTS, key).to_pylist()
    assert [row["name"] for row in rows] == [check["name"] for check in judged["checks"]]
    assert publish(store, request_)["verdict"] == "GO"
    assert store.exists(request_.layout.success)


@pytest.mark.parametrize("status", ["FAIL", "WARN", "INCONCLUSIVE", "NOT_EXERCISED"])
def test_no_go_is_neither_published_nor_selected_from(store, request_, status):
    judged = judge_as(store, request_, magnification=status)
    assert judged["verdict"] == "NO-GO"
    assert any("magnification" in reason for reason in judged["reasons"])
    with pytest.raises(InputError, match="only a GO"):
        publish(store, request_)
    with pytest.raises(InputError, match="verdict is NO-GO; 4d runs after a GO only"):
        write_cells(store, request_.layout, list(SELECTION_FUNCTION.names), [])
    assert not store.exists(request_.layout.success)
    assert not list(store.list(f"{request_.layout.prefix}selection_function/"))


def test_a_run_that_is_only_too_small_is_told_how_many_bricks_would_do(store, request_):
    """magnification needs 192 injections and has 5 of 3 bricks."""
    judged = judge_as(store, request_, magnification="INCONCLUSIVE")
    assert judged["verdict"] == "NO-GO"
    assert judged["reasons"][0] == (
        "too few rows to judge, though nothing failed: run at least 116 bricks; this has 3"
    )


@pytest.mark.parametrize(
    "others", [{"magnification": "WARN"}, {"magnification": "INCONCLUSIVE", "nulls": "FAIL"}]
)
def test_a_run_that_failed_or_is_large_enough_is_not_sent_to_more_bricks(store, request_, others):
    judged = judge_as(store, request_, **others)
    assert not any("too few rows" in reason for reason in judged["reasons"])


def test_a_query_that_failed_is_a_fail_with_the_engines_own_words(store, request_):
    cause = {"QueryExecution": {"Status": {"StateChangeReason": "line 1:8: Column 'mu' cannot be resolved"}}}
    caught = json.dumps({"Error": "States.TaskFailed", "Cause": json.dumps(cause)})
    names = [check.name for check in results()]
    failed = [{"name": name, "error": caught} for name in names]
    judged = judge(store, None, None, request_, failed, {})
    assert judged["verdict"] == "NO-GO"
    assert {check["status"] for check in judged["checks"]} == {"FAIL"}
    assert "line 1:8: Column 'mu' cannot be resolved" in judged["checks"][0]["message"]


@pytest.mark.parametrize("error", ["not JSON", "{}", json.dumps({"Error": "States.Timeout"}), "[]"])
def test_an_error_of_another_shape_is_kept_as_it_is(store, request_, error):
    judged = judge(store, None, None, request_, [{"name": "nulls", "error": error}], {})
    assert error in judged["checks"][0]["message"]
    assert judged["verdict"] == "NO-GO"


class Answers:
    """An Athena whose queries answer with these rows."""

    def __init__(self, columns, row):
        self.columns, self.row = columns, row

    def get_paginator(self, _):
        return self

    def paginate(self, QueryExecutionId):
        info = [{"Name": name, "Type": kind} for name, kind in self.columns]
        cells = [{} if value is None else {"VarCharValue": value} for value in self.row]
        yield {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": info},
                             "Rows": [{"Data": [{"VarCharValue": name} for name, _ in self.columns]},
                                      {"Data": cells}]}}  # fmt: skip


COLUMNS = [("status", "varchar"), ("statistic", "double"), ("bound", "double"), ("n", "bigint"),
           ("message", "varchar")]  # fmt: skip


def test_an_answer_becomes_the_check_it_names(store, request_):
    athena = Answers(COLUMNS, ["PASS", "0.5", "1.0", "7", "fine."])
    judged = judge(store, athena, None, request_, [{"name": "nulls", "query_execution_id": "q"}], {})
    check = judged["checks"][0]
    assert (check["status"], check["statistic"], check["bound"], check["n"]) == ("PASS", 0.5, 1.0, 7)
    assert check["critical"]
    assert judged["verdict"] == "NO-GO"  # the other critical checks gave no answer
    assert any("magnification" in reason for reason in judged["reasons"])


def test_a_result_that_cannot_be_read_is_a_fail(store, request_):
    athena = Answers(COLUMNS, ["PASS", "0.5", "1.0", "seven", "fine."])
    judged = judge(store, athena, None, request_, [{"name": "nulls", "query_execution_id": "q"}], {})
    assert judged["checks"][0]["status"] == "FAIL"
    assert "unreadable result" in judged["checks"][0]["message"]


def test_a_pass_without_a_statistic_is_a_fail(store, request_):
    athena = Answers(COLUMNS, ["PASS", None, "1.0", "7", "fine."])
    judged = judge(store, athena, None, request_, [{"name": "nulls", "query_execution_id": "q"}], {})
    assert judged["checks"][0]["status"] == "FAIL"
