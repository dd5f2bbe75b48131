"""A table as a DuckDB relation: columns by name, partition values from the catalogue, types as declared."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from local_cloud.athena_engine.catalogue import Footer, Partition, TableInfo, read_footer
from local_cloud.athena_engine.errors import QueryError
from local_cloud.athena_engine.types import duckdb_type, trino_type_of_parquet


def quote(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _stored(name: str, trino: str) -> str:
    """A stored column. Parquet's min and max leave NaN out, and DuckDB believes them: over a file with a NaN
    it answers count_if(isnan(x)) with 0. nextafter(x, x) is x, and has no statistics to believe."""
    column = '"' + name.replace('"', '""') + '"'
    return f"nextafter({column}, {column})" if trino in ("double", "real") else column


@dataclass(frozen=True)
class Scan:
    """One table reference of a query: the columns it needs and the partition values its WHERE admits."""

    table: TableInfo
    columns: frozenset[str]
    admitted: dict[str, frozenset[str]] = field(default_factory=dict)

    def partitions(self) -> list[Partition]:
        names = [name for name, _ in self.table.partition_keys]
        return [
            partition
            for partition in self.table.partitions
            if all(
                name not in self.admitted or value in self.admitted[name]
                for name, value in zip(names, partition.values, strict=True)
            )
        ]

    def relation(self) -> tuple[str, int, list[Path]]:
        """(DuckDB SQL of the relation, bytes scanned, files). QueryError where a file does not fit.

        The bytes are the stored sizes of the needed columns' chunks in the admitted partitions: what Athena
        bills before its 10 MB minimum, leaving out footers and the row groups that statistics skip.
        """
        groups: dict[tuple[tuple[str | None, ...], tuple[tuple[str, str | None], ...]], list[Path]] = {}
        scanned = 0
        for partition in self.partitions():
            for path in partition.list_files():
                footer = read_footer(path)
                stored = self._stored_names(path, footer)
                groups.setdefault((partition.values, stored), []).append(path)
                scanned += sum(footer.stored_bytes.get(name, 0) for name, _ in stored)
        branches = [
            self._select(values, dict(stored), files) for (values, stored), files in groups.items()
        ] or [self._select(tuple(None for _ in self.table.partition_keys), {}, [])]
        return " UNION ALL ".join(branches), scanned, [path for files in groups.values() for path in files]

    def _stored_names(self, path: Path, footer: Footer) -> tuple[tuple[str, str | None], ...]:
        """(column, its name in the file or None where the file lacks it), types checked."""
        stored: list[tuple[str, str | None]] = []
        for name, declared in self.table.columns:
            if name not in self.columns:
                continue
            arrow_type = footer.types.get(name)
            if arrow_type is None or (pa.types.is_null(arrow_type) and self._own_types):
                stored.append((name, None))
            elif trino_type_of_parquet(arrow_type) != declared:
                raise QueryError(
                    f"HIVE_BAD_DATA: {path}: column {name} is {arrow_type} in the Parquet file, "
                    f"{declared} in the table {self.table.name}"
                )
            else:
                stored.append((name, footer.names[name]))
        return tuple(stored)

    @property
    def _own_types(self) -> bool:
        """A folder's columns have the files' own types; Glue's are a promise the files must keep."""
        return all(partition.folder is None for partition in self.table.partitions)

    def _select(
        self, values: tuple[str | None, ...], stored: dict[str, str | None], files: list[Path]
    ) -> str:
        items = []
        for name, trino in self.table.columns:
            if name in self.columns:
                source = stored.get(name)
                value = "NULL" if source is None else _stored(source, trino)
                items.append(f'CAST({value} AS {duckdb_type(trino)}) AS "{name}"')
        for (name, trino), text in zip(self.table.partition_keys, values, strict=True):
            if name in self.columns:
                value = "NULL" if text is None else quote(text)
                items.append(f'CAST({value} AS {duckdb_type(trino)}) AS "{name}"')
        columns = ", ".join(items) or "1 AS no_column"
        if not files:
            return f"SELECT {columns} WHERE false"
        paths = ", ".join(quote(str(path)) for path in files)
        return f"SELECT {columns} FROM read_parquet([{paths}], hive_partitioning=false)"  # noqa: S608 quoted
