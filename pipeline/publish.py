"""The last act of a run: `_SUCCESS.json`, which downstream waits for."""

from __future__ import annotations

from typing import Any

from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.manifest import plan_of
from pipeline.store import Store, publish_json


def publish(store: Store, request: RunRequest, verdict: dict[str, Any]) -> dict[str, Any]:
    """Write `_SUCCESS.json` for a run whose verdict is GO; its content. InputError otherwise."""
    if verdict["verdict"] != "GO":
        raise InputError(f"run {request.run_id}: verdict is {verdict['verdict']}; only a GO is published")
    plan = plan_of(store, request)
    success = {key: plan[key] for key in ("config_hash", "expected_rows", "n_bricks", "n_hosts")}
    success |= {"run_id": request.run_id, "tier": request.tier, "verdict": "GO"}
    publish_json(store, request.layout.success, success)
    return success
