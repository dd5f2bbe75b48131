"""Parquet in the shape that the schema declares: types, order, compression, nothing else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.schema import STAMPS, Table

_ARROW = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
}
ROW_GROUP = 131_072  # rows: a few MB of metrics, so that a scan can skip and parallelise

_RAW_DICTIONARY = 1 << 28  # bytes: a brick's raw cutouts, each stored once and referred to by its rows


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table's files."""
    return pa.schema(
        [
            pa.field(c.name, _ARROW[c.type], nullable=c.nullable, metadata={"unit": c.unit})
            for c in table.columns
        ]
    )


def from_columns(table: Table, columns: Mapping[str, Any]) -> pa.Table:
    """An Arrow table of the schema from a mapping of columns; KeyError names one that is missing.

    NaN becomes NULL: the tables hold NULL, never NaN.
    """
    schema = arrow_schema(table)
    extra = set(columns) - set(schema.names)
    if extra:
        raise KeyError(f"{table.name} has no column {', '.join(sorted(extra))}")
    arrays = [
        pa.array(columns[f.name], type=f.type, from_pandas=pa.types.is_floating(f.type)) for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def from_rows(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The same from an iterable of rows."""
    rows = list(rows)
    return from_columns(table, {name: [row[name] for row in rows] for name in table.names})


def to_bytes(table: pa.Table, repeating: list[str] | None = None) -> bytes:
    """The bytes of a narrow Parquet file: equal tables give equal bytes (same pyarrow).

    repeating: columns worth a dictionary; by default each is tried, which takes as long as all the rest.
    """
    buffer = io.BytesIO()
    dictionary = True if repeating is None else repeating
    pq.write_table(table, buffer, compression="zstd", row_group_size=ROW_GROUP, use_dictionary=dictionary)
    return buffer.getvalue()


def read(data: bytes, table: Table, name: str) -> pa.Table:
    """The table in `data`, columns in the schema's order and types; InputError names the file otherwise."""
    try:
        # One thread: a pool that Arrow is still starting when the process ends aborts it (exit code -6).
        found = pq.ParquetFile(io.BytesIO(data), pre_buffer=False).read(use_threads=False)
    except pa.ArrowInvalid as error:
        raise InputError(f"{name}: not a Parquet file ({error}); write it again") from error
    return conform(found, table, name)


def conform(found: pa.Table, table: Table, name: str, optional: Table | None = None) -> pa.Table:
    """Columns in the schema's order and types, those of `optional` (NULL if absent) after them."""
    schema = arrow_schema(table)
    missing = [column for column in schema.names if column not in found.column_names]
    if missing:
        raise InputError(
            f"{name}: column {missing[0]} is missing; a {table.name} file has {len(schema)} columns"
        )
    for field in arrow_schema(optional) if optional is not None else ():
        if field.name not in found.column_names:
            found = found.append_column(field, pa.nulls(len(found), field.type))
        schema = schema.append(field)
    try:
        return found.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InputError(f"{name}: {error}; see the column types in docs/data-dictionary.md") from error


def content_hash(data: bytes) -> str:
    """SHA-256 of the bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def stamps_writer(path: Path) -> pq.ParquetWriter:
    """Images are noise and do not compress by repetition; raw cutouts repeat once a task of their host."""
    return pq.ParquetWriter(
        path,
        arrow_schema(STAMPS),
        compression="zstd",
        compression_level=1,
        use_dictionary=["raw_image", "brickname", "host_id", "raw_hash"],
        dictionary_pagesize_limit=_RAW_DICTIONARY,
        write_statistics=["task_id", "brickname", "host_id"],
    )
