"""Phase 4b: bring a chunk's bricks from the survey (or a mirror) into the cache, verified.

The receipt maps every brick to its files' hashes, or to the reason why it cannot be used: a bad brick is
a finding, not a failure of the run. Later phases compare the hashes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.progress import Progress
from pipeline.storage import cache_key
from pipeline.store import Store, publish_json
from survey.cache import Source, fetch_brick, open_source
from survey.errors import BrickError


def cache_chunk(store: Store, request: RunRequest, chunk: ChunkRecord) -> dict[str, Any]:
    """Cache the bricks of a chunk; counts. Raises SurveyError if the source itself is not there."""
    source = open_source(request.sky)
    progress = Progress(f"4b {chunk.chunk_id}", len(chunk.bricks), "bricks")
    bricks = {}
    for brick in chunk.bricks:
        bricks[brick] = cache_brick(store, source, brick)
        progress.advance()
    publish_json(store, request.layout.receipt(CACHE_PHASE, chunk.chunk_id), {"bricks": bricks})
    return {"bricks": len(bricks), "quarantined_bricks": sum("reason" in brick for brick in bricks.values())}


def cache_brick(store: Store, source: Source, brick: str) -> dict[str, Any]:
    """{"files": {path: {"sha256", "bytes"}}} of a cached brick, or {"reason", "file"} of a bad one."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = fetch_brick(source, brick, Path(folder))
        except BrickError as error:
            return {"reason": error.reason, "file": Path(error.path).name}
        for file in files:
            store.publish_file(cache_key(file.relative, file.sha256), file.path)
        return {"files": {file.relative: {"sha256": file.sha256, "bytes": file.bytes} for file in files}}
