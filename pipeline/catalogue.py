"""Registering a partition in Glue is the commit: before it, no query sees the files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.schema import DATABASE
from pipeline.storage import Partition
from pipeline.store import Store

_BATCH = 100  # Glue's limit of partitions in one call


def register(glue: Any, store: Store, partitions: Iterable[Partition]) -> int:
    """Register partitions that hold files; those already there are left as they are. How many are new."""
    new = 0
    by_table: dict[str, list[Partition]] = {}
    for partition in partitions:
        by_table.setdefault(partition.table, []).append(partition)
    for table, own in by_table.items():
        descriptor = glue.get_table(DatabaseName=DATABASE, Name=table)["Table"]["StorageDescriptor"]
        for start in range(0, len(own), _BATCH):
            batch = own[start : start + _BATCH]
            entries = [
                {
                    "Values": p.values,
                    "StorageDescriptor": {**descriptor, "Location": store.uri(p.prefix)},
                }
                for p in batch
            ]
            answer = glue.batch_create_partition(
                DatabaseName=DATABASE, TableName=table, PartitionInputList=entries
            )
            errors = answer.get("Errors", [])
            wrong = [e for e in errors if e["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
            if wrong:
                raise RuntimeError(f"Glue refused partitions of {table}: {wrong}")
            new += len(batch) - len(errors)
    return new
