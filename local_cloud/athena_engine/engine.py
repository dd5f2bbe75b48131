"""One query: translate, bind the tables to their Parquet files, run on DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from local_cloud.athena_engine.catalogue import Catalogue
from local_cloud.athena_engine.errors import QueryError
from local_cloud.athena_engine.functions import register
from local_cloud.athena_engine.scan import Scan, quote
from local_cloud.athena_engine.translate import CATALOG, INFORMATION_SCHEMA, Translation, translate
from local_cloud.athena_engine.types import duckdb_type, result_type

THREADS = 2
MEMORY_LIMIT = "2GB"


@dataclass(frozen=True)
class Result:
    """What a query returned. bytes_scanned is an estimate: see Scan.relation."""

    columns: list[tuple[str, str]]  # (name, Athena's type)
    rows: list[tuple[Any, ...]]
    bytes_scanned: int


class Engine:
    """Runs Athena SQL (engine version 3: Trino) over a catalogue; it holds no state between queries."""

    def __init__(self, catalogue: Catalogue, memory_limit: str = MEMORY_LIMIT) -> None:
        self.catalogue = catalogue
        self._memory_limit = memory_limit

    def execute(self, sql: str, parameters: Sequence[str] = ()) -> Result:
        """Run one SELECT. `parameters` are literals as text, one a `?`.

        Raises
        ------
        QueryError
            for whatever Athena would refuse or fail on, and for what is not proven to answer the same.
        """
        translation = translate(sql, parameters, self.catalogue)
        with tempfile.TemporaryDirectory(prefix="athena-engine-") as spill:
            config = {
                "threads": THREADS,
                "memory_limit": self._memory_limit,
                "temp_directory": spill,
                "autoinstall_known_extensions": False,
            }
            with duckdb.connect(config=config) as connection:
                return self._run(connection, translation)

    def _run(self, connection: duckdb.DuckDBPyConnection, translation: Translation) -> Result:
        register(connection)
        try:
            scanned = self._bind(connection, translation)
            cursor = connection.execute(translation.sql)
            columns = [(name, result_type(str(kind))) for name, kind, *_ in cursor.description or ()]
            return Result(columns, cursor.fetchall(), scanned)
        except duckdb.Error as error:
            raise QueryError(_message(error)) from error

    def _bind(self, connection: duckdb.DuckDBPyConnection, translation: Translation) -> int:
        """Create the relations scan_<i>, then take every other file away from the connection."""
        scanned, files = 0, set[Path]()
        for position, scan in enumerate(translation.scans):
            if isinstance(scan, Scan):
                sql, scan_bytes, scan_files = scan.relation()
                scanned += scan_bytes
                files.update(scan_files)
            else:
                sql = self._information_schema(scan)
            connection.execute(f'CREATE TEMP VIEW "scan_{position}" AS {sql}')
        folders = sorted({str(path.parent) + "/" for path in files})
        connection.execute(f"SET allowed_directories = [{', '.join(quote(one) for one in folders)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return scanned

    def _information_schema(self, name: str) -> str:
        database = self.catalogue.default_database
        rows: list[tuple[object, ...]] = []
        for table_name in self.catalogue.names():
            if name == "tables":
                rows.append((CATALOG, database, table_name, "BASE TABLE"))
                continue
            table = self.catalogue.table(table_name)
            for place, (column, kind) in enumerate((*table.columns, *table.partition_keys), start=1):
                rows.append((CATALOG, database, table_name, column, place, None, "YES", kind))
        columns = INFORMATION_SCHEMA[name]
        casts = ", ".join(f'CAST(c{i} AS {duckdb_type(t)}) AS "{n}"' for i, (n, t) in enumerate(columns))
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        values = ", ".join("(" + ", ".join(_value(one) for one in row) + ")" for row in rows)
        empty = "(" + ", ".join("NULL" for _ in columns) + ")"
        where = "" if rows else " WHERE false"
        return f"SELECT {casts} FROM (VALUES {values or empty}) AS v ({names}){where}"  # noqa: S608 own text


def _value(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else quote(str(value))


def _message(error: duckdb.Error) -> str:
    return "GENERIC_USER_ERROR: " + str(error).split("\n\nLINE", 1)[0].replace("\n", " ").strip()
