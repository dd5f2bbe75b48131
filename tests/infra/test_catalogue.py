"""Glue says what pipeline.schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.schema import DATABASE, TABLES

pytestmark = pytest.mark.xdist_group("infra")


@pytest.fixture
def tables(of_type: Any) -> dict[str, dict[str, Any]]:
    return {t["TableInput"]["Name"]: t for t in of_type("AWS::Glue::Table").values()}


def test_database_and_tables(of_type: Any, tables: dict[str, Any]) -> None:
    (database,) = of_type("AWS::Glue::Database").values()
    assert database["DatabaseInput"]["Name"] == DATABASE
    assert set(tables) == {table.name for table in TABLES}
    assert {t["DatabaseName"] for t in tables.values()} == {DATABASE}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_and_partition_keys_equal_the_schema(tables: dict[str, Any], table: Any) -> None:
    glue = tables[table.name]["TableInput"]
    columns = [(c["Name"], c["Type"]) for c in glue["StorageDescriptor"]["Columns"]]
    assert columns == [(column.name, column.type) for column in table.columns]
    assert [(k["Name"], k["Type"]) for k in glue["PartitionKeys"]] == [
        (key, "string") for key in table.partition_keys
    ]


def test_every_column_has_its_meaning_within_glues_limit(tables: dict[str, Any]) -> None:
    for table in tables.values():
        for column in table["TableInput"]["StorageDescriptor"]["Columns"]:
            assert 0 < len(column["Comment"]) <= 255


def test_no_partition_projection(tables: dict[str, Any]) -> None:
    assert "projection" not in json.dumps(tables)


def test_tables_outlive_the_stack(template: dict[str, Any]) -> None:
    """They hold the registered partitions: which runs are whole."""
    for resource in template["Resources"].values():
        if resource["Type"].startswith("AWS::Glue::"):
            assert resource["DeletionPolicy"] == "Retain"
