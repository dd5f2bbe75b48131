"""4a: the host catalogue and the tier become the manifest and the array of chunks."""

from __future__ import annotations

import os
from typing import Any

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.manifest import plan_or_defer
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The execution's input -> {planned, request, chunks_key, n_chunks, expected_rows, config_hash}."""
    return plan_or_defer(S3Store(os.environ[DATA_BUCKET]), RunRequest.from_event(event))
