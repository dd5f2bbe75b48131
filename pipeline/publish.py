"""The last act of a run: `_SUCCESS.json`, which downstream waits for."""

from __future__ import annotations

from typing import Any

from pipeline.events import RunRequest
from pipeline.gate import Asked
from pipeline.manifest import plan_of, tier_of
from pipeline.prerequisites import record_go
from pipeline.store import Store, publish_json
from pipeline.trust import confirm, confirmed_go, success_of


def publish(store: Store, athena: Any, request: RunRequest, asked: Asked) -> dict[str, Any]:
    """Write `_SUCCESS.json` for a run whose verdict is GO and holds; its content. InputError otherwise.

    The verdict follows anew from its results, and the engine is asked whether it gave them to the queries of
    this execution.
    """
    layout = request.layout
    found = confirmed_go(store, layout, "only a GO is published")
    confirm(athena, request, found, asked)
    success = success_of(store, found.verdict, layout)
    publish_json(store, layout.success, success)
    record_go(store, request, plan_of(store, request), tier_of(request))
    return success
