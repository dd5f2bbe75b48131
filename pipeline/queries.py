"""The SQL that the state machine runs for a run: the gate's checks, then the selection function."""

from __future__ import annotations

from typing import Any

from pipeline.checks import load_checks, render, selection_function_sql
from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.prerequisites import earlier_run
from pipeline.promises import promises
from pipeline.store import Store


def list_queries(store: Store, request: RunRequest) -> dict[str, Any]:
    """{"checks": [{"name", "sql"}], "selection_function": sql} of a run."""
    plan = plan_of(store, request)
    promised = promises(tier_of(request), earlier_run(store, request, plan))
    return {
        "checks": [
            {"name": check.name, "sql": render(check, request.layout, plan["expected_rows"], promised)}
            for check in load_checks()
        ],
        "selection_function": selection_function_sql(request.layout),
    }
