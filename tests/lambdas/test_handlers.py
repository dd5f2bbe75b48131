"""A handler passes on: the store of its bucket, its clients, the request, and what else the event holds."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.events import DATA_BUCKET, RunRequest
from pipeline.gate import Asked

REQUEST = {"tier": "debug", "run_id": "a-run", "hosts_key": "hosts/h.parquet", "sky": "s3://sky/dr10/south"}
ASKED = {
    "checks": [{"name": "schema", "query_execution_id": "q-1"}, {"name": "nulls", "error": "TIMEOUT"}],
    "canaries": [{"name": "schema", "query_execution_id": "q-2"}],
    "earlier_run": "r0",
}
ROOT = Path(__file__).resolve().parents[2]

# folder -> the function it calls, the event, and the arguments that the function must be given.
CALLS: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "plan": ("plan_or_defer", {**REQUEST, "n_bricks": 3}, ["store", RunRequest(**REQUEST, n_bricks=3)]),
    "reconcile": ("reconcile", {"request": REQUEST}, ["store", "glue", RunRequest(**REQUEST)]),
    "list_queries": ("list_queries", {"request": REQUEST}, ["store", RunRequest(**REQUEST), False]),
    "verdict": (
        "judge",
        {"request": REQUEST, "asked": ASKED, "judged": {"metrics": "a"}},
        ["store", "athena", "glue", RunRequest(**REQUEST), Asked(**ASKED), {"metrics": "a"}],
    ),
    "write_selection": (
        "write_selection",
        {"request": REQUEST, "query_execution_id": "q-3", "asked": ASKED},
        ["store", "athena", "glue", RunRequest(**REQUEST), "q-3", Asked(**ASKED)],
    ),
    "publish": (
        "publish",
        {"request": REQUEST, "asked": ASKED},
        ["store", "athena", RunRequest(**REQUEST), Asked(**ASKED)],
    ),
}


@pytest.fixture(params=CALLS)
def called(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A handler whose function, store and clients only record what they get."""
    module = importlib.import_module(f"lambdas.{request.param}.handler")
    function, event, expected = CALLS[request.param]
    record: dict[str, Any] = {"module": module, "event": event, "expected": expected, "arguments": []}

    def spy(*arguments: Any) -> dict[str, Any]:
        record["arguments"] = list(arguments)
        return {"counts": 1}

    def store(bucket: str) -> str:
        record["bucket"] = bucket
        return "store"

    monkeypatch.setenv(DATA_BUCKET, "a-bucket")
    monkeypatch.setattr(module, function, spy)
    monkeypatch.setattr(module, "S3Store", store)
    monkeypatch.setattr("boto3.client", lambda service: service)
    return record


def test_one_call_with_what_the_event_says(called: dict[str, Any]) -> None:
    assert called["module"].handler(called["event"], None) == {"counts": 1}
    assert called["arguments"] == called["expected"]
    assert called["bucket"] == "a-bucket"


def test_an_incomplete_event_is_an_input_error(called: dict[str, Any]) -> None:
    event = json.loads(json.dumps(called["event"]))
    event.get("request", event).pop("hosts_key")
    with pytest.raises(InputError, match="hosts_key missing"):
        called["module"].handler(event, None)
    assert called["arguments"] == []


def test_every_folder_has_a_handler_and_a_test() -> None:
    folders = {path.parent.name for path in (ROOT / "lambdas").glob("*/handler.py")}
    assert folders == set(CALLS)


def test_handlers_are_thin() -> None:
    for path in (ROOT / "lambdas").glob("*/handler.py"):
        assert len(path.read_text().splitlines()) <= 25, path
