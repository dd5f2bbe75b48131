from __future__ import annotations

import json

import pytest

from pipeline import events
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest, from_environment

REQUEST = RunRequest("debug", "run-1", "hosts/a.parquet", "file:///sky")
CHUNK = ChunkRecord("val-00000", "val", 0, ("0591m305",), 864)
ENVIRONMENT = {
    events.TASK_PHASE: "inject",
    events.TASK_RUN: json.dumps(REQUEST.to_event()),
    events.TASK_CHUNK: json.dumps(CHUNK.to_event()),
    events.DATA_BUCKET: "bucket",
}


def test_events_convert_both_ways():
    assert RunRequest.from_event(REQUEST.to_event()) == REQUEST
    assert "n_bricks" not in REQUEST.to_event()
    assert RunRequest.from_event(REQUEST.to_event() | {"n_bricks": 3, "plan": {}}).n_bricks == 3
    full = RunRequest("mine", "run-1", "hosts/a.parquet", "s3://sky", 3, "ranges", "{}")
    assert RunRequest.from_event(full.to_event()) == full
    assert ChunkRecord.from_event(json.loads(json.dumps(CHUNK.to_event()))) == CHUNK
    assert from_environment(ENVIRONMENT) == ("inject", REQUEST, CHUNK, "bucket")


@pytest.mark.parametrize("name", list(ENVIRONMENT))
def test_a_missing_variable_is_named(name):
    with pytest.raises(InputError, match=f"{name} is not set"):
        from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(("name", "value"), [(events.TASK_RUN, "{"), (events.TASK_CHUNK, "{}")])
def test_a_broken_record_is_refused(name, value):
    with pytest.raises(InputError, match="no valid record"):
        from_environment(ENVIRONMENT | {name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tier": ""}, "tier missing"), ({"n_bricks": 0}, "n_bricks is 0"), ({"n_bricks": "3"}, "n_bricks"),
     ({"staging": "half"}, "staging is 'half'"), ({"settings": {"name": "mine"}}, "settings are no text")],
)  # fmt: skip
def test_a_bad_execution_input_is_named(change, message):
    with pytest.raises(InputError, match=message):
        RunRequest.from_event(REQUEST.to_event() | change)


def test_a_task_that_plans_has_no_chunk():
    environment = {key: value for key, value in ENVIRONMENT.items() if key != events.TASK_CHUNK}
    planning = environment | {events.TASK_PHASE: events.PLAN_PHASE}
    assert from_environment(planning) == ("plan", REQUEST, None, "bucket")


@pytest.mark.parametrize(("settings", "message"), [("{", "settings are not JSON"), ("[1]", "no JSON object")])
def test_settings_that_are_no_tier_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        _ = RunRequest("mine", "run-1", "hosts/a.parquet", "s", settings=settings).tier_settings


def test_an_unknown_way_of_staging_is_named():
    event = RunRequest("debug", "a", "h", "s3://b").to_event()
    assert RunRequest.from_event(json.loads(json.dumps(event))).staging is None
    assert RunRequest.from_event({**event, "staging": "whole"}).staging == "whole"
    with pytest.raises(InputError, match="staging is 'half'; give auto, whole, ranges"):
        RunRequest.from_event({**event, "staging": "half"})
