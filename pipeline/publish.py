"""The last act of a run: `_SUCCESS.json`, which downstream waits for."""

from __future__ import annotations

from typing import Any

from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.prerequisites import record_go
from pipeline.store import Store, get_json, publish_json


def publish(store: Store, request: RunRequest) -> dict[str, Any]:
    """Write `_SUCCESS.json` for a run whose stored verdict is GO; its content. InputError otherwise."""
    verdict = get_json(store, request.layout.verdict)["verdict"]
    if verdict != "GO":
        raise InputError(f"run {request.run_id}: verdict is {verdict}; only a GO is published")
    plan = plan_of(store, request)
    success = {key: plan[key] for key in ("config_hash", "expected_rows", "n_bricks", "n_hosts")}
    success |= {"run_id": request.run_id, "tier": request.tier, "verdict": "GO"}
    publish_json(store, request.layout.success, success)
    record_go(store, request, plan, tier_of(request))
    return success
