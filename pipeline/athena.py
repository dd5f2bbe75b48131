"""Results of Athena queries as Python values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CONVERT: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("float", "real", "double", "decimal"), float),
    "boolean": lambda text: text == "true",
}


def fetch(athena: Any, query_execution_id: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """(columns, rows) of a finished query; numbers and booleans converted, NULL as None."""
    rows: list[tuple[Any, ...]] = []
    columns: list[dict[str, Any]] = []
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_execution_id)
    for number, page in enumerate(pages):
        columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        data = page["ResultSet"]["Rows"][1 if number == 0 else 0 :]  # the first page starts with the header
        rows += [_row(row, columns) for row in data]
    return [column["Name"] for column in columns], rows


def _row(row: dict[str, Any], columns: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(
        _CONVERT.get(column["Type"], str)(cell["VarCharValue"]) if "VarCharValue" in cell else None
        for cell, column in zip(row["Data"], columns, strict=True)
    )
