"""No start without a GO: a tier's `requires`, and where a GO is found.

A published run of a whole tier leaves `go/<tier>/<code version>/<run_id>.json`. It counts for another tier if
the code is the same (`pipeline.code_version`) and so is every setting that makes a row which both tiers have:
stamp and PSF always, and prior, controls, noise and use of hosts where both draw from a prior.
"""

from __future__ import annotations

from typing import Any

from pipeline.code_version import code_version
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.storage import go_key, go_prefix
from pipeline.store import Store, get_json, publish_json
from pipeline.tier import Tier


def record_go(store: Store, request: RunRequest, plan: dict[str, Any], tier: Tier) -> None:
    """Note a GO where `require_go` looks; not of a run of fewer bricks than the tier's."""
    if request.n_bricks is None:
        go = {"run_id": request.run_id, "config_hash": plan["config_hash"], "settings": tier.row_settings()}
        publish_json(store, go_key(tier.name, plan["code_version"], request.run_id), go)


def require_go(store: Store, tier: Tier) -> None:
    """InputError for the first tier that this one requires and that has no GO of the same making."""
    for name in tier.requires:
        found = [get_json(store, item.key) for item in store.list(go_prefix(name, code_version()))]
        if not any(_agree(go["settings"], tier.row_settings()) for go in found):
            there = "those there are have other settings" if found else "there is none"
            raise InputError(
                f"tier {tier.name} needs a GO of {name} with this code ({code_version()[:8]}) and its "
                f"settings; {there}: run {name} whole, first"
            )


def earlier_run(store: Store, request: RunRequest, plan: dict[str, Any]) -> str:
    """The last by name of the other whole runs of the same code, settings and hosts with a GO; "" if none."""
    found = [get_json(store, item.key) for item in store.list(go_prefix(request.tier, plan["code_version"]))]
    same = [go["run_id"] for go in found if go["config_hash"] == plan["config_hash"]]
    return max((run for run in same if run != request.run_id), default="")


def _agree(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    return all(theirs[name] == ours[name] for name in set(theirs) & set(ours))
