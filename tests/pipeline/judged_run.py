"""A run of three bricks, planned and judged, whose other tables are a few bytes each; to be tampered with."""

from __future__ import annotations

from typing import Any

from pipeline.checks import CheckResult, load_checks
from pipeline.events import RunRequest
from pipeline.fingerprints import fingerprints
from pipeline.gate import record
from pipeline.manifest import plan_run
from pipeline.store import FolderStore, publish
from tests.pipeline.conftest import make_hosts, store_hosts


def planned_run(store: FolderStore, run_id: str = "run-1") -> RunRequest:
    """Plan a run and lay parts of its other tables beside the manifest."""
    request = RunRequest("debug", run_id, store_hosts(store, make_hosts(3)), "file:///sky", n_bricks=3)
    plan_run(store, request)
    for table, split in (("metrics", "train"), ("stamps", "train"), ("closure", "all")):
        publish(store, request.layout.partition(table, split).part(0), f"{table} of {run_id}".encode())
    return request


def results(**statuses: str) -> list[CheckResult]:
    """One of every check: PASS, or the status that is given."""
    names = [check.name for check in load_checks()]
    return [
        CheckResult(n, statuses.get(n, "PASS"), n != "controls", 0.0, 1.0, 5, f"{n} was looked at.")
        for n in names
    ]


def judged_run(
    store: FolderStore, run_id: str = "run-1", **statuses: str
) -> tuple[RunRequest, dict[str, Any]]:
    """The same with its verdict; GO by default."""
    request = planned_run(store, run_id)
    return request, record(store, None, request, results(**statuses), fingerprints(store, request.layout))
