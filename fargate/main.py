"""Entry point of the task: `python -m fargate.main`.

Exit codes: 0 done (bad bricks and hosts are rows with a reason, not failures), 2 the input is wrong (one line
on stderr), 143 stopped by SIGTERM, 1 anything else. Stdout carries one line, the counts as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from pipeline.errors import InputError, StorageConflictError
from pipeline.events import (
    BAD_INPUT,
    CACHE_PHASE,
    CLOSURE_PHASE,
    INJECT_PHASE,
    PLAN_PHASE,
    TASK_PHASE,
    ChunkRecord,
    RunRequest,
    from_environment,
)
from pipeline.store import S3Store, Store
from survey.errors import SurveyError

STOPPED = 128 + signal.SIGTERM


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Do the work that the environment names; the exit code."""
    signal.signal(signal.SIGTERM, stop)
    try:
        phase, request, chunk, bucket = from_environment(dict(environment))
        counts = work(phase, S3Store(bucket), request, chunk)
    except (InputError, StorageConflictError, SurveyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    named = {"chunk_id": chunk.chunk_id} if chunk is not None else {}
    print(json.dumps({"phase": phase, "run_id": request.run_id, **named, **counts}))
    return 0


def work(phase: str, store: Store, request: RunRequest, chunk: ChunkRecord | None) -> dict[str, Any]:
    """Phase 4a or closure of a run, 4b or 4c on a chunk. Only 4c loads the physics and its compiler."""
    if phase == PLAN_PHASE:
        from pipeline.manifest import plan_run

        plan = plan_run(store, request)
        return {"rows": plan["expected_rows"], "chunks": plan["n_chunks"]}
    if phase == CLOSURE_PHASE:
        from pipeline.closure import close_run
        from pipeline.sky import close_sky

        return {**close_run(store, request), **close_sky(store, request)}
    if chunk is not None and phase == CACHE_PHASE:
        from pipeline.staging import cache_chunk

        return cache_chunk(store, request, chunk)
    if chunk is not None and phase == INJECT_PHASE:
        from pipeline.inject import inject_chunk

        return inject_chunk(store, request, chunk)
    raise InputError(
        f"environment: {TASK_PHASE} is {phase!r}; "
        f"the state machine sets {PLAN_PHASE}, {CACHE_PHASE}, {INJECT_PHASE} or {CLOSURE_PHASE}"
    )


def stop(signum: int, frame: FrameType | None) -> None:
    """Leave at once. Objects are written whole and conditionally, so the retry redoes the chunk."""
    print("stopped by SIGTERM: nothing half-written; the retry redoes the chunk", file=sys.stderr, flush=True)
    os._exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main())
