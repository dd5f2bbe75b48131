"""An incomplete run stays invisible, whatever is missing from it."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from pipeline.errors import InputError
from pipeline.events import INJECT_PHASE, ChunkRecord, RunRequest
from pipeline.manifest import plan_run
from pipeline.reconcile import reconcile
from pipeline.schema import DATABASE, PARTITION_KEYS, TABLES
from pipeline.storage import parse_part
from pipeline.store import get_json, publish, publish_json
from tests.pipeline.conftest import make_hosts, store_hosts


@pytest.fixture
def glue():
    with mock_aws():
        client = boto3.client(
            "glue", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_database(DatabaseInput={"Name": DATABASE})
        keys = [{"Name": key, "Type": "string"} for key in PARTITION_KEYS]
        for table in TABLES:
            client.create_table(
                DatabaseName=DATABASE,
                TableInput={
                    "Name": table.name,
                    "PartitionKeys": keys,
                    "StorageDescriptor": {"Columns": [], "Location": "s3://bucket/"},
                },
            )
        yield client


@pytest.fixture
def run(store):
    """A run of three bricks as 4c leaves it: parts and receipts of every chunk."""
    key = store_hosts(store, make_hosts(n_bricks=3))
    request = RunRequest("debug", "run-1", key, "file:///sky", n_bricks=3)
    plan = plan_run(store, request)
    for event in get_json(store, plan["chunks_key"]):
        chunk = ChunkRecord.from_event(event)
        parts = {}
        for table in ("metrics", "stamps"):
            part = request.layout.partition(table, chunk.region_split).part(chunk.part)
            parts[table] = {"key": part, "sha256": publish(store, part, b"parquet")}
        publish_json(
            store,
            request.layout.receipt(INJECT_PHASE, chunk.chunk_id),
            {"rows": chunk.rows, "quarantined": {"off_edge": 2}, "parts": parts},
        )
    for table in ("closure", "sky"):
        publish(store, request.layout.partition(table).part(0), b"parquet")
    return request


def _partitions(glue, table, tier="debug"):
    found = glue.get_partitions(DatabaseName=DATABASE, TableName=table)["Partitions"]
    return [partition for partition in found if partition["Values"][0] == tier]


def test_a_complete_run_is_registered_and_a_second_time_changes_nothing(store, run, glue):
    counts = reconcile(store, glue, run)
    assert counts["rows"] == 3 * 18 * 48
    assert counts["quarantined_by_reason"] == {"off_edge": 6}
    for table in ("manifest", "metrics", "stamps"):
        values = sorted(tuple(p["Values"]) for p in _partitions(glue, table))
        assert values == [("debug", "run-1", split) for split in ("test", "train", "val")]
        for partition in _partitions(glue, table):
            assert f"region_split={partition['Values'][2]}/" in partition["StorageDescriptor"]["Location"]
    for table in ("closure", "sky"):
        assert [p["Values"] for p in _partitions(glue, table)] == [["debug", "run-1", "all"]]
    assert reconcile(store, glue, run) == counts
    assert len(_partitions(glue, "metrics")) == 3


def test_the_rows_that_the_gate_must_refuse_lie_beside_the_run(store, run, glue):
    reconcile(store, glue, run)
    for table in ("manifest", "metrics", "stamps", "closure"):
        partitions = _partitions(glue, table, "canary")
        assert {p["Values"][1] for p in partitions} == {"run-1"}
        for partition in partitions:
            key = partition["StorageDescriptor"]["Location"].partition(str(store.root))[2].lstrip("/")
            assert key.startswith(f"runs/run-1/canary/{table}/tier=canary/run_id=run-1/region_split=")
            assert [parse_part(item.key).number for item in store.list(key)] == [0]


def _remove(store, key):
    (store.root / key).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda s, r: _remove(s, r.layout.receipt(INJECT_PHASE, "val-00000")),
            "val-00000.json: no such file",
        ),
        (lambda s, r: _remove(s, r.layout.partition("stamps", "val").part(0)), "planned but not there"),
        (lambda s, r: publish(s, r.layout.partition("metrics", "val").part(9), b"x"), "not planned"),
        (
            lambda s, r: publish_json(s, f"{r.layout.prefix}metrics/notes.json", {}),
            "notes.json: not planned",
        ),
        (
            lambda s, r: (s.root / r.layout.partition("manifest", "val").part(0)).write_bytes(b""),
            "empty; remove it",
        ),
        (
            lambda s, r: (s.root / r.layout.partition("metrics", "val").part(0)).write_bytes(b"other"),
            "not the bytes that chunk val-00000 wrote",
        ),
    ],
)
def test_what_is_missing_or_stray_is_named_and_nothing_is_registered(store, run, glue, spoil, message):
    spoil(store, run)
    with pytest.raises(InputError, match=message):
        reconcile(store, glue, run)
    assert not _partitions(glue, "metrics")


def test_a_chunk_that_wrote_fewer_rows_is_named(store, run, glue):
    key = run.layout.receipt(INJECT_PHASE, "val-00000")
    _remove(store, key)
    publish_json(store, key, {"rows": 5, "quarantined": {}})
    with pytest.raises(InputError, match="5 rows written, 864 planned"):
        reconcile(store, glue, run)
    assert not _partitions(glue, "metrics")
