"""Phase 4b: bring a chunk's bricks from the survey (or a mirror) into the cache, verified.

The receipt maps every brick to its files' hashes, or to the reason why it cannot be used: a bad brick is
a finding, not a failure of the run. Later phases compare the hashes.

What came over a network is pinned: the record of a brick, written once its files are in the cache, is what
every later run of that source uses, without asking the source again. So is the finding that a brick cannot be
used; `darkhalo cache` alone looks into it again.
"""

from __future__ import annotations

import json
import math
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.catalogues import cache_catalogues, sampled_bricks
from pipeline.errors import StorageConflictError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.manifest import tier_of
from pipeline.parquet import read
from pipeline.progress import Progress, say
from pipeline.right_source import RightSource
from pipeline.schema import MANIFEST
from pipeline.storage import cache_key, cached_brick_key
from pipeline.store import Store, get_json, publish_json
from survey.cache import CachedFile, Source, Targets, fetch_brick, open_source
from survey.errors import BrickError, TransientError
from survey.ranges import Rule

MOST_LOST = 3
"""Bricks of a chunk that may fail for now before the others are not tried: the source is down."""

_RULES = {"whole": None, "ranges": Rule(worth_it=1.0), "auto": Rule()}


def cache_chunk(store: Store, request: RunRequest, chunk: ChunkRecord) -> dict[str, Any]:
    """Cache the bricks of a chunk and write the receipt; counts.

    SurveyError if the source itself is not there, refuses, or has no brick of the run; TransientError if
    bricks could not be fetched for now: what was cached stays, and another try goes on from there.
    """
    progress = Progress(f"4b {chunk.chunk_id}", len(chunk.bricks), "bricks")
    tally = Tally(progress)
    source = open_source(request.sky, note=say)
    bricks = stage_chunk(store, source, request, chunk, tally)
    catalogues = stage_catalogues(store, source, request, bricks)
    found = {"bricks": bricks, "catalogues": catalogues}
    publish_json(store, request.layout.receipt(CACHE_PHASE, chunk.chunk_id), found)
    return tally.counts()


@dataclass
class Tally:
    """What staging did, brick by brick.

    `fetched_bytes` are those asked for now, `source_bytes` what the same bricks have at the source;
    `negative_pixels` of the bricks' invvar are below 0, and no weight.
    """

    progress: Progress | None = None
    bricks: int = 0
    reused: int = 0
    source_bytes: int = 0
    fetched_bytes: int = 0
    negative_pixels: int = 0
    verified: Counter[str] = field(default_factory=Counter)
    quarantined: list[dict[str, str]] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def add(self, brick: str, record: dict[str, Any], reused: bool) -> None:
        """Count a brick's record."""
        with self._lock:
            self.bricks += 1
            self.reused += reused
            if "reason" in record:
                self.quarantined.append({"brick": brick, **record})
            for file in record.get("files", {}).values():
                self.verified[file["verified"]] += 1
                self.negative_pixels += file.get("negative_pixels", 0)  # older records do not say
                self.source_bytes += 0 if reused else file["source_bytes"]
                self.fetched_bytes += 0 if reused else file["fetched_bytes"]
            if self.progress is not None:
                self.progress.advance(note=self.words())

    def words(self) -> str:
        """What was fetched, in words."""
        saved = self.source_bytes - self.fetched_bytes
        return (
            f"{self.fetched_bytes / 1e6:,.0f} MB fetched, {saved / 1e6:,.0f} MB saved by ranges, "
            f"{self.reused:,} cached before, {len(self.quarantined):,} quarantined"
        )

    def counts(self) -> dict[str, Any]:
        """What a task prints."""
        return {
            "bricks": self.bricks,
            "quarantined_bricks": len(self.quarantined),
            "cached_before": self.reused,
            "fetched_bytes": self.fetched_bytes,
            "saved_bytes": self.source_bytes - self.fetched_bytes,
            "negative_invvar_pixels": self.negative_pixels,
            "files_verified_by": dict(sorted(self.verified.items())),
        }


def stage_chunk(
    store: Store,
    source: Source,
    request: RunRequest,
    chunk: ChunkRecord,
    tally: Tally,
    retry_bad: bool = False,
) -> dict[str, dict[str, Any]]:
    """Cache the bricks of a chunk; their records by name. Raises as `cache_chunk`."""
    targets = chunk_targets(store, request, chunk, source.remote)
    right = RightSource(source, lambda: bricks_of_run(store, request))
    return stage_bricks(store, source, request.sky, chunk.bricks, targets, tally, right, retry_bad)


def stage_catalogues(
    store: Store, source: Source, request: RunRequest, bricks: dict[str, dict[str, Any]], retry: bool = False
) -> dict[str, dict[str, Any]]:
    """Cache the source catalogues of the good bricks of a chunk that the sky closure looks at (see there)."""
    sampled = set(sampled_bricks(request.run_id, chunks_of_run(store, request)))
    good = [brick for brick, record in bricks.items() if "reason" not in record and brick in sampled]
    return cache_catalogues(store, source, request.sky, good, retry)


def chunks_of_run(store: Store, request: RunRequest) -> list[ChunkRecord]:
    """All chunks of a planned run."""
    return [ChunkRecord.from_event(event) for event in get_json(store, request.layout.chunks)]


def bricks_of_run(store: Store, request: RunRequest) -> list[str]:
    """The names of all bricks of a planned run."""
    chunks = chunks_of_run(store, request)
    return list(dict.fromkeys(brick for chunk in chunks for brick in chunk.bricks))


def stage_bricks(
    store: Store,
    source: Source,
    sky: str,
    bricks: tuple[str, ...],
    targets: Callable[[str], Targets | None],
    tally: Tally,
    right: RightSource,
    retry_bad: bool = False,
) -> dict[str, dict[str, Any]]:
    """Cache bricks, as many at once as the source bears; their records by name.

    sky: the source's address, by which records are kept; targets: brick -> the stamps to be cut from it, None
    for whole files; right: refuses a source that has no brick of the run; retry_bad: ask again for bricks
    that could not be used. Raises as `cache_chunk`.
    """

    def stage(brick: str) -> dict[str, Any]:
        own = targets(brick)
        pinned = pinned_record(store, brick, sky, own, retry_bad) if source.remote else None
        record = pinned or cache_brick(store, source, brick, own)
        if pinned is None:
            right.check(record)
            record = _pin(store, brick, sky, own, record) if source.remote else record
        tally.add(brick, record, reused=pinned is not None)
        return record

    if source.connections == 1:
        return {brick: stage(brick) for brick in bricks}
    return _at_once(stage, bricks, source)


def chunk_targets(
    store: Store, request: RunRequest, chunk: ChunkRecord, remote: bool
) -> Callable[[str], Targets | None]:
    """Brick -> the stamps that 4c will cut from it, from the manifest; None where files are fetched whole.

    A folder's files are fetched whole unless ranges are asked for: its bytes cost nothing, and a whole file
    is compared with its hash.
    """
    rule = _RULES[request.staging or ("auto" if remote else "whole")]
    if rule is None:
        return lambda brick: None
    key = request.layout.partition(MANIFEST.name, chunk.region_split).part(chunk.part)
    rows = read(store.get(key), MANIFEST, store.uri(key)).select(["brickname", "ra", "dec"])
    positions: dict[str, set[tuple[float, float]]] = {brick: set() for brick in chunk.bricks}
    for brick, ra, dec in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        positions[brick].add((ra, dec))
    n_pix = tier_of(request).n_pix
    return lambda brick: Targets(tuple(sorted(positions[brick])), n_pix, rule)


def pinned_record(
    store: Store, brick: str, sky: str, targets: Targets | None, retry_bad: bool
) -> dict[str, Any] | None:
    """The record of a brick that the cache holds (see `cache_brick`), if there is one to go by."""
    for part in dict.fromkeys(("whole", _described(targets))):
        record = _record(store, cached_brick_key(sky, brick, part))
        if record is not None and _complete(store, record):
            return record
    bad = cached_brick_key(sky, brick, "bad")
    # A brick that was bad and of which files were cached since, for whatever stamps, was mended.
    mended = any(info.key != bad for info in store.list(bad.removesuffix("bad.json")))
    return None if retry_bad or mended else _record(store, bad)


def _pin(
    store: Store, brick: str, sky: str, targets: Targets | None, record: dict[str, Any]
) -> dict[str, Any]:
    """Write the record of a brick that was fetched; the one that stands. StorageConflictError for another."""
    if "reason" in record:
        key = cached_brick_key(sky, brick, "bad")
        # A page of maintenance says nothing of the brick; and of two findings the first stays.
        if record["reason"] != "web_page" and not store.exists(key):
            publish_json(store, key, record)
        return record
    some = any(file["verified"] == "tiles" for file in record["files"].values())
    key = cached_brick_key(sky, brick, _described(targets) if some else "whole")
    there = _record(store, key)
    if there is None:
        publish_json(store, key, record)
        return record
    if _hashes(there) != _hashes(record):
        raise StorageConflictError(
            f"{store.uri(key)}: pins files of brick {brick} of which one is lost from the cache, and the "
            "source has other ones now; put the lost file back, or remove this record to take the new brick"
        )
    return there


def _record(store: Store, key: str) -> dict[str, Any] | None:
    return dict(get_json(store, key)) if store.exists(key) else None


def _complete(store: Store, record: dict[str, Any]) -> bool:
    """Whether all files of a record are in the cache."""
    return all(store.exists(cache_key(path, sha256)) for path, sha256 in _hashes(record).items())


def _hashes(record: dict[str, Any]) -> dict[str, str]:
    return {path: file["sha256"] for path, file in record["files"].items()}


def _described(targets: Targets | None) -> str:
    """Which files of a brick are fetched: "whole", or what some of its tiles are fetched for."""
    if targets is None:
        return "whole"
    rule = targets.rule
    return json.dumps([targets.positions, targets.n_pix, rule.request_bytes, rule.worth_it])


def cache_brick(store: Store, source: Source, brick: str, targets: Targets | None = None) -> dict[str, Any]:
    """{"files": {path: {"sha256", "bytes", ...}}} of a cached brick, or {"reason", "file", "message"}.

    The latter of one that cannot be used: why, the first file at fault, and a line that says what helps.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = fetch_brick(source, brick, Path(folder), targets)
        except BrickError as error:
            message = str(error).removeprefix(f"{error.path}: ")  # the same from whatever source
            return {"reason": error.reason, "file": Path(error.path).name, "message": message}
        for file in files:
            store.publish_file(cache_key(file.relative, file.sha256), file.path)
        return {"files": {file.relative: _entry(file) for file in files}}


def _entry(file: CachedFile) -> dict[str, Any]:
    names = ("sha256", "bytes", "verified", "source_bytes", "fetched_bytes", "negative_pixels")
    return {name: getattr(file, name) for name in names}


def _at_once(
    stage: Callable[[str], dict[str, Any]], bricks: tuple[str, ...], source: Source
) -> dict[str, dict[str, Any]]:
    """Stage bricks in threads. Those that fail for now do not stop the others, unless they are too many."""
    lost: dict[str, Exception] = {}

    def careful(brick: str) -> dict[str, Any]:
        try:
            return stage(brick)
        except TransientError as error:
            lost[brick] = error
            if len(lost) >= min(MOST_LOST, math.ceil(len(bricks) / 2)):
                raise
            return {}

    with ThreadPoolExecutor(source.connections) as pool:
        running = {pool.submit(careful, brick): brick for brick in bricks}
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in done):  # all is over: the others need not wait it out
                source.stop()
        except KeyboardInterrupt:
            source.stop()
            say("stopping: what was asked for last may take as long as a stall, 30 s")
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    for future in done:
        error = future.exception()
        if error is not None and not isinstance(error, TransientError):
            raise error
    if lost:
        first = next(iter(lost.values()))
        raise TransientError(
            f"{first}; {len(lost)} of {len(bricks)} bricks failed for now: run it again, what is cached stays"
        )
    return {brick: future.result() for future, brick in running.items()}
