"""The task's entry point: environment in, one call, exit code out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fargate import main as entry
from pipeline.errors import InputError
from pipeline.events import DATA_BUCKET, TASK_CHUNK, TASK_PHASE, TASK_RUN, ChunkRecord, RunRequest

ROOT = Path(__file__).resolve().parents[2]
RUN = RunRequest("debug", "a-run", "hosts/h.parquet", "s3://sky/dr10/south")
CHUNK = ChunkRecord("train-00001", "train", 1, ("0001p000", "0002p000"), 48)


def environment(phase: str = "cache", **changes: str) -> dict[str, str]:
    """As the state machine and the task definition set it."""
    return {
        TASK_PHASE: phase,
        TASK_RUN: json.dumps(RUN.to_event()),
        TASK_CHUNK: json.dumps(CHUNK.to_event()),
        DATA_BUCKET: "a-bucket",
        **changes,
    }


@pytest.fixture(autouse=True)
def _no_handler_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry.signal, "signal", lambda *_: None)
    monkeypatch.setattr(entry, "S3Store", lambda bucket: f"store of {bucket}")


@pytest.mark.parametrize(("phase", "function"), [
    ("cache", "pipeline.staging.cache_chunk"),
    ("inject", "pipeline.inject.inject_chunk"),
])  # fmt: skip
def test_a_phase_is_one_call_and_one_line(
    phase: str, function: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(function, lambda *arguments: seen.append(arguments) or {"bricks": 2})
    assert entry.main(environment(phase)) == 0
    assert seen == [("store of a-bucket", RUN, CHUNK)]
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "phase": phase,
        "run_id": "a-run",
        "chunk_id": "train-00001",
        "bricks": 2,
    }


@pytest.mark.parametrize(("wrong", "named"), [
    (environment(phase="render"), "DARKHALO_PHASE is 'render'"),
    (environment(**{TASK_RUN: "{"}), TASK_RUN),
    (environment(**{TASK_CHUNK: "{}"}), TASK_CHUNK),
    (environment(**{DATA_BUCKET: ""}), "DARKHALO_BUCKET is not set"),
])  # fmt: skip
def test_wrong_input_is_exit_2_and_one_line(
    wrong: dict[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(wrong) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line


def test_input_error_of_the_phase_is_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("tier debug: no such file")

    monkeypatch.setattr("pipeline.staging.cache_chunk", refuse)
    assert entry.main(environment()) == 2


def test_anything_else_is_a_traceback_and_so_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: Any) -> None:
        raise ConnectionError("S3 is away")

    monkeypatch.setattr("pipeline.staging.cache_chunk", break_down)
    with pytest.raises(ConnectionError):
        entry.main(environment())


# A task that would go on for a minute, in a thread of its own, as a download does.
SLOW = """
import concurrent.futures, sys, time
import pipeline.staging
from fargate import main
def cache_chunk(*_):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        future = pool.submit(time.sleep, 60)
        print("working", flush=True)
        future.result()
pipeline.staging.cache_chunk = cache_chunk
main.S3Store = lambda bucket: None
sys.exit(main.main())
"""


def test_sigterm_ends_it_at_once_with_143() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=ROOT,
        env={**os.environ, **environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert time.monotonic() - asked < 10
    assert errors.startswith("stopped by SIGTERM")


def test_phase_4b_does_not_load_the_compiler() -> None:
    code = (
        "import sys, pipeline.staging; pipeline.staging.cache_chunk = lambda *_: {};"
        "from fargate import main; main.S3Store = lambda bucket: None;"
        "assert main.main() == 0; assert 'numba' not in sys.modules and 'physics' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
