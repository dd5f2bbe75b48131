"""A small folder of tables, as a finished run leaves it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.schema import Column, Table

LENSES = Table(
    "lenses",
    "a toy table",
    (
        Column("name", "string", "key"),
        Column("theta", "double", "radius", nullable=True),
        Column("n_images", "bigint", "images", nullable=True),
        Column("is_control", "boolean", "flag"),
        Column("n_pix", "int", "side"),
        Column("stamp", "binary", "pixels", nullable=True),
    ),
)
EMPTY = Table("empty", "a table nothing was written to", LENSES.columns)
TABLES = (LENSES, EMPTY)
ARROW = pa.schema(
    [
        ("name", pa.string()),
        ("theta", pa.float64()),
        ("n_images", pa.int64()),
        ("is_control", pa.bool_()),
        ("n_pix", pa.int32()),
        ("stamp", pa.binary()),
    ]
)
ROWS = [
    {"name": "a", "theta": 0.5, "n_images": 2, "is_control": False, "n_pix": 64, "stamp": b"1"},
    {"name": "b", "theta": 1.0, "n_images": 4, "is_control": False, "n_pix": 64, "stamp": b"2"},
    {"name": "c", "theta": None, "n_images": None, "is_control": True, "n_pix": 64, "stamp": None},
]


def write(path: Path, rows: list[dict], schema: pa.Schema = ARROW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def part(folder: Path, run_id: str, split: str, number: int = 0) -> Path:
    return folder / f"lenses/tier=debug/run_id={run_id}/region_split={split}/part-{number:05d}.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(part(tmp_path, "one", "train"), ROWS[:2])
    write(part(tmp_path, "one", "test"), ROWS[2:])
    write(part(tmp_path, "two", "train"), [{**ROWS[0], "name": "z", "theta": 9.0}])
    return tmp_path


@pytest.fixture
def engine(folder: Path) -> Engine:
    return Engine(FolderCatalogue(folder, TABLES))
