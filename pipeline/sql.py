"""Literals of Athena SQL."""

from __future__ import annotations

from pipeline.schema import Column


def sql_text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def sql_number(value: float, column: Column) -> str:
    """A literal of the column's type: in Trino 0.5 is a DECIMAL, 0.5e0 a double."""
    if column.type in ("bigint", "int"):
        return str(int(value))
    return sql_double(value)


def sql_double(value: float) -> str:
    """A literal of type double."""
    text = repr(float(value))
    return text if "e" in text else text + "e0"
