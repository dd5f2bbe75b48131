"""The SQL that the state machine runs for a run: the gate's canaries and checks, the selection function."""

from __future__ import annotations

import hashlib
from typing import Any

from pipeline.canaries import canaries_sql
from pipeline.checks import load_checks, render, selection_function_sql
from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.prerequisites import earlier_run
from pipeline.promises import promises
from pipeline.store import Store


def list_queries(store: Store, request: RunRequest, canaries: bool = False) -> dict[str, Any]:
    """{"checks": [{"name", "sql"}], "earlier_run": id or "", "selection_function": sql} of a run.

    canaries: of its canaries instead; {"checks"} alone.
    """
    if canaries:
        return {"checks": _listed(canaries_sql(request.layout, tier_of(request)))}
    plan = plan_of(store, request)
    earlier = earlier_run(store, request, plan)
    asked = checks_sql(request, plan["expected_rows"], earlier)
    return {
        "checks": _listed(asked),
        "earlier_run": earlier,
        "selection_function": selection_function_sql(request.layout),
    }


def _listed(sql: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "sql": text} for name, text in sql.items()]


def checks_sql(request: RunRequest, expected_rows: int, earlier: str) -> dict[str, str]:
    """The SQL of every check of a run, by name. earlier: the run that `reruns` compares with, or ""."""
    promised = promises(tier_of(request), earlier)
    return {check.name: render(check, request.layout, expected_rows, promised) for check in load_checks()}


def sql_sha256(sql: str) -> str:
    """SHA-256 of a query's text, hexadecimal; of blank edges, which an engine may cut, it knows nothing."""
    return hashlib.sha256(sql.strip().encode()).hexdigest()
