"""Types, by their Trino names, and what fits what: Glue, Parquet (Arrow) and DuckDB."""

from __future__ import annotations

import pyarrow as pa

from local_cloud.athena_engine.errors import QueryError
from pipeline.checks import TRINO_TYPES

# Glue (Hive) type -> Trino type -> DuckDB type. Nothing else is in the tables, so nothing else is claimed.
_DUCKDB_OF_TRINO = {
    "varchar": "VARCHAR",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "double": "DOUBLE",
    "real": "FLOAT",
    "boolean": "BOOLEAN",
    "varbinary": "BLOB",
}
# GetQueryResults calls a real `float`; the other names are Trino's.
_RESULT_OF_DUCKDB = {duck: trino for trino, duck in _DUCKDB_OF_TRINO.items()} | {"FLOAT": "float"}


def trino_type(glue_type: str) -> str:
    """The Trino type of a column declared in Glue."""
    try:
        return TRINO_TYPES[glue_type.lower()]
    except KeyError:
        raise QueryError(f"NOT_SUPPORTED: column type {glue_type} is not emulated") from None


def duckdb_type(trino: str) -> str:
    return _DUCKDB_OF_TRINO[trino]


def result_type(duckdb_name: str) -> str:
    """Athena's name of a result column's type; QueryError for a type whose values are not comparable."""
    if duckdb_name.startswith("DECIMAL"):
        return duckdb_name.lower()
    if duckdb_name.endswith("[]"):
        return "array"
    try:
        return _RESULT_OF_DUCKDB[duckdb_name]
    except KeyError:
        raise QueryError(f"NOT_SUPPORTED: a result of type {duckdb_name} is not emulated; cast it") from None


def trino_type_of_parquet(arrow_type: pa.DataType) -> str | None:
    """The one Trino type that a Parquet column of this type is read as; None where there is none.

    Athena also widens a few (INT32 to bigint). The project's own writers never need that, so a file that
    does is taken for what it is: not of the schema.
    """
    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return "varchar"
    if pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type):
        return "varbinary"
    if pa.types.is_dictionary(arrow_type):
        return trino_type_of_parquet(arrow_type.value_type)
    exact = {pa.int64(): "bigint", pa.int32(): "integer", pa.float64(): "double", pa.float32(): "real"}
    return "boolean" if pa.types.is_boolean(arrow_type) else exact.get(arrow_type)
