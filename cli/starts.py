"""The runs started in a workspace, in order, and the one at work in it.

<workspace>/starts.jsonl holds a line for each start, the last one last. A run holds the lock of that file
for as long as it works, so a workspace has one run at a time, and one that was killed is not at work.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cli.exits import BusyError
from cli.output import note

_TRIES, _PAUSE = 20, 0.05  # seconds: `darkhalo runs` holds the lock for a moment to see whether it is free


@dataclass(frozen=True)
class Start:
    """One start of a run. started: time, UTC, ISO 8601."""

    run_id: str
    tier: str
    started: str


class Starts:
    """The starts of a workspace; `path` is its starts.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[Start]:
        """Every start, the last one last; lines that cannot be read are left out, and said."""
        lines = self._lines()
        for number in [number for number, start in enumerate(lines, 1) if start is None]:
            note(f"{self.path}: line {number} is no start of a run, and is left out")
        return [start for start in lines if start]

    def _lines(self) -> list[Start | None]:
        if not self.path.is_file():
            return []
        return [_start_of(line) for line in self.path.read_bytes().splitlines()]

    def at_work(self) -> str | None:
        """The id of the run at work in the workspace."""
        starts = [start for start in self._lines() if start]
        if not starts:
            return None
        with self.path.open() as file:
            return None if _locked(file.fileno(), fcntl.LOCK_SH) else starts[-1].run_id

    @contextmanager
    def alone(self, run_id: str, tier: str) -> Iterator[None]:
        """Note the start and be the only run at work; BusyError names the other one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            for _ in range(_TRIES):
                if _locked(file.fileno(), fcntl.LOCK_EX):
                    break
                time.sleep(_PAUSE)
            else:
                raise BusyError(
                    f"{self.path.parent}: run {self.at_work() or '(not named yet)'} is at work in it; "
                    f"wait for it, or give another --workspace"
                )
            start = Start(run_id, tier, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
            file.write(_end_of_torn(file) + json.dumps(asdict(start)).encode() + b"\n")
            file.flush()
            yield


def _start_of(line: bytes) -> Start | None:
    """The start that a line tells of; None for half a line, as a full disk or a dead machine leaves it."""
    try:
        start = Start(**json.loads(line))
    except (ValueError, TypeError):
        return None
    return start if all(isinstance(value, str) for value in asdict(start).values()) else None


def _end_of_torn(file: IO[bytes]) -> bytes:
    """What has to stand before a line that is added: a newline, if the last line has none."""
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def _locked(descriptor: int, kind: int) -> bool:
    """Whether the lock was free, and is ours until the file is closed."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
