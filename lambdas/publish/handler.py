"""The last act: _SUCCESS.json."""

from __future__ import annotations

import os
from typing import Any

import boto3

from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.publish import publish
from pipeline.store import S3Store


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{request, results} -> the content of _SUCCESS.json, if the stored verdict is GO and holds."""
    request = RunRequest.from_event(event["request"])
    return publish(S3Store(os.environ[DATA_BUCKET]), boto3.client("athena"), request, event["results"])
