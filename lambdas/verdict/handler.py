"""The checks' results become the verdict, GO or NO-GO."""

from __future__ import annotations

import os
from typing import Any

import boto3

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.gate import Asked, judge
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request, judged, asked: {checks, canaries, earlier_run}} -> {verdict, ...}."""
    request = RunRequest.from_event(event["request"])
    store, athena, glue = S3Store(os.environ[DATA_BUCKET]), boto3.client("athena"), boto3.client("glue")
    return judge(store, athena, glue, request, Asked(**event["asked"]), event["judged"])
