"""A run of a few rows through 4a, 4b, 4c and closure, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import manifest
from pipeline.closure import close_run
from pipeline.events import ChunkRecord, RunRequest
from pipeline.inject import inject_chunk
from pipeline.parquet import to_bytes
from pipeline.schema import HOSTS, MANIFEST
from pipeline.sky import close_sky
from pipeline.staging import cache_chunk
from pipeline.storage import hosts_key
from pipeline.store import FolderStore, publish, publish_json
from pipeline.tier import load_tier
from survey.hosts import select_hosts
from survey.layout import tractor_path
from survey.sky import write_sky

TASKS = 9  # spread over the grid's 48 combinations


@dataclass(frozen=True)
class SmallRun:
    store: FolderStore
    request: RunRequest
    folder: Path

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / name, partitioning=None)


def small_run(root: Path, closure: bool = True, noise: bool = False) -> SmallRun:
    """One brick, one chunk, TASKS rows; noise: of the added light."""
    (brick,) = write_sky(root / "sky", 1, brick_pixels=450, seed=11, hosts_per_brick=4)
    hosts = select_hosts([root / "sky" / tractor_path(brick.name)]).replace_schema_metadata(None)
    store = FolderStore(root / "bucket")
    publish(store, hosts_key("0" * 64), to_bytes(hosts))
    hosts = hosts.select(HOSTS.names)
    settings = json.dumps(replace(load_tier("debug"), poisson_noise=noise).settings())
    request = RunRequest("debug", "r1", hosts_key("0" * 64), f"file://{root / 'sky'}", 3, settings=settings)
    rows = manifest.manifest_rows(hosts, manifest.tier_of(request))
    rows = rows.take(list(range(0, len(rows), len(rows) // TASKS))[:TASKS])
    chunk = ChunkRecord("train-00000", "train", 0, (brick.name,), len(rows))
    layout = request.layout
    publish(store, layout.partition(MANIFEST.name, "train").part(0), to_bytes(rows))
    publish_json(store, layout.chunks, [chunk.to_event()])
    cache_chunk(store, request, chunk)
    inject_chunk(store, request, chunk)
    run = SmallRun(store, request, root / "bucket" / layout.prefix)
    if closure:
        close_run(store, request)
        close_sky(store, request)
    return run
