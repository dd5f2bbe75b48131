"""Local processes that stand for containers and Lambda sandboxes. None outlives the cloud."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


class ProcessTable:
    """Starts processes, each in a group of its own so that its children end with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        stdin: IO | int | None = subprocess.DEVNULL,
        stdout: IO | int | None = None,
        stderr: IO | int | None = subprocess.STDOUT,
    ) -> subprocess.Popen:
        """Start `command`; refuse when the table is already closed."""
        with self._lock:
            if self._closed:
                raise OSError("the local cloud has stopped")
            process = subprocess.Popen(  # noqa: S603 - the command is the stack's own
                command,
                cwd=directory,
                env=dict(environment),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def wait(self, process: subprocess.Popen) -> int:
        """The process's exit code, 128 + n after signal n as a container runtime reports it."""
        code = process.wait()
        self._signal(process, signal.SIGKILL)  # what it may have left behind in its group
        with self._lock:
            self._running.discard(process)
        return code if code >= 0 else 128 - code

    def terminate(self, process: subprocess.Popen, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        self._signal(process, signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            self._signal(process, signal.SIGKILL)

    def kill(self, process: subprocess.Popen) -> None:
        """SIGKILL, now."""
        self._signal(process, signal.SIGKILL)
        self.wait(process)

    def close(self, grace: float = 2.0) -> None:
        """End everything that still runs and start nothing more."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            self._signal(process, signal.SIGTERM)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
            self._signal(process, signal.SIGKILL)
            process.wait()

    @staticmethod
    def _signal(process: subprocess.Popen, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def tail(path: Path, characters: int = 2000) -> str:
    """The end of a log file."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - characters))
        return file.read().decode("utf-8", errors="replace").strip()
    return ""
