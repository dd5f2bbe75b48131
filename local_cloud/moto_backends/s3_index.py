"""What a file cannot say about its object: multipart etag, metadata and checksum, one line a write.

A line holds only while the file has the size and time it was written with; a file changed by other means is
an object with no metadata and an etag of its own.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class BucketIndex:
    """An append-only file beside the bucket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, key: Any) -> None:
        """Note what belongs to an object that was just written."""
        stat = key.path.stat()
        entry = {
            "key": key.name,
            "size": stat.st_size,
            "time": stat.st_mtime_ns,
            "etag": key.etag.strip('"'),
            "metadata": dict(key.metadata),
            "checksum_algorithm": key.checksum_algorithm,
            "checksum_value": key.checksum_value,
        }
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def compact(self, root: Path) -> None:
        """Drop the lines that say nothing any more; done once a session."""
        entries = self.load(root)
        with self._lock:
            self._path.write_text("".join(json.dumps(entry) + "\n" for entry in entries.values()))

    def load(self, root: Path) -> dict[str, dict[str, Any]]:
        """The entries that still describe their files, by key."""
        entries: dict[str, dict[str, Any]] = {}
        with self._lock:
            text = self._path.read_text() if self._path.exists() else ""
        for line in text.splitlines():
            entry = _parse(line)
            if entry is not None:
                entries[entry["key"]] = entry
        return {name: entry for name, entry in entries.items() if _describes(entry, root / name)}


def _parse(line: str) -> dict[str, Any] | None:
    """An entry; None for a line that was cut short when its session was killed."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _describes(entry: dict[str, Any], path: Path) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (entry["size"], entry["time"])
