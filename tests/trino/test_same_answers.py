"""Every SQL file on DuckDB through the translator, and on a real Trino: every value has to be the same.

`make test-trino` runs it; elsewhere it is skipped, for it fetches 400 MB once and needs Maven and Java 17.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from athena_sql import ddl
from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.checks import TRINO_TYPES, load_checks, render, selection_function_sql
from pipeline.promises import promises
from pipeline.schema import BY_NAME as TABLES
from pipeline.schema import DATABASE, PARTITION_KEYS, Table
from pipeline.storage import RunLayout
from pipeline.tier import load_tier
from tests.athena_sql.synthetic import Tables, make_run, plant, write_run
from tests.athena_sql.test_light_noise import with_noise
from tests.trino import server

FOLDER = os.environ.get("DARKHALO_TRINO")
pytestmark = pytest.mark.skipif(not FOLDER, reason="`make test-trino` runs it")
BUCKET = "runs"
VIEWS = sorted((Path(ddl.__file__).parent / "views").glob("*.sql"))
RELATIVE = 1e-9  # sums in another order


def runs() -> dict[str, Tables]:
    """Clean runs and spoiled ones, so that every branch of a check is on the way."""
    clean, mixed = make_run(n_bricks=9), make_run(n_bricks=9, controls_per_host=10)
    spoiled = plant(mixed, "metrics", "magnification", 0.5, slice(3, 9))
    spoiled = plant(spoiled, "metrics", "psfsize_r", None, slice(100, 200))
    spoiled = plant(spoiled, "metrics", "quarantine_reason", "corrupt", slice(700, 800))
    spoiled = plant(spoiled, "metrics", "cutout_ok", False, slice(700, 800))
    spoiled = plant(spoiled, "metrics", "arc_snr", lambda r: r["arc_snr"] and 9 * r["arc_snr"], slice(0, 700))
    spoiled = plant(spoiled, "stamps", "raw_hash", "f" * 16, slice(7, 20))
    spoiled = plant(spoiled, "closure", "closure_flux_g", 0.1, slice(0, 20))
    spoiled = plant(spoiled, "manifest", "region_id", 7)
    return {
        "clean": clean,
        "mixed": mixed,
        "spoiled": spoiled,
        "few": make_run(n_bricks=3, hosts_per_brick=2),
        "noisy": with_noise(mixed),
    }


def layout_of(run_id: str) -> RunLayout:
    """The run with noise is judged as the pilot's: its distributions, and splits dealt by hash."""
    return RunLayout("pilot" if run_id == "noisy" else "debug", run_id)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, server.Trino]]:
    """The two engines over the same files."""
    if missing := server.missing_tools():
        pytest.fail(f"{', '.join(missing)} not found; install Maven and Java 17")
    folder = tmp_path_factory.mktemp("runs")
    for run_id, tables in runs().items():
        write_run(folder, tables, layout_of(run_id))
    server.fetch(Path(str(FOLDER)))
    with (
        objects(folder) as endpoint,
        server.running(Path(str(FOLDER)), tmp_path_factory.mktemp("trino"), endpoint, BUCKET) as trino,
    ):
        trino.execute(f"CREATE SCHEMA hive.{DATABASE} WITH (location = 's3://{BUCKET}/metastore/{DATABASE}')")
        for name in ("manifest", "metrics", "stamps", "closure", "sky"):
            trino.execute(create_table(TABLES[name]))
            trino.execute(f"CALL hive.system.sync_partition_metadata('{DATABASE}', '{name}', 'FULL')")
        yield Engine(FolderCatalogue(folder)), trino


@contextmanager
def objects(folder: Path) -> Iterator[str]:
    """The endpoint of an S3 server that holds the folder's files."""
    s3_server = ThreadedMotoServer("127.0.0.1", 0)
    s3_server.start()
    try:
        host, port = s3_server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = boto3.client("s3", "us-east-1", endpoint_url=endpoint, aws_access_key_id="test",
                          aws_secret_access_key="test")  # fmt: skip
        s3.create_bucket(Bucket=BUCKET)
        for path in folder.rglob("*.parquet"):
            s3.upload_file(str(path), BUCKET, str(path.relative_to(folder)))
        yield endpoint
    finally:
        s3_server.stop()


def create_table(table: Table) -> str:
    columns = [f'"{column.name}" {TRINO_TYPES[column.type]}' for column in table.columns]
    columns += [f"{key} varchar" for key in PARTITION_KEYS]
    keys = ", ".join(f"'{key}'" for key in PARTITION_KEYS)
    return (
        f"CREATE TABLE {DATABASE}.{table.name} ({', '.join(columns)}) WITH (format = 'PARQUET', "
        f"external_location = 's3://{BUCKET}/{table.name}', partitioned_by = ARRAY[{keys}])"
    )


STATEMENTS = [(check.name, check) for check in load_checks()]


@pytest.mark.parametrize("run_id", ["clean", "mixed", "spoiled", "few", "noisy"])
@pytest.mark.parametrize("check", [check for _, check in STATEMENTS], ids=[name for name, _ in STATEMENTS])
def test_checks(engines: tuple[Engine, server.Trino], check: Any, run_id: str) -> None:
    layout = layout_of(run_id)
    promised = promises(load_tier(layout.tier), "clean" if layout.tier == "debug" else "")
    same(engines, render(check, layout, 5000, promised))


@pytest.mark.parametrize("run_id", ["clean", "spoiled"])
def test_selection_function(engines: tuple[Engine, server.Trino], run_id: str) -> None:
    same(engines, selection_function_sql(RunLayout("debug", run_id)))


@pytest.mark.parametrize("view", VIEWS, ids=lambda path: path.stem)
def test_views(engines: tuple[Engine, server.Trino], view: Path) -> None:
    text = view.read_text(encoding="utf-8").splitlines()
    same(engines, "\n".join(line for line in text if not line.startswith("--")))


def same(engines: tuple[Engine, server.Trino], sql: str) -> None:
    """Both answers, value by value."""
    duckdb, trino = engines
    left, right = duckdb.execute(sql).rows, trino.execute(sql)
    assert len(left) == len(right) > 0
    left, right = sorted(left, key=_sortable), sorted(right, key=_sortable)
    differences = [
        (i, j, a, b)
        for i, (one, other) in enumerate(zip(left, right, strict=True))
        for j, (a, b) in enumerate(zip(one, other, strict=True))
        if not equal(a, b)
    ]
    print(f"{sum(len(row) for row in left)} values compared, {len(differences)} differ")
    assert not differences


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(a == b)


def _sortable(row: Any) -> list[str]:
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row]
