"""The DDL is the schema's; the views run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from athena_sql import ddl
from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.schema import TABLES, Table
from tests.athena_sql.synthetic import Tables, plant, write_run

VIEWS = sorted((Path(ddl.__file__).parent / "views").glob("*.sql"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_files_are_what_the_schema_generates(table: Table) -> None:
    text = (ddl.FOLDER / f"{table.name}.sql").read_text("utf-8")
    assert text == ddl.create_table(table), "run: python -m athena_sql.ddl"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_statements_declare_every_column_once(table: Table) -> None:
    declared = re.findall(r"^  `(\w+)` (\w+) COMMENT", ddl.create_table(table), flags=re.MULTILINE)
    assert declared == [(column.name, column.type) for column in table.columns]
    assert all(f"{key} string" in ddl.create_table(table) for key in table.partition_keys)


def test_there_is_no_other_file() -> None:
    assert {path.stem for path in ddl.FOLDER.glob("*")} == {table.name for table in TABLES}


@pytest.mark.parametrize("view", VIEWS, ids=lambda path: path.stem)
def test_views_run(view: Path, tmp_path: Path, mixed: Tables) -> None:
    write_run(tmp_path, mixed)
    assert Engine(FolderCatalogue(tmp_path)).execute(view.read_text("utf-8")).rows


def test_good_injections_are_good_and_injections(tmp_path: Path, mixed: Tables) -> None:
    write_run(tmp_path, plant(mixed, "metrics", "metrics_ok", False, slice(0, 5)))
    inner = (ddl.FOLDER.parent / "views" / "good_injections.sql").read_text("utf-8")
    engine = Engine(FolderCatalogue(tmp_path))
    counted = engine.execute(f"SELECT count(*), count_if(resolution > 0e0) FROM (\n{inner}) AS v")  # noqa: S608
    assert counted.rows == [(5179, 5179)]


def test_brick_summary_counts_failures(tmp_path: Path, mixed: Tables) -> None:
    write_run(tmp_path, plant(mixed, "metrics", "metrics_ok", False, slice(0, 5)))
    inner = (ddl.FOLDER.parent / "views" / "brick_summary.sql").read_text("utf-8")
    sql = f"SELECT brickname, n_failed, n_hosts FROM (\n{inner}) AS v ORDER BY 1"  # noqa: S608
    assert Engine(FolderCatalogue(tmp_path)).execute(sql).rows[0] == ("0000p000", 5, 12)
