"""When work must end early: a stop from outside, a Map that has already failed, a timeout."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from local_cloud.states.errors import Aborted, StateError


class Scope:
    """A cancellable stretch of an execution. Whatever waits, waits here, so that a stop always wakes it."""

    def __init__(self, parent: Scope | None = None) -> None:
        self._cancelled: Future = Future()
        self._deadline = float("inf")
        if parent is not None:
            parent._cancelled.add_done_callback(lambda _: self.cancel())

    def within(self, seconds: float | None) -> Scope:
        """The same scope with a deadline of its own (a Task's TimeoutSeconds)."""
        if seconds is None:
            return self
        narrowed = Scope.__new__(Scope)
        narrowed._cancelled = self._cancelled
        narrowed._deadline = min(self._deadline, time.monotonic() + seconds)
        return narrowed

    def cancel(self) -> None:
        """Stop all work in this scope and in the scopes made from it. May be called more than once."""
        if not self._cancelled.done():
            self._cancelled.set_result(None)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.done()

    def check(self) -> None:
        """Raise Aborted when the scope is cancelled."""
        if self.is_cancelled:
            raise Aborted

    def result(self, work: Future) -> Any:
        """Wait for `work`; raise Aborted or States.Timeout instead if that comes first."""
        remaining = None if self._deadline == float("inf") else max(0.0, self._deadline - time.monotonic())
        done, _ = wait([work, self._cancelled], timeout=remaining, return_when=FIRST_COMPLETED)
        if work in done:
            return work.result()
        if self._cancelled in done:
            raise Aborted
        raise StateError("States.Timeout", "The task did not finish within its TimeoutSeconds.")

    def sleep(self, seconds: float) -> None:
        """Pause; raise Aborted at once when the scope is cancelled."""
        wait([self._cancelled], timeout=max(0.0, seconds))
        self.check()
