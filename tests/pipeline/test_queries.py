"""The checks' SQL travels through the state machine, whose states are limited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.checks import load_checks, render, selection_function_sql
from pipeline.events import RunRequest
from pipeline.manifest import PASSED_ON
from pipeline.promises import promises
from pipeline.storage import RunLayout
from pipeline.tier import load_tier

STATE_LIMIT = 262_144  # bytes of a state's input or output
SPARE = (
    32_768  # of them, for what has no fixed length: a user's tier, an engine's words, reasons of quarantine
)

LAYOUT = RunLayout("t" * 31, "r" * 63)
TIER = load_tier("pilot")
ID = "0" * 36  # of a query
SENTENCE = "m" * 500  # a check's message; the longest of a run so far has some 400


def sql_of_checks() -> dict[str, str]:
    promised = promises(TIER, "r" * 63)
    return {check.name: render(check, LAYOUT, 10**8, promised) for check in load_checks()}


def travelling() -> dict[str, Any]:
    """What every state of the gate carries besides the checks: plan, counts, canaries, 4d's query."""
    settings = json.dumps(TIER.settings())
    request = RunRequest(LAYOUT.tier, LAYOUT.run_id, "h" * 80, "s3://" + "s" * 500, settings=settings)
    plan = dict.fromkeys(PASSED_ON, "0" * 64) | {"request": request.to_event()}
    counts = {"judged": dict.fromkeys("abcdef", "0" * 64), "quarantined": dict.fromkeys(range(20), 10**8)}
    selection = {"earlier_run": LAYOUT.run_id, "selection_function": selection_function_sql(LAYOUT)}
    canaries = [{"name": check.name, "query_execution_id": ID} for check in load_checks()]
    return {"plan": plan, "reconcile": counts, "canaries": {"checks": canaries}, "queries": selection}


def with_checks(checks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    state = travelling()
    return {**state, "queries": {**state["queries"], "checks": checks}, **more}


def asked() -> dict[str, Any]:
    """Before RunChecks: all SQL, and no result."""
    return with_checks([{"name": name, "sql": sql} for name, sql in sql_of_checks().items()])


def judged(results: list[dict[str, Any]]) -> dict[str, Any]:
    """After Verdict, each check a FAIL: what was asked has given way to what came of it."""
    check = {"status": "INCONCLUSIVE", "critical": False, "statistic": 0.1, "bound": 0.1, "n": 10**8}
    checks = [{"name": item["name"], "message": SENTENCE, **check} for item in results]
    verdict = {**travelling()["reconcile"], "checks": checks, "reasons": [SENTENCE] * len(checks)}
    verdict["canaries"] = [{"sql_sha256": "0" * 64, "name": item["name"], **check} for item in results]
    return with_checks(results, verdict=verdict, selection_query={"query_execution_id": ID})


def answered() -> dict[str, Any]:
    return judged([{"name": name, "query_execution_id": ID} for name in sql_of_checks()])


def broken() -> dict[str, Any]:
    """Every query fails: each cause is Athena's account of the execution, SQL and all, as JSON in JSON."""
    status = {"State": "FAILED", "StateChangeReason": SENTENCE, "AthenaError": {"ErrorMessage": SENTENCE}}
    results = []
    for name, sql in sql_of_checks().items():
        execution = {"Query": sql, "QueryExecutionId": ID, "Status": status, "WorkGroup": "darkhalo"}
        cause = json.dumps({"QueryExecution": execution})
        results.append({"name": name, "error": json.dumps({"Error": "States.TaskFailed", "Cause": cause})})
    return judged(results)


@pytest.mark.parametrize(("state", "spare"), [(asked, SPARE), (answered, SPARE), (broken, 0)])
def test_no_state_of_the_gate_is_too_large(state: Callable[[], dict[str, Any]], spare: int) -> None:
    """All checks broken at once may fill the last bytes: beyond them that is an outage, and no verdict."""
    assert len(json.dumps(state())) < STATE_LIMIT - spare
