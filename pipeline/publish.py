"""The last act of a run: `_SUCCESS.json`, which downstream waits for."""

from __future__ import annotations

from typing import Any

from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.prerequisites import record_go
from pipeline.store import Store, publish_json
from pipeline.trust import confirmed_go, success_of


def publish(store: Store, request: RunRequest) -> dict[str, Any]:
    """Write `_SUCCESS.json` for a run whose verdict is GO and holds; its content. InputError otherwise."""
    layout = request.layout
    stored = confirmed_go(store, layout, "only a GO is published").verdict
    success = success_of(store, stored, layout)
    publish_json(store, layout.success, success)
    record_go(store, request, plan_of(store, request), tier_of(request))
    return success
