"""Progress of long work: one line on stderr now and then, with rate and time left."""

from __future__ import annotations

import sys
import time


def say(line: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(f"{line}\n")  # in one piece: threads say such lines too
    sys.stderr.flush()


class Progress:
    """Counts units of work towards a total; prints at most one line every `every` seconds, and the last."""

    def __init__(self, label: str, total: int, unit: str, every: float = 5.0) -> None:
        self.label, self.total, self.unit, self.every = label, total, unit, every
        self.done = 0
        self._start = self._printed = time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Count n more units; the line ends with the note."""
        self.done += n
        now = time.monotonic()
        if now - self._printed >= self.every or self.done >= self.total:
            self._printed = now
            rate = self.done / max(now - self._start, 1e-9)
            left = (self.total - self.done) / rate if rate else float("inf")
            say(
                f"{self.label}: {self.done:,} of {self.total:,} {self.unit}, "
                f"{rate:,.1f}/s, {left:.0f} s left{note and ', '}{note}"
            )
