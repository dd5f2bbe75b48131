"""After 4c: planned = published + quarantined? Then the run's partitions are registered."""

from __future__ import annotations

import os
from typing import Any

import boto3

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.reconcile import reconcile
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request} -> {rows, quarantined, ...}."""
    request = RunRequest.from_event(event["request"])
    return reconcile(S3Store(os.environ[DATA_BUCKET]), boto3.client("glue"), request)
