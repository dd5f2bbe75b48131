"""From the portal to the stamps: what is fetched, opened and decoded, counted; and what goes on at once."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline import inject, staging
from pipeline.events import ChunkRecord, RunRequest
from pipeline.inject import inject_chunk
from pipeline.manifest import manifest_rows
from pipeline.parquet import read, to_bytes
from pipeline.schema import HOSTS, MANIFEST, METRICS
from pipeline.staging import cache_chunk
from pipeline.store import FolderStore, publish, publish_json
from pipeline.tier import load_tier
from survey.decode import TileDecoder
from survey.hosts import select_hosts
from survey.layout import brick_files, sha256_path, tractor_path
from survey.sky import write_sky
from tests.survey.portal import Portal
from tests.survey.test_ranges import Undecided

TIER = load_tier("debug")
STAGINGS = {"whole": "whole", "ranges": "ranges", "not worth it": None}


class World(NamedTuple):
    folder: Path
    names: list[str]
    manifest: bytes


class Counting(FolderStore):
    """A store that counts what is read of the cache, and says so."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: Counter[str] = Counter()
        self.reading: dict[str, threading.Event] = {}

    def get(self, key: str) -> bytes:
        if key.startswith("cache/coadd/"):
            self.read[key] += 1
            self.reading.setdefault(key.split("/")[3], threading.Event()).set()
        return super().get(key)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """Three bricks, and every 16th task of their hosts."""
    folder = tmp_path_factory.mktemp("sky")
    bricks = write_sky(folder, 3, brick_pixels=450, seed=5, hosts_per_brick=3)
    hosts = select_hosts([folder / tractor_path(brick.name) for brick in bricks])
    rows = manifest_rows(read(to_bytes(hosts.replace_schema_metadata(None)), HOSTS, "hosts"), TIER)
    rows = rows.take(list(range(0, len(rows), 16)))
    return World(folder, sorted(set(rows["brickname"].to_pylist())), to_bytes(rows))


@pytest.fixture(params=["whole", "ranges", "not worth it"])
def staged(request, world, tmp_path, monkeypatch):
    """The bricks, cached from a portal; what the portal was asked for and sent.

    "not worth it": ranges are planned, and from the table of tiles the whole file turns out to be cheaper.
    """
    monkeypatch.setitem(staging._RULES, "auto", Undecided())
    with Portal(world.folder) as portal:
        run = RunRequest(
            "debug", "a-run", "hosts/x.parquet", portal.address, staging=STAGINGS.get(request.param)
        )
        chunk = ChunkRecord("train-00000", "train", 0, tuple(world.names), 1)
        store = Counting(tmp_path / "bucket")
        publish(store, run.layout.partition(MANIFEST.name, "train").part(0), world.manifest)
        publish_json(store, run.layout.chunks, [chunk.to_event()])
        cache_chunk(store, run, chunk)
        assert not store.read
        yield store, run, chunk, portal


def test_no_byte_crosses_the_network_twice(staged, world):
    _, run, _, portal = staged
    sizes = {
        path: (world.folder / path).stat().st_size
        for name in world.names
        for path in (*brick_files(name), sha256_path(name), tractor_path(name))
    }
    fetched: dict[str, list[tuple[int, int]]] = {}
    for method, path, ranges in portal.seen:
        if method == "GET":
            start, _, last = (ranges or "bytes=0-").removeprefix("bytes=").partition("-")
            stop = min(int(last) + 1, sizes[path]) if last else sizes[path]
            fetched.setdefault(path, []).append((int(start), stop))
    assert set(fetched) == set(sizes)
    for path, parts in fetched.items():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(parts))), path
    assert portal.sent == sum(stop - start for parts in fetched.values() for start, stop in parts)
    assert (portal.sent == sum(sizes.values())) == (run.staging != "ranges")
    by_range = {path for method, path, ranges in portal.seen if ranges}
    assert bool(by_range) == (run.staging != "whole")


def test_4c_reads_each_file_and_decodes_each_tile_once(staged, world, monkeypatch):
    store, run, chunk, _ = staged
    decoded: Counter[tuple[str, int]] = Counter()
    decode = TileDecoder.decode

    def counted(self, tile, content):
        decoded[str(self._path), tile] += 1
        return decode(self, tile, content)

    monkeypatch.setattr(TileDecoder, "decode", counted)
    inject_chunk(store, run, chunk)
    assert len(store.read) == 10 * len(world.names)
    assert set(store.read.values()) == {1}
    assert len({path for path, _ in decoded}) == 10 * len(world.names)
    assert set(decoded.values()) == {1}


def test_the_next_brick_is_read_while_one_is_rendered(staged, world, monkeypatch):
    """The first brick's rendering does not end before the second is read; the third is not read yet."""
    store, run, chunk, _ = staged
    store.reading = {name: threading.Event() for name in world.names}
    render, seen = inject.render_batch, []

    def slow(**arguments):
        if not seen:
            seen.append(store.reading[world.names[1]].wait(30))
            seen.append(store.reading[world.names[2]].is_set())
        return render(**arguments)

    monkeypatch.setattr(inject, "render_batch", slow)
    inject_chunk(store, run, chunk)
    assert seen == [True, False]
    metrics = run.layout.partition(METRICS.name, "train").part(0)
    assert all(read(store.get(metrics), METRICS, metrics)["cutout_ok"].to_pylist())
