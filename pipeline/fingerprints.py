"""What a verdict was given on: the plan, and the bytes of every part of the tables that were judged.

A digest a table, whatever the number of its parts; the parts' own hashes lie in the receipts of their chunks.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from pipeline.schema import CHECK_RESULTS, SELECTION_FUNCTION, TABLES
from pipeline.storage import RunLayout
from pipeline.store import Store

PLAN = "plan"  # beside the tables' names: the SHA-256 of plan.json
JUDGED = tuple(table.name for table in TABLES if table not in (CHECK_RESULTS, SELECTION_FUNCTION))
_AT_ONCE = 10  # as many connections as a client of S3 keeps


def part_hashes(store: Store, layout: RunLayout) -> dict[str, str]:
    """SHA-256 of every object below the judged tables of a run, by key."""
    keys = [
        item.key
        for table in JUDGED
        for item in store.list(f"{layout.prefix}{table}/")
        if not item.key.rpartition("/")[2].startswith((".", "_"))  # hidden from the engines, too
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(keys, pool.map(store.sha256, keys), strict=True))


def fingerprints(store: Store, layout: RunLayout, hashes: dict[str, str] | None = None) -> dict[str, str]:
    """SHA-256 of plan.json, and by table that over the lines "<key below the run> <SHA-256>" of its parts.

    hashes: those of `part_hashes`, where they are known.
    """
    hashes = part_hashes(store, layout) if hashes is None else hashes
    digests = {table: hashlib.sha256() for table in JUDGED}
    for key, sha256 in sorted(hashes.items()):
        own = key.removeprefix(layout.prefix)
        digests[own.partition("/")[0]].update(f"{own} {sha256}\n".encode())
    found = {table: digest.hexdigest() for table, digest in digests.items()}
    return {**found, PLAN: hashlib.sha256(store.get(layout.plan)).hexdigest()}


def changed(told: dict[str, str], found: dict[str, str]) -> list[str]:
    """Which of them are not what was judged; sorted."""
    return sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name))
