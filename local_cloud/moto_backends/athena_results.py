"""Query results as Athena writes them: VarCharValue cells and a quoted CSV. values as Trino prints them."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

_SIZES = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17}
_VARCHAR_PRECISION = 2_147_483_647


def column_info(result: Any) -> list[dict[str, Any]]:
    """ResultSetMetadata.ColumnInfo."""
    return [
        {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": name,
            "Label": name,
            "Type": kind,
            "Precision": _SIZES.get(kind, _VARCHAR_PRECISION if kind == "varchar" else 0),
            "Scale": 0,
            "Nullable": "UNKNOWN",
            "CaseSensitive": kind == "varchar",
        }
        for name, kind in result.columns
    ]


def result_rows(result: Any) -> list[dict[str, Any]]:
    """ResultSet.Rows: the header first, NULL as an empty cell object."""
    if not result.columns:
        return []
    header = {"Data": [{"VarCharValue": name} for name, _ in result.columns]}
    return [header, *({"Data": _cells(row, result.columns)} for row in result.rows)]


def _cells(row: tuple, columns: list[tuple[str, str]]) -> list[dict[str, str]]:
    texts = (as_text(value, kind) for value, (_, kind) in zip(row, columns, strict=True))
    return [{} if text is None else {"VarCharValue": text} for text in texts]


def result_csv(result: Any) -> str:
    """The result file: everything quoted, except NULL, which is nothing at all."""
    lines = [",".join(_quoted(name) for name, _ in result.columns)]
    for row in result.rows:
        texts = (as_text(value, kind) for value, (_, kind) in zip(row, result.columns, strict=True))
        lines.append(",".join("" if text is None else _quoted(text) for text in texts))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_text(value: Any, kind: str = "") -> str | None:
    """A value as Athena prints it; None for NULL."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return java_number(float(value), single=kind in ("float", "real"))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        return " ".join(f"{byte:02x}" for byte in bytes(value))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return _nested(value)


def _moment(value: datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return f"{text} UTC" if value.tzinfo else text


def _nested(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inner(key)}={_inner(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inner(member) for member in value) + "]"
    return str(value)


def _inner(value: Any) -> str:
    text = as_text(value)
    return "null" if text is None else text


def java_number(value: float, single: bool = False) -> str:
    """Java's Double.toString: plain from 1e-3 to 1e7, otherwise 1.0E10."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    shortest = np.float32(value) if single else np.float64(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return np.format_float_positional(shortest, trim="0")
    mantissa, exponent = np.format_float_scientific(shortest, trim="0").split("e")
    return f"{mantissa}E{int(exponent)}"
