"""This machine, as the backends see it. A process runs one cloud at a time: moto's state is global."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.assets import Image
from local_cloud.errors import CloudRunningError
from local_cloud.processes import ProcessTable

ACCOUNT = "123456789012"
"""moto's account. Nothing here belongs to a real one."""


class Completions:
    """Futures by the id of what they stand for: an ECS task's ARN or an Athena query's id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, Future] = {}

    def __getitem__(self, name: str) -> Future:
        with self._lock:
            return self._futures.setdefault(name, Future())

    def finish(self, name: str) -> None:
        """Mark as finished; harmless when it already is."""
        future = self[name]
        with self._lock:
            if not future.done():
                future.set_result(None)


@dataclass
class Host:
    """Folders, processes and settings shared by the backends of one cloud."""

    region: str
    storage: Path
    private: Path
    """Logs, parts of uploads and unpacked code: not objects."""
    task_slots: int
    environment: dict[str, str]
    """What every task and Lambda finds in its environment."""
    client: Callable[[str], Any]
    images: dict[str, Image] = field(default_factory=dict)
    """Container images by the tag of their asset."""
    packages: dict[str, Path] = field(default_factory=dict)
    """Folders with the code of zip assets, by object key."""
    processes: ProcessTable = field(default_factory=ProcessTable)
    finished: Completions = field(default_factory=Completions)

    def log_file(self, *parts: str) -> Path:
        """A log file's path; its folder exists."""
        path = self.private.joinpath("logs", *(part.strip("/").replace("/", "-") for part in parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


_current: Host | None = None
_one_at_a_time = threading.Lock()


@contextmanager
def alone(private: Path) -> Iterator[None]:
    """Be the only cloud of this process (moto's state is global) and of this storage."""
    if not _one_at_a_time.acquire(blocking=False):
        raise CloudRunningError("a local cloud is already running in this process")
    try:
        private.mkdir(parents=True, exist_ok=True)
        with (private / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CloudRunningError(f"another local cloud uses {private.parent}") from None
            yield
    finally:
        _one_at_a_time.release()


def current() -> Host:
    """The host of the running cloud."""
    if _current is None:
        raise RuntimeError("no local cloud is running in this process")
    return _current


def set_current(host: Host | None) -> None:
    """Make `host` the running cloud's, or none."""
    global _current
    _current = host
