"""Phase 4a: a tier and a host catalogue become the manifest and the array of chunks.

The catalogue is read twice, a piece at a time: first it is checked and indexed as a whole, so that nothing is
written for one that cannot be used; then its hosts flow into chunks, each written when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.choice import UNUSED, Choice, choose, hosts_left_out
from pipeline.chunking import Chunk, cut
from pipeline.code_version import code_version
from pipeline.contracts import check_rows
from pipeline.cost import estimate
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.hosts import HostCatalogue, HostIndex
from pipeline.parquet import to_bytes
from pipeline.precision import check_precision
from pipeline.prerequisites import require_go
from pipeline.progress import Progress
from pipeline.rows import REPEATING, manifest_rows
from pipeline.schema import MANIFEST, SPLITS
from pipeline.store import Store, get_json, publish, publish_json
from pipeline.tally import Tally
from pipeline.tier import Tier, load_tier, tier_from

PASSED_ON = ("request", "chunks_key", "n_chunks", "n_hosts", "n_bricks", "expected_rows", "config_hash")
FUNCTION_ROWS = 250_000  # the most that a Lambda plans; more is planned by a task


def plan_or_defer(store: Store, request: RunRequest) -> dict[str, Any]:
    """What the Lambda does: plan a small run; say `planned: false` of a large one, which a task must plan.

    Answers from plan.json where a run is planned already. Raises InputError as `plan_run` does, and for a
    tier whose prerequisites have no GO.
    """
    tier = tier_of(request)
    require_go(store, tier)
    if (tier.expected_rows or tier.rows) <= FUNCTION_ROWS:
        return {"planned": True, **_passed_on(plan_run(store, request))}
    if store.exists(request.layout.plan):
        return {"planned": True, **_passed_on(plan_of(store, request))}
    return {"planned": False, "request": request.to_event()}


def plan_run(store: Store, request: RunRequest) -> dict[str, Any]:
    """Plan a run: write its manifest, its chunk records and plan.json; the content of plan.json.

    Raises InputError for an unknown tier or a host catalogue that cannot carry it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.parquet"
        store.download(request.hosts_key, path)
        return write_plan(store, request, HostCatalogue(path, store.uri(request.hosts_key)))


def write_plan(store: Store, request: RunRequest, catalogue: HostCatalogue) -> dict[str, Any]:
    """The same from an open catalogue; the content of plan.json."""
    tier = tier_of(request)
    index, choice, chunks = lay_out(catalogue, tier)
    tally = Tally(tier)
    rows = sum(chunk.tasks for chunk in chunks)
    progress = Progress("4a", rows, "rows")
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[int]] = deque()
        for chunk, hosts, roles in stream(catalogue, choice, chunks):
            running.append(pool.submit(_write_chunk, store, request, tier, chunk, hosts, roles, tally))
            while len(running) > 2 * workers:  # so that no more than a few chunks wait in memory
                progress.advance(running.popleft().result())
        for future in running:
            progress.advance(future.result())
    records = [_record(chunk, index) for chunk in chunks]
    publish_json(store, request.layout.chunks, [record.to_event() for record in records])
    plan = _plan(request, tier, index, choice, chunks, tally)
    publish_json(store, request.layout.plan, plan)
    return plan


def lay_out(catalogue: HostCatalogue, tier: Tier) -> tuple[HostIndex, Choice, list[Chunk]]:
    """Read the whole catalogue and decide which hosts are used where. InputError if it will not do."""
    index = catalogue.index(tier.seed)
    choice = choose(index, tier, catalogue.name)
    chunks = cut(index, choice, tier)
    rows = sum(chunk.tasks for chunk in chunks)
    if rows > tier.rows:
        raise InputError(
            f"tier {tier.name}: its hosts in {catalogue.name} multiply to {rows:,} rows, the tier states "
            f"{tier.rows:,}; raise rows, or give fewer hosts or values"
        )
    check_precision(tier, choice)
    return index, choice, chunks


def stream(
    catalogue: HostCatalogue, choice: Choice, chunks: list[Chunk]
) -> Iterator[tuple[Chunk, pa.Table, NDArray[np.int8]]]:
    """Each chunk with its hosts (sorted by brickname and host_id) and their roles, when it is complete."""
    pieces = sorted((piece.start, piece.stop, n) for n, chunk in enumerate(chunks) for piece in chunk.pieces)
    wanted = [sum(int((choice.roles[p.start : p.stop] != UNUSED).sum()) for p in c.pieces) for c in chunks]
    gathered: dict[int, list[tuple[pa.Table, NDArray[np.int8]]]] = {}
    start = next_piece = 0
    for batch in catalogue.batches():
        stop = start + len(batch)
        chunk_of_row = np.full(len(batch), -1)
        while next_piece < len(pieces) and pieces[next_piece][0] < stop:
            low, high, number = pieces[next_piece]
            chunk_of_row[max(low - start, 0) : high - start] = number
            if high > stop:
                break  # it goes on in the next batch
            next_piece += 1
        chunk_of_row[choice.roles[start:stop] == UNUSED] = -1
        for number in np.unique(chunk_of_row[chunk_of_row >= 0]).tolist():
            rows = np.flatnonzero(chunk_of_row == number)
            own = gathered.setdefault(number, [])
            own.append((batch.take(pa.array(rows)), choice.roles[start + rows]))
            if sum(len(roles) for _, roles in own) == wanted[number]:
                yield chunks[number], *_in_order(gathered.pop(number))
        start = stop


def _in_order(parts: list[tuple[pa.Table, NDArray[np.int8]]]) -> tuple[pa.Table, NDArray[np.int8]]:
    hosts = pa.concat_tables([table for table, _ in parts])
    order = pc.sort_indices(hosts, [("brickname", "ascending"), ("host_id", "ascending")])
    return hosts.take(order).combine_chunks(), np.concatenate([roles for _, roles in parts])[order.to_numpy()]


def _write_chunk(
    store: Store, request: RunRequest, tier: Tier, chunk: Chunk, hosts: pa.Table, roles: NDArray[np.int8],
    tally: Tally,
) -> int:  # fmt: skip
    rows = manifest_rows(hosts, tier, roles)
    part = request.layout.partition(MANIFEST.name, chunk.split).part(chunk.part)
    check_rows(rows, MANIFEST, part, "task_id")
    publish(
        store, part, to_bytes(rows, [*REPEATING, *(name for name in tier.axes if name in MANIFEST.names)])
    )
    tally.add(chunk.split, rows, hosts, roles)
    return len(rows)


def _record(chunk: Chunk, index: HostIndex) -> ChunkRecord:
    bricks = tuple(index.bricks[piece.brick].name for piece in chunk.pieces)
    return ChunkRecord(f"{chunk.split}-{chunk.part:05d}", chunk.split, chunk.part, bricks, chunk.tasks)


def _plan(
    request: RunRequest, tier: Tier, index: HostIndex, choice: Choice, chunks: list[Chunk], tally: Tally
) -> dict[str, Any]:
    """The content of plan.json."""
    seconds = [chunk.seconds for chunk in chunks]
    pieces = sum(len(chunk.pieces) for chunk in chunks)
    rows = sum(chunk.tasks for chunk in chunks)
    return {
        "request": request.to_event(),
        "config_hash": config_hash(tier, request),
        "code_version": code_version(),
        "tier": tier.settings(),
        "chunks_key": request.layout.chunks,
        "n_chunks": len(chunks),
        "n_hosts": choice.n_hosts,
        "n_bricks": len({piece.brick for chunk in chunks for piece in chunk.pieces}),
        "expected_rows": rows,
        "rows_by_split": {s: sum(chunk.tasks for chunk in chunks if chunk.split == s) for s in SPLITS},
        "hosts_of_the_catalogue": int(index.counts.sum()),
        "hosts_left_out": hosts_left_out(index, choice, tier),
        "bricks_of_the_catalogue": len(index.bricks),
        "chunk_seconds": {
            "target": tier.task_seconds,
            "longest": max(seconds),
            "mean": sum(seconds) / len(seconds),
        },
        "divided_bricks": pieces - len({piece.brick for chunk in chunks for piece in chunk.pieces}),
        **tally.as_json(),
        **check_precision(tier, choice),
        "estimate": estimate(rows, choice.n_hosts, pieces, tier.n_pix, seconds).as_json(),
    }


def tier_of(request: RunRequest) -> Tier:
    """The request's tier; with n_bricks, the tier cut to that many bricks and as many hosts a brick."""
    tier = tier_from(request.tier_settings, request.tier) if request.settings else load_tier(request.tier)
    if request.n_bricks is None:
        return tier
    if request.n_bricks < len(SPLITS):
        raise InputError(
            f"--bricks {request.n_bricks}: a run needs at least {len(SPLITS)}, one sky region a split"
        )
    # Few blocks cannot be left to their hashes: a split might get none.
    splits = replace(tier.splits, deal="balanced", block_nside=64)
    hosts = tier.hosts
    if hosts.per_split:
        # Whole bricks fall to the splits, so the smallest split has n // 3 of them.
        most_a_brick = hosts.per_split // max(1, tier.n_bricks // len(SPLITS))
        share = round(hosts.per_split * request.n_bricks / tier.n_bricks)
        hosts = replace(hosts, per_split=max(1, min(share, most_a_brick * (request.n_bricks // len(SPLITS)))))
    rows = tier.rows if request.n_bricks <= tier.n_bricks else tier.rows * request.n_bricks // tier.n_bricks
    return replace(tier, n_bricks=request.n_bricks, rows=rows, hosts=hosts, splits=splits, precision=None)


def config_hash(tier: Tier, request: RunRequest) -> str:
    """SHA-256 over the tier's settings, the hosts (whose key is the hash of their bytes) and the code."""
    parts = f"{tier.config_hash()} {request.hosts_key} {code_version()}"
    return hashlib.sha256(parts.encode()).hexdigest()


def plan_of(store: Store, request: RunRequest) -> dict[str, Any]:
    """The run's plan.json."""
    plan: dict[str, Any] = get_json(store, request.layout.plan)
    return plan


def _passed_on(plan: dict[str, Any]) -> dict[str, Any]:
    return {key: plan[key] for key in PASSED_ON}
