"""What the tasks of 4c have done so far, from the receipts that they leave."""

from __future__ import annotations

import json
import time
from pathlib import Path

from cli import kernels
from cli.output import note
from pipeline.events import INJECT_PHASE
from pipeline.progress import Progress


class ChunkProgress:
    """Rows of the chunks that are done; `look` says what is new, `rate` how fast they came."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._folder = run_dir / "receipts" / INJECT_PHASE
        self._seen = set(self._folder.glob("*.json"))  # of an earlier start of the run
        self._before = sum(_rows(path) for path in self._seen)
        self._progress: Progress | None = None
        self._since = time.time()
        self._compiling = False

    def look(self) -> None:
        """Say what is new since the last look."""
        if not self._compiling and kernels.compiled_since(self._since):
            self._compiling = True
            note("compiling the kernels, once, about a minute")
        if self._progress is None and (self._run_dir / "plan.json").is_file():
            total = json.loads((self._run_dir / "plan.json").read_text())["expected_rows"]
            self._progress = Progress("4c", total, "rows", every=1.0, done=self._before)
        if self._progress is not None:
            for path in set(self._folder.glob("*.json")) - self._seen:
                self._seen.add(path)
                self._progress.advance(_rows(path))

    def rate(self, seconds: float) -> int | None:
        """Rows a second of this start; None if all of them were there."""
        rows = sum(_rows(path) for path in self._folder.glob("*.json")) - self._before
        return round(rows / max(seconds, 0.1)) if rows else None


def _rows(receipt: Path) -> int:
    return int(json.loads(receipt.read_text())["rows"])
