"""Where the tables are: the Glue catalogue, or a plain folder of Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from local_cloud.athena_engine.errors import QueryError
from local_cloud.athena_engine.types import trino_type, trino_type_of_parquet
from pipeline import schema

Columns = tuple[tuple[str, str], ...]  # (name, Trino type), in order


@dataclass(frozen=True)
class Footer:
    """What a Parquet file says of itself: per lower-case column name its name, type and stored bytes."""

    names: Mapping[str, str]
    types: Mapping[str, pa.DataType]
    stored_bytes: Mapping[str, int]


def read_footer(path: Path) -> Footer:
    """The footer of a Parquet file; QueryError where it is none."""
    stat = path.stat()
    return _footer(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8192)
def _footer(path: Path, mtime_ns: int, size: int) -> Footer:
    try:
        with pq.ParquetFile(path) as file:
            arrow, metadata = file.schema_arrow, file.metadata
    except (pa.ArrowException, OSError) as error:
        raise QueryError(f"HIVE_CANNOT_OPEN_SPLIT: {path}: not a valid Parquet file ({error})") from error
    stored: dict[str, int] = {}
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            name = chunk.path_in_schema.split(".")[0].lower()
            stored[name] = stored.get(name, 0) + chunk.total_compressed_size
    return Footer(
        {name.lower(): name for name in arrow.names},
        {field.name.lower(): field.type for field in arrow},
        stored,
    )


@dataclass(frozen=True)
class Partition:
    """Values of the partition keys (None: unknown) and the files or the folder that hold the rows."""

    values: tuple[str | None, ...]
    files: tuple[Path, ...] = ()
    folder: Path | None = None

    def list_files(self) -> tuple[Path, ...]:
        """The files Athena reads: everything below the location that is not hidden by `_` or `.`."""
        if self.folder is None:
            return self.files
        return tuple(path for path in sorted(self.folder.rglob("*")) if _is_data(path, self.folder))


def _is_data(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(("_", ".")) for part in path.relative_to(root).parts)
    return path.is_file() and not hidden


@dataclass(frozen=True)
class TableInfo:
    """One table: columns of the files, partition keys (both with Trino types) and the visible partitions."""

    name: str
    columns: Columns
    partition_keys: Columns
    partitions: tuple[Partition, ...]


class Catalogue(Protocol):
    """What the engine asks of a catalogue."""

    default_database: str

    def names(self) -> tuple[str, ...]:
        """The tables of the default database."""

    def table(self, name: str) -> TableInfo:
        """A table; KeyError where there is none."""

    def present(self, name: str) -> bool:
        """Whether there is anything behind the table: a file, or a registered partition."""


class GlueCatalogue:
    """Tables and REGISTERED partitions of a Glue database; files that no partition names are never seen."""

    def __init__(
        self, glue_client: Any, resolve: Callable[[str], Path], default_database: str = schema.DATABASE
    ) -> None:
        self._glue = glue_client
        self._resolve = resolve
        self.default_database = default_database

    def names(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(table["Name"] for table in self._pages("get_tables", "TableList")))
        except self._glue.exceptions.EntityNotFoundException as error:
            raise QueryError(f"SCHEMA_NOT_FOUND: Schema '{self.default_database}' does not exist") from error

    def table(self, name: str) -> TableInfo:
        try:
            table = self._glue.get_table(DatabaseName=self.default_database, Name=name)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            raise KeyError(name) from None
        keys = _glue_columns(table.get("PartitionKeys", ()))
        if keys:
            found = self._pages("get_partitions", "Partitions", TableName=name)
            partitions = tuple(self._partition(one["Values"], one["StorageDescriptor"]) for one in found)
        else:
            partitions = (self._partition([], table["StorageDescriptor"]),)
        return TableInfo(name, _glue_columns(table["StorageDescriptor"]["Columns"]), keys, partitions)

    def present(self, name: str) -> bool:
        try:
            return any(partition.list_files() for partition in self.table(name).partitions)
        except KeyError:
            return False

    def _partition(self, values: list[str], storage: Mapping[str, Any]) -> Partition:
        return Partition(tuple(values), folder=self._resolve(storage["Location"]))

    def _pages(self, operation: str, key: str, **arguments: str) -> Iterable[Mapping[str, Any]]:
        paginator = self._glue.get_paginator(operation)
        for page in paginator.paginate(DatabaseName=self.default_database, **arguments):
            yield from page[key]


def _glue_columns(declared: Iterable[Mapping[str, str]]) -> Columns:
    return tuple((column["Name"].lower(), trino_type(column["Type"])) for column in declared)


class FolderCatalogue:
    """A folder that holds `<table>/**/*.parquet`, with or without hive folders (`tier=debug/...`).

    Columns are those the files have: a column that is missing, extra or of another type shows in
    information_schema, and a query that names a missing one fails. A partition key that the path does not
    give is taken from `constants`, else it is NULL. A table without a file has the schema's columns.
    A table that `elsewhere` names lies in that other folder.
    """

    default_database = schema.DATABASE

    def __init__(
        self,
        folder: Path,
        tables: Iterable[schema.Table] = schema.TABLES,
        constants: Mapping[str, str] | None = None,
        elsewhere: Mapping[str, Path] | None = None,
    ) -> None:
        self._tables = {table.name: table for table in tables}
        self._roots = {name: Path(folder) / name for name in self._tables} | dict(elsewhere or {})
        self._constants = dict(constants or {})

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._tables))

    def table(self, name: str) -> TableInfo:
        declared = self._tables[name]
        files = self._files(name)
        keys = declared.partition_keys
        groups: dict[tuple[str | None, ...], list[Path]] = {}
        for path in files:
            groups.setdefault(self._values(name, path, keys), []).append(path)
        partitions = tuple(Partition(values, tuple(group)) for values, group in groups.items())
        key_columns = tuple((key, "varchar") for key in keys)
        return TableInfo(name, _columns_of(declared, files), key_columns, partitions)

    def present(self, name: str) -> bool:
        return name in self._tables and bool(self._files(name))

    def partition_values(self, name: str) -> tuple[dict[str, str | None], ...]:
        """The partitions that the folder holds, e.g. to find out which tier and run it is."""
        keys = self._tables[name].partition_keys
        found = {self._values(name, path, keys): None for path in self._files(name)}
        return tuple(dict(zip(keys, values, strict=True)) for values in found)

    def _files(self, name: str) -> tuple[Path, ...]:
        root = self._roots[name]
        return tuple(path for path in sorted(root.rglob("*.parquet")) if _is_data(path, root))

    def _values(self, name: str, path: Path, keys: tuple[str, ...]) -> tuple[str | None, ...]:
        folders = path.relative_to(self._roots[name]).parts[:-1]
        found = dict(part.split("=", 1) for part in folders if "=" in part)
        return tuple(found.get(key, self._constants.get(key)) for key in keys)


def _columns_of(declared: schema.Table, files: tuple[Path, ...]) -> Columns:
    """Columns as the files have them, the schema's first and in its order; the schema's without files."""
    promised = {column.name: trino_type(column.type) for column in declared.columns}
    if not files:
        return tuple(promised.items())
    found: dict[str, str] = {}
    for path in files:
        for name, arrow_type in read_footer(path).types.items():
            if name in declared.partition_keys:
                continue
            type_here = _type_in_file(path, name, arrow_type, promised)
            if found.setdefault(name, type_here) != type_here:
                raise QueryError(f"HIVE_BAD_DATA: {path}: {name} is {type_here}, elsewhere {found[name]}")
    order = {name: position for position, name in enumerate(promised)}
    return tuple(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _type_in_file(path: Path, name: str, arrow_type: pa.DataType, promised: Mapping[str, str]) -> str:
    if pa.types.is_null(arrow_type):  # nothing but NULL: such a column has no type of its own
        return promised.get(name, "varchar")
    trino = trino_type_of_parquet(arrow_type)
    if trino is None:
        raise QueryError(f"HIVE_BAD_DATA: {path}: column {name} has the unsupported type {arrow_type}")
    return trino
