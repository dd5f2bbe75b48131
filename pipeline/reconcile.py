"""After 4c: does storage hold exactly what was planned? Only then are the partitions registered."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline import catalogue
from pipeline.canaries import write_canary
from pipeline.errors import InputError
from pipeline.events import INJECT_PHASE, ChunkRecord, RunRequest
from pipeline.fingerprints import fingerprints, part_hashes
from pipeline.manifest import plan_of
from pipeline.schema import CLOSURE, MANIFEST, METRICS, SKY, STAMPS
from pipeline.storage import Partition, parse_part
from pipeline.store import Store, get_json


def reconcile(store: Store, glue: Any, request: RunRequest) -> dict[str, Any]:
    """Compare chunks, receipts and parts; register the partitions; counts, and fingerprints of the tables.

    The rows that the gate must refuse (pipeline.canaries) are written and registered beside the run's own.
    Row counts are those of the receipts; the bytes of every part are compared with them by SHA-256, and the
    checks count the rows themselves. Raises InputError if a chunk has no receipt, if its rows are not the
    planned ones, or if a part is missing, stray, empty or of other bytes: an incomplete run stays invisible.
    """
    plan = plan_of(store, request)
    chunks = [ChunkRecord.from_event(c) for c in get_json(store, request.layout.chunks)]
    receipts = {chunk.chunk_id: _receipt(store, request, chunk) for chunk in chunks}
    partitions = _expected_partitions(request, chunks)
    planned = {p.part(c.part) for p in partitions for c in chunks if c.region_split == p.region_split}
    closed = [request.layout.partition(table.name) for table in (CLOSURE, SKY)]
    planned |= {partition.part(0) for partition in closed}
    _compare_listing(store, request, planned)
    hashes = part_hashes(store, request.layout)
    _compare_hashes(store, receipts, hashes)
    rows = sum(receipt["rows"] for receipt in receipts.values())
    if rows != plan["expected_rows"]:
        raise InputError(f"run {request.run_id}: {rows} rows written, {plan['expected_rows']} planned")
    catalogue.register(glue, store, [*partitions, *closed, *write_canary(store, request.layout)])
    quarantined: Counter[str] = Counter()
    for receipt in receipts.values():
        quarantined.update(receipt["quarantined"])
    return {
        "rows": rows,
        "quarantined": sum(quarantined.values()),
        "quarantined_by_reason": dict(sorted(quarantined.items())),
        "partitions": len(partitions) + len(closed),
        "judged": fingerprints(store, request.layout, hashes),
    }


def _receipt(store: Store, request: RunRequest, chunk: ChunkRecord) -> dict[str, Any]:
    key = request.layout.receipt(INJECT_PHASE, chunk.chunk_id)
    receipt: dict[str, Any] = get_json(store, key)
    if receipt["rows"] != chunk.rows:
        raise InputError(
            f"{store.uri(key)}: {receipt['rows']} rows written, {chunk.rows} planned; run the chunk again"
        )
    return receipt


def _compare_hashes(store: Store, receipts: dict[str, dict[str, Any]], hashes: dict[str, str]) -> None:
    for chunk_id, receipt in receipts.items():
        for part in receipt["parts"].values():
            if hashes[part["key"]] != part["sha256"]:
                raise InputError(
                    f"{store.uri(part['key'])}: not the bytes that chunk {chunk_id} wrote; use another run id"
                )


def _expected_partitions(request: RunRequest, chunks: list[ChunkRecord]) -> list[Partition]:
    splits = sorted({chunk.region_split for chunk in chunks})
    tables = (MANIFEST.name, METRICS.name, STAMPS.name)
    return [request.layout.partition(table, split) for table in tables for split in splits]


def _compare_listing(store: Store, request: RunRequest, planned: set[str]) -> None:
    found = {}
    for table in (MANIFEST.name, METRICS.name, STAMPS.name, CLOSURE.name, SKY.name):
        for item in store.list(f"{request.layout.prefix}{table}/"):
            found[item.key] = item.size
    for key in sorted(planned - set(found)):
        raise InputError(f"{store.uri(key)}: planned but not there; run its chunk again")
    for key in sorted(set(found) - planned):
        raise InputError(f"{store.uri(key)}: not planned; remove it, or use another run id")
    for key, size in found.items():
        parse_part(key)
        if size == 0:
            raise InputError(f"{store.uri(key)}: empty; remove it and run its chunk again")
