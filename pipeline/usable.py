"""Is any brick of a run usable? If none is, it is the sky that is wrong, and no finding of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.store import Store, get_json

Records = Mapping[str, Mapping[str, Any]]
"""What 4b found of bricks, by name (`pipeline.staging.cache_brick`)."""


def refuse_unusable(sky: str, chunks: Iterable[Records]) -> None:
    """InputError with reasons, a brick and what helps, if all bricks of all chunks are bad.

    No more chunks are looked at than up to the first with a usable brick.
    """
    bad: dict[str, Mapping[str, Any]] = {}
    for records in chunks:
        if any("reason" not in record for record in records.values()):
            return
        bad |= records
    if bad:
        reasons = Counter(record["reason"] for record in bad.values())
        counts = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
        brick, record = next(iter(bad.items()))
        why = f"{record['file']}: {record.get('message', record['reason'])}"
        none = f"none of {len(bad):,} bricks can be used ({counts})"
        raise InputError(f"--sky {sky}: {none}; brick {brick}: {why}")


def refuse_unusable_run(store: Store, request: RunRequest, own: Records) -> None:
    """As `refuse_unusable`, for a staged run; `own`: the bricks of one of its chunks, asked first."""

    def receipts() -> Iterable[Records]:
        yield own
        for event in get_json(store, request.layout.chunks):
            key = request.layout.receipt(CACHE_PHASE, ChunkRecord.from_event(event).chunk_id)
            yield get_json(store, key)["bricks"]

    refuse_unusable(request.sky, receipts())
