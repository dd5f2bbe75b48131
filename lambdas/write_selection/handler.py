"""4d: the result of the selection-function query becomes the run's table."""

from __future__ import annotations

import os
from typing import Any

import boto3

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.gate import Asked
from pipeline.selection import write_selection
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request, query_execution_id, asked: {checks, canaries, earlier_run}} -> {cells}."""
    request = RunRequest.from_event(event["request"])
    store, athena, glue = S3Store(os.environ[DATA_BUCKET]), boto3.client("athena"), boto3.client("glue")
    asked = Asked(**event["asked"])
    return write_selection(store, athena, glue, request, event["query_execution_id"], asked)
