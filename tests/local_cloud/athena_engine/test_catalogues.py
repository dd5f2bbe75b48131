"""Where rows come from: folders, Glue, partitions, files that do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from local_cloud.athena_engine import Engine, FolderCatalogue, GlueCatalogue, QueryError, Result
from pipeline.schema import Column, Table
from tests.local_cloud.athena_engine.conftest import ARROW, EMPTY, LENSES, ROWS, TABLES, part, write

KEYS = [{"Name": name, "Type": "string"} for name in ("tier", "run_id", "region_split")]


def names(engine: Engine, where: str = "true") -> list[str]:
    return [row[0] for row in engine.execute(f"SELECT name FROM lenses WHERE {where} ORDER BY 1").rows]  # noqa: S608


# ------------------------------------------------------------------ folders


def test_partition_keys_come_from_the_path(engine: Engine) -> None:
    assert names(engine) == ["a", "b", "c", "z"]
    assert names(engine, "run_id = 'one' AND region_split = 'train'") == ["a", "b"]
    assert names(engine, "run_id IN ('two')") == ["z"]
    assert names(engine, "run_id = 'one' OR run_id = 'two'") == ["a", "b", "c", "z"]
    assert engine.execute("SELECT DISTINCT tier FROM lenses").rows == [("debug",)]


def test_a_plain_folder_takes_constants_or_null(tmp_path: Path) -> None:
    write(tmp_path / "lenses/any-name.parquet", ROWS)
    keys = "SELECT DISTINCT tier, run_id, region_split FROM lenses"
    assert Engine(FolderCatalogue(tmp_path, TABLES)).execute(keys).rows == [(None, None, None)]
    given = FolderCatalogue(tmp_path, TABLES, {"tier": "debug", "run_id": "mine"})
    assert Engine(given).execute(keys).rows == [("debug", "mine", None)]
    assert given.partition_values("lenses") == ({"tier": "debug", "run_id": "mine", "region_split": None},)


def test_a_table_without_files_is_absent_but_typed(engine: Engine, folder: Path) -> None:
    result = engine.execute("SELECT theta, name FROM empty")
    assert (result.rows, result.columns) == ([], [("theta", "double"), ("name", "varchar")])
    assert not engine.catalogue.present("empty")
    assert not engine.catalogue.present("nowhere")
    assert engine.catalogue.present("lenses")


def test_information_schema_is_what_the_files_hold(folder: Path) -> None:
    path = part(folder, "one", "train")
    table = pq.read_table(path).drop_columns(["n_images"])
    for other in folder.rglob("*.parquet"):
        pq.write_table(table.append_column("stray", pa.array(["x"] * len(table))), other)
    engine = Engine(FolderCatalogue(folder, TABLES))
    sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'lenses'"
    assert dict(engine.execute(sql).rows) == {
        "name": "varchar", "theta": "double", "is_control": "boolean", "n_pix": "integer",
        "stamp": "varbinary", "stray": "varchar", "tier": "varchar", "run_id": "varchar",
        "region_split": "varchar",
    }  # fmt: skip
    with pytest.raises(QueryError, match="n_images"):
        engine.execute("SELECT n_images FROM lenses")
    assert engine.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'darkhalo' ORDER BY 1"
    ).rows == [("empty",), ("lenses",)]


def test_a_column_missing_in_one_file_reads_null(folder: Path) -> None:
    path = part(folder, "one", "train")
    pq.write_table(pq.read_table(path).drop_columns(["theta"]), path)
    assert Engine(FolderCatalogue(folder, TABLES)).execute(
        "SELECT count(*), count(theta) FROM lenses"
    ).rows == [(4, 1)]


def test_a_column_of_nothing_but_null_has_the_declared_type(tmp_path: Path) -> None:
    schema = ARROW.set(1, pa.field("theta", pa.null()))
    write(part(tmp_path, "one", "train"), [{**row, "theta": None} for row in ROWS], schema)
    engine = Engine(FolderCatalogue(tmp_path, TABLES))
    assert engine.execute("SELECT count(*), count(theta), max(theta) FROM lenses").rows == [(3, 0, None)]


def test_nan_in_a_file_is_seen_although_its_statistics_leave_it_out(tmp_path: Path) -> None:
    """DuckDB by itself answers 0 to all of these: Parquet's min and max do not know of the NaN."""
    values = [0.5, float("nan"), 0.9, float("inf"), None]
    write(part(tmp_path, "one", "train"), [{**ROWS[0], "theta": value} for value in values])
    engine = Engine(FolderCatalogue(tmp_path, TABLES))
    counts = engine.execute(
        "SELECT count_if(is_nan(theta)), count_if(NOT is_finite(theta)), count_if(NOT theta <= 1e0), "
        "count_if(NOT (theta BETWEEN 0e0 AND 1e0)), max(theta) FILTER (WHERE is_finite(theta)) FROM lenses"
    )
    assert counts.rows == [(1, 2, 2, 2, 0.9)]
    for where, n in (
        ("is_nan(theta)", 1),
        ("NOT theta <= 1e0", 2),
        ("theta > 5e0", 1),
        ("theta <> 0.5e0", 3),
    ):
        assert len(names(engine, where)) == n


def test_columns_are_found_by_name_not_by_place(folder: Path) -> None:
    path = part(folder, "two", "train")
    table = pq.read_table(path)
    renamed = table.select(list(reversed(table.column_names))).rename_columns(
        [name.upper() for name in reversed(table.column_names)]
    )
    pq.write_table(renamed, path)
    engine = Engine(FolderCatalogue(folder, TABLES))
    assert engine.execute("SELECT name, theta FROM lenses WHERE run_id = 'two'").rows == [("z", 9.0)]


def test_files_that_disagree_on_a_type_are_named(folder: Path) -> None:
    path = part(folder, "two", "train")
    write(path, [{**ROWS[0], "theta": 1.0}], ARROW.set(1, pa.field("theta", pa.float32())))
    with pytest.raises(QueryError, match=r"HIVE_BAD_DATA.*theta"):
        Engine(FolderCatalogue(folder, TABLES)).execute("SELECT theta FROM lenses")


def test_bytes_scanned_count_the_needed_columns_and_partitions(engine: Engine) -> None:
    def scanned(sql: str) -> int:
        return engine.execute(sql).bytes_scanned

    one = scanned("SELECT theta FROM lenses WHERE run_id = 'two'")
    assert 0 < one < scanned("SELECT theta FROM lenses") < scanned("SELECT * FROM lenses")
    assert one < scanned("SELECT theta, name FROM lenses WHERE run_id = 'two'")
    assert scanned("SELECT count(*) FROM lenses") == 0


# ------------------------------------------------------------------ Glue


def glue_table(table: Any, location: str, types: dict[str, str] | None = None) -> dict[str, Any]:
    columns = [{"Name": c.name, "Type": (types or {}).get(c.name, c.type)} for c in table.columns]
    return {
        "Name": table.name,
        "PartitionKeys": KEYS,
        "StorageDescriptor": {"Columns": columns, "Location": location},
        "TableType": "EXTERNAL_TABLE",
    }


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("glue", region_name="us-east-1")
        client.create_database(DatabaseInput={"Name": "darkhalo"})
        for table in TABLES:
            client.create_table(
                DatabaseName="darkhalo", TableInput=glue_table(table, f"s3://bucket/{table.name}/")
            )
        yield client


def register(glue: Any, run_id: str, split: str) -> None:
    location = f"s3://bucket/lenses/tier=debug/run_id={run_id}/region_split={split}/"
    entry = {"Values": ["debug", run_id, split], "StorageDescriptor": {"Location": location}}
    glue.create_partition(DatabaseName="darkhalo", TableName="lenses", PartitionInput=entry)


def over(glue: Any, folder: Path) -> Engine:
    return Engine(GlueCatalogue(glue, lambda uri: folder / uri.removeprefix("s3://bucket/")))


def test_only_registered_partitions_are_seen(glue: Any, folder: Path) -> None:
    engine = over(glue, folder)
    assert names(engine) == []
    assert not engine.catalogue.present("lenses")
    register(glue, "one", "train")
    assert names(engine) == ["a", "b"]
    assert engine.catalogue.present("lenses")
    register(glue, "two", "train")
    assert names(engine) == ["a", "b", "z"]
    assert engine.execute("SELECT run_id, name FROM lenses WHERE run_id = 'two'").rows == [("two", "z")]


def test_a_glue_table_without_partitions_is_empty_and_typed(glue: Any, folder: Path) -> None:
    result = over(glue, folder).execute("SELECT theta, count(*) AS n FROM empty GROUP BY theta")
    assert (result.rows, result.columns) == ([], [("theta", "double"), ("n", "bigint")])
    with pytest.raises(QueryError, match="TABLE_NOT_FOUND"):
        over(glue, folder).execute("SELECT 1 FROM nowhere")


def test_a_file_of_another_type_is_bad_data_not_null(glue: Any, folder: Path) -> None:
    register(glue, "one", "train")
    register(glue, "two", "train")
    path = part(folder, "two", "train")
    for wrong in (pa.string(), pa.float32(), pa.int64(), pa.null()):
        value = None if pa.types.is_null(wrong) else pa.scalar(1).cast(wrong).as_py()
        write(path, [{**ROWS[0], "theta": value}], ARROW.set(1, pa.field("theta", wrong)))
        with pytest.raises(QueryError, match=r"HIVE_BAD_DATA.*theta"):
            over(glue, folder).execute("SELECT max(theta) FROM lenses")
    assert names(over(glue, folder)) == ["a", "a", "b"]  # the column is not asked for
    assert over(glue, folder).execute("SELECT max(theta) FROM lenses WHERE run_id = 'one'").rows == [
        (1.0,)
    ]  # nor is the other run's partition read


def test_a_stray_file_fails_the_query_hidden_ones_do_not(glue: Any, folder: Path) -> None:
    register(glue, "one", "train")
    location = part(folder, "one", "train").parent
    (location / "_temporary").write_text("ignored")
    (location / ".crc").write_text("ignored")
    assert names(over(glue, folder)) == ["a", "b"]
    (location / "notes.txt").write_text("no Parquet")
    with pytest.raises(QueryError, match="HIVE_CANNOT_OPEN_SPLIT"):
        names(over(glue, folder))


def test_a_truncated_file_fails_the_query(glue: Any, folder: Path) -> None:
    register(glue, "one", "train")
    path = part(folder, "one", "train")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(QueryError, match="HIVE_CANNOT_OPEN_SPLIT"):
        names(over(glue, folder))


def test_information_schema_is_what_glue_declares(glue: Any, folder: Path) -> None:
    wrong = glue_table(LENSES, "s3://bucket/lenses/", {"theta": "float"})
    glue.update_table(DatabaseName="darkhalo", TableInput=wrong)
    rows = over(glue, folder).execute(
        "SELECT column_name, data_type, ordinal_position FROM information_schema.columns "
        "WHERE table_name = 'lenses' ORDER BY ordinal_position"
    ).rows  # fmt: skip
    assert rows[:2] == [("name", "varchar", 1), ("theta", "real", 2)]
    assert [row[0] for row in rows[-3:]] == ["tier", "run_id", "region_split"]


def test_a_location_that_is_gone_has_no_rows(glue: Any, folder: Path) -> None:
    register(glue, "one", "train")
    shutil.rmtree(folder / "lenses")
    assert names(over(glue, folder)) == []
    assert EMPTY.name in GlueCatalogue(glue, Path).names()


def test_a_query_asked_again_is_of_the_tables_as_they_are(tmp_path: Path) -> None:
    """Translations are remembered; rows are not, nor columns of another type, nor a table that is gone."""
    sql = "SELECT max(theta) AS most FROM lenses"

    def asked(name: str, theta: float, column: Column) -> Result:
        folder, schema = tmp_path / name, pa.schema([(column.name, pa.float64())])
        write(part(folder, "one", "train"), [{column.name: theta}], schema)
        table = Table("lenses", "a toy table", (column,))
        return Engine(FolderCatalogue(folder, tables=(table,))).execute(sql)

    wide = Column("theta", "double", "radius", nullable=True)
    assert asked("first", 0.5, wide).rows == [(0.5,)]
    assert asked("second", 9.0, wide).rows == [(9.0,)]
    with pytest.raises(QueryError, match="theta"):
        asked("third", 0.5, Column("other", "double", "radius", nullable=True))
    with pytest.raises(QueryError, match="TABLE_NOT_FOUND"):
        Engine(FolderCatalogue(tmp_path / "first", tables=())).execute(sql)
