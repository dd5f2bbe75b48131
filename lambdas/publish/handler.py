"""The last act: _SUCCESS.json."""

from __future__ import annotations

import os
from typing import Any

import boto3

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.gate import Asked
from pipeline.publish import publish
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request, asked: {checks, canaries, earlier_run}} -> the content of _SUCCESS.json, if the GO holds."""
    request = RunRequest.from_event(event["request"])
    store, athena = S3Store(os.environ[DATA_BUCKET]), boto3.client("athena")
    return publish(store, athena, request, Asked(**event["asked"]))
