"""Row contracts: is every value of a table one that its schema allows? Checked before a table is used."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import InputError
from pipeline.schema import Column, Table


def check_rows(rows: pa.Table, table: Table, name: str, key: str) -> None:
    """Raise InputError for the first row that breaks the schema's nullability or range.

    The message names the file, the row by its `key` column, the value and the range.
    """
    for column in table.columns:
        bad = _breaches(rows[column.name], column)
        if bad.any():
            row = int(np.argmax(bad))
            value = rows[column.name][row].as_py()
            if isinstance(value, bytes):
                value = f"{len(value)} bytes, not all of them finite pixels"
            raise InputError(
                f"{name}: row {rows[key][row].as_py()}: {column.name} is {value}; {_allowed(column)}"
            )


def check_unique(rows: pa.Table, name: str, key: str) -> None:
    """Raise InputError if a key stands twice; the message names it."""
    counts = pc.value_counts(rows[key].combine_chunks())
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise InputError(f"{name}: {key} {twice[0]['values'].as_py()} stands twice; give each row once")


def _breaches(values: pa.ChunkedArray, column: Column) -> np.ndarray:
    null: np.ndarray = values.is_null(nan_is_null=False).to_numpy()
    bad: np.ndarray = null & (not column.nullable)
    if column.type == "binary":
        bad |= np.array([value.is_valid and not finite_pixels(value.as_py()) for value in values], dtype=bool)
    if column.type in ("double", "float", "bigint", "int"):
        numbers = values.cast(pa.float64(), safe=False).to_numpy()
        low = -np.inf if column.low is None else column.low
        high = np.inf if column.high is None else column.high
        inside = np.isfinite(numbers) & (numbers >= low) & (numbers <= high)
        bad |= ~null & ~inside
    return bad


def finite_pixels(data: bytes) -> bool:
    """Are these the bytes of numbers in single precision, all of them finite?"""
    return len(data) % 4 == 0 and bool(np.isfinite(np.frombuffer(data, "<f4")).all())


def _allowed(column: Column) -> str:
    low = "" if column.low is None else f"at least {column.low:g}"
    high = "" if column.high is None else f"at most {column.high:g}"
    limits = " and ".join(part for part in (low, high) if part)
    return f"give a finite value{' of ' + limits if limits else ''} {column.unit}".rstrip()
