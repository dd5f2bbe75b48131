"""Where the CPU time of phase 4c goes: one chunk of a tier, in this process, by stage.

    python -m benchmarks.injecting [--tier debug] [--bricks 6] [--json]

Over synthetic bricks of 900 pixels and a folder for a store. A stage is timed in its thread, what it calls
included; bricks are read in a thread of their own. The start of a task (its imports) is another process's.
What the embedded cloud adds, its S3 server above all, is not in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from cli.skies import host_catalogue
from pipeline import inject
from pipeline.events import ChunkRecord, RunRequest
from pipeline.manifest import plan_run
from pipeline.parquet import content_hash
from pipeline.staging import cache_chunk
from pipeline.storage import hosts_key
from pipeline.store import FolderStore, get_json, publish
from survey.sky import write_sky

STAGES = {
    "reading bricks and cutting": "_read_brick",
    "rendering": "render_batch",
    "noise": "noisy",
    "measuring": "_light",
    "signal to noise": "_snr",
    "hashes of stamps": "_hash64",
    "rows to columns, contracts": "_kept",
}
START = "import fargate.main, pipeline.inject, boto3"


@contextmanager
def timed(owner: Any, name: str, seconds: dict[str, float], label: str) -> Iterator[None]:
    """Add the CPU time of a function's thread to seconds[label]."""
    real: Callable[..., Any] = getattr(owner, name)

    def measured(*args: Any, **kwargs: Any) -> Any:
        started = time.thread_time()
        try:
            return real(*args, **kwargs)
        finally:
            seconds[label] = seconds.get(label, 0.0) + time.thread_time() - started

    with mock.patch.object(owner, name, measured):
        yield


def start_seconds() -> float:
    """CPU seconds until a task of 4c could start."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", START], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(tier: str, bricks: int, root: Path) -> dict[str, Any]:
    """CPU milliseconds a row by stage."""
    write_sky(root / "sky", bricks, brick_pixels=900, seed=1, workers=2)
    store, catalogue = FolderStore(root / "bucket"), host_catalogue(f"file://{root / 'sky'}")
    key = hosts_key(content_hash(catalogue))
    publish(store, key, catalogue)
    request = RunRequest(tier, "timed", key, f"file://{root / 'sky'}", bricks)
    plan_run(store, request)
    records = [ChunkRecord.from_event(record) for record in get_json(store, request.layout.chunks)]
    *others, chunk = sorted(records, key=lambda record: record.rows)
    for record in (others[0], chunk):
        cache_chunk(store, request, record)
    inject.inject_chunk(store, request, others[0])  # the first call loads the kernels
    seconds: dict[str, float] = {}
    with ExitStack() as stack:
        for label, name in STAGES.items():
            stack.enter_context(timed(inject, name, seconds, label))
        stack.enter_context(timed(inject.pq.ParquetWriter, "write_table", seconds, "encoding stamps"))
        stack.enter_context(timed(FolderStore, "publish_file", seconds, "hash and copy of parts"))
        started = time.process_time()
        inject.inject_chunk(store, request, chunk)
        total = time.process_time() - started
    by_stage = {label: round(1e3 * value / chunk.rows, 4) for label, value in seconds.items()}
    return {
        "tier": tier,
        "rows": chunk.rows,
        "ms_a_row": round(1e3 * total / chunk.rows, 4),
        "ms_a_row_by_stage": dict(sorted(by_stage.items(), key=lambda item: -item[1])),
        "start_seconds": round(start_seconds(), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.injecting")
    parser.add_argument("--tier", default="debug")
    parser.add_argument("--bricks", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options.tier, options.bricks, Path(folder))
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['rows']:,} rows, {result['ms_a_row']} ms of CPU a row; start {result['start_seconds']} s")
    for label, value in result["ms_a_row_by_stage"].items():
        print(f"  {label:<28} {value:.3f}")


if __name__ == "__main__":
    main()
