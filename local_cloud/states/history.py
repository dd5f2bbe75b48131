"""The events of one execution, in the shape of GetExecutionHistory."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from local_cloud.states.errors import StateError

LIMIT = 25_000
"""Events in one execution's history on AWS; a machine that exceeds it fails there, so it fails here."""


def now() -> str:
    """The time as Step Functions writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class History:
    """Thread-safe event log. Branches and inline Map items write into their execution's own history."""

    def __init__(self, keep: bool = True) -> None:
        self._keep = keep
        self._count = 0
        self._lock = threading.Lock()
        self.events: list[dict[str, Any]] = []

    def record(self, kind: str, details_key: str | None = None, /, **details: Any) -> None:
        """Add an event; raise States.Runtime when AWS would have no room for it."""
        with self._lock:
            self._count += 1
            number = self._count
            if number > LIMIT:
                message = f"The execution reached the maximum number of history events ({LIMIT})."
                raise StateError("States.Runtime", message)
            if self._keep:
                event = {
                    "timestamp": datetime.now(UTC),
                    "type": kind,
                    "id": number,
                    "previousEventId": number - 1,
                }
                if details_key:
                    event[details_key] = details
                self.events.append(event)
