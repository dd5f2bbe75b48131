"""The SQL of a run: the gate's checks and the selection function, or the gate's canaries."""

from __future__ import annotations

import os
from typing import Any

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.queries import list_queries
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request, canaries?} -> {checks: [{name, sql}], earlier_run, selection_function: sql}."""
    request = RunRequest.from_event(event["request"])
    return list_queries(S3Store(os.environ[DATA_BUCKET]), request, event.get("canaries", False))
