"""The survey's source catalogues (tractor files) of some bricks, brought into the cache by 4b.

For the sky closure: they are the independent account of what the raw stamps show. On a sky without them
the hosts alone are judged.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.events import ChunkRecord
from pipeline.progress import say
from pipeline.storage import cache_key, cached_brick_key
from pipeline.store import Store, get_json, publish_json
from survey.cache import sha256_of
from survey.errors import BrickError
from survey.fitsfile import check_content
from survey.layout import tractor_path
from survey.sources import Source

_THERE, _NONE = "catalogue", "no catalogue"
MOST_BRICKS = 120  # of a run: a defect of 1 in 30 bricks is in them with 98 %; a survey's file has 10 MB


def sampled_bricks(run_id: str, chunks: Iterable[ChunkRecord]) -> list[str]:
    """The bricks of a run whose stamps the sky closure may look at: of as few chunks as hold MOST_BRICKS.

    Chunks are taken in the order of a hash of the run's id: nobody chooses them, and every task of the run
    finds the same.
    """
    bricks: list[str] = []
    for chunk in sorted(chunks, key=lambda chunk: order(run_id, chunk.chunk_id)):
        bricks += sorted(chunk.bricks, key=lambda brick: order(run_id, brick))[: MOST_BRICKS - len(bricks)]
        if len(bricks) >= MOST_BRICKS:
            break
    return bricks


def order(run_id: str, name: str) -> str:
    """What sorts names by chance, the same in every task of a run."""
    return hashlib.blake2b(f"{run_id}:{name}".encode(), digest_size=16).hexdigest()


def cache_catalogues(
    store: Store, source: Source, sky: str, bricks: Sequence[str], retry: bool = False
) -> dict[str, dict[str, Any]]:
    """{"path", "sha256", "bytes"} of the catalogue of each brick that has one, by brick; a copy in the cache.

    What came over a network is pinned, as the bricks' own files are; so is that there is none, but for
    `retry`. TransientError if another try may help.
    """
    found = {}
    for brick in bricks:
        record = _pinned(store, sky, brick, retry) if source.remote else None
        if record is None:
            record = _cached(store, source, brick)
            if source.remote:
                publish_json(store, cached_brick_key(sky, brick, _THERE if record else _NONE), record)
        if record:
            found[brick] = record
    return found


def _pinned(store: Store, sky: str, brick: str, retry: bool) -> dict[str, Any] | None:
    """The record that an earlier run left, {} of a catalogue that the sky has not; None if there is none."""
    key = cached_brick_key(sky, brick, _THERE)
    if store.exists(key):
        record = dict(get_json(store, key))
        return record if store.exists(cache_key(record["path"], record["sha256"])) else None
    return {} if not retry and store.exists(cached_brick_key(sky, brick, _NONE)) else None


def _cached(store: Store, source: Source, brick: str) -> dict[str, Any]:
    """A catalogue's record once it is in the cache; {} where the sky has none that could be used."""
    relative = tractor_path(brick)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tractor.fits"
        try:
            source.copy_to(relative, path)
            check_content(path.read_bytes(), source.address(relative))
        except BrickError as error:
            if error.reason != "not_found":
                say(f"source catalogue left out: {error}")
            return {}
        sha256 = sha256_of(path)
        store.publish_file(cache_key(relative, sha256), path)
        return {"path": relative, "sha256": sha256, "bytes": path.stat().st_size}
