"""What goes into a Map and what comes out: ItemReader, ItemBatcher and ResultWriter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_cloud.states.errors import Aborted, StateError
from local_cloud.states.templates import option, value_of

if TYPE_CHECKING:
    from local_cloud.states.interpreter import Call

BATCH_BYTES = 262_144
"""The most that Step Functions puts into one batch."""


@dataclass(frozen=True)
class Batch:
    """The input of one child, and the number of items in it."""

    data: Any
    size: int


def items_of(call: Call) -> list:
    """The items of a Map, from S3 or from its input."""
    if "ItemReader" in call.state:
        return _read_items(call, call.state["ItemReader"])
    items = value_of(call.state.get("ItemsPath", "$"), call.data, call.context)
    if not isinstance(items, list):
        raise StateError(
            "States.Runtime", f"{call.name}: the items must be an array, not {type(items).__name__}"
        )
    return items


def _read_items(call: Call, reader: dict) -> list:
    place = call.fill(reader["Parameters"])
    config = reader.get("ReaderConfig", {})
    try:
        text = call.environment.services.read_object(place["Bucket"], place["Key"]).decode("utf-8-sig")
        items = _parse_items(text, config)
    except Aborted:
        raise
    except Exception as error:
        message = f"s3://{place.get('Bucket')}/{place.get('Key')}: {error}"
        raise StateError("States.ItemReaderFailed", message) from error
    return items[: option(config, "MaxItems", call.data, call.context)]


def _parse_items(text: str, config: dict) -> list:
    if config.get("InputType", "JSON") == "JSONL":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    value = json.loads(text)
    for step in filter(None, config.get("ItemsPointer", "").split("/")):
        value = value[step]
    if not isinstance(value, list):
        raise ValueError("the items are not a JSON array")
    return value


def batches(call: Call, items: list) -> list[Batch]:
    """Group items by the limits of an ItemBatcher."""
    batcher = call.state["ItemBatcher"]
    most = option(batcher, "MaxItemsPerBatch", call.data, call.context) or len(items) or 1
    room = min(option(batcher, "MaxInputBytesPerBatch", call.data, call.context) or BATCH_BYTES, BATCH_BYTES)
    head = {"BatchInput": call.fill(batcher["BatchInput"])} if "BatchInput" in batcher else {}
    room -= len(json.dumps({**head, "Items": []}))
    return [Batch({**head, "Items": group}, len(group)) for group in _groups(items, most, room)]


def _groups(items: list, most: int, room: int) -> Iterable[list]:
    group: list = []
    used = 0
    for item in items:
        size = len(json.dumps(item)) + 1
        if group and (len(group) >= most or used + size > room):
            yield group
            group, used = [], 0
        group.append(item)
        used += size
    if group:
        yield group


def write_results(call: Call, arn: str, records: list[tuple[Any, dict]], outputs: list) -> dict:
    """Write manifest.json and one file a status, as a ResultWriter does, and return where they are."""
    writer = call.state["ResultWriter"]
    place = call.fill(writer["Parameters"])
    config = writer.get("WriterConfig", {})
    prefix = place.get("Prefix", "").strip("/")
    folder = f"{prefix}/{arn.rsplit(':', 1)[1]}" if prefix else arn.rsplit(":", 1)[1]
    files: dict[str, list[dict]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    try:
        for status, rows in _by_status(records, outputs, config.get("Transformation", "NONE")).items():
            if rows:
                files[status].append(_write_rows(call, place["Bucket"], f"{folder}/{status}_0", rows, config))
        manifest = {"DestinationBucket": place["Bucket"], "MapRunArn": arn, "ResultFiles": files}
        _write(call, place["Bucket"], f"{folder}/manifest.json", json.dumps(manifest))
    except Exception as error:
        raise StateError("States.ResultWriterFailed", f"s3://{place['Bucket']}/{folder}: {error}") from error
    return {
        "MapRunArn": arn,
        "ResultWriterDetails": {"Bucket": place["Bucket"], "Key": f"{folder}/manifest.json"},
    }


def _by_status(records: list[tuple[Any, dict]], outputs: list, transformation: str) -> dict[str, list]:
    rows: dict[str, list] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for child, record in records:
        details: dict[str, Any] = {"Input": json.dumps(child.data), "InputDetails": {"Included": True}}
        status = child.status if child.status in rows else "PENDING"
        if status == "SUCCEEDED":
            details |= {"Output": json.dumps(child.output), "OutputDetails": {"Included": True}}
        rows[status].append({**record, **details, "Status": child.status, "RedriveCount": 0})
    if transformation != "NONE":
        rows["SUCCEEDED"] = _flat(outputs) if transformation == "FLATTEN" else outputs
    return rows


def _flat(outputs: list) -> list:
    return [row for output in outputs for row in (output if isinstance(output, list) else [output])]


def _write_rows(call: Call, bucket: str, name: str, rows: list, config: dict) -> dict:
    lines = config.get("OutputType", "JSON") == "JSONL"
    text = "\n".join(json.dumps(row) for row in rows) if lines else json.dumps(rows)
    key = f"{name}.{'jsonl' if lines else 'json'}"
    return {"Key": key, "Size": _write(call, bucket, key, text)}


def _write(call: Call, bucket: str, key: str, text: str) -> int:
    body = text.encode()
    call.environment.services.write_object(bucket, key, body)
    return len(body)
