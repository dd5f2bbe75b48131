"""Progress of long work: one line on stderr now and then, with rate and time left."""

from __future__ import annotations

import sys
import time

_LEAST_SECONDS = 1.0  # below, a rate is that of looking and not of the work


def say(line: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(f"{line}\n")  # in one piece: threads say such lines too
    sys.stderr.flush()


class Progress:
    """Counts units of work towards a total; prints at most one line every `every` seconds, and the last.

    done: units that were there before; the rate is of those that this work adds.
    """

    def __init__(self, label: str, total: int, unit: str, every: float = 5.0, done: int = 0) -> None:
        self.label, self.total, self.unit, self.every = label, total, unit, every
        self.done = self._before = done
        self._start = self._printed = time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Count n more units; the line ends with the note."""
        self.done += n
        now = time.monotonic()
        if now - self._printed >= self.every or self.done >= self.total:
            self._printed = now
            parts = (f"{self.done:,} of {self.total:,} {self.unit}", *self._speed(now - self._start), note)
            say(f"{self.label}: {', '.join(part for part in parts if part)}")

    def _speed(self, seconds: float) -> tuple[str, ...]:
        """Rate and time left; nothing of work too short to have a rate."""
        added = self.done - self._before
        if seconds < _LEAST_SECONDS or added <= 0:
            return ()
        left = (self.total - self.done) * seconds / added
        return f"{number(added / seconds)}/s", f"{left:.0f} s left"


def number(value: float) -> str:
    """A figure in three digits, or all of the whole number: 0.0123, 4.56, 78.9, 1,234."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
