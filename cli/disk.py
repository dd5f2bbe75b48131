"""A disk that is full or cannot be written to: one line with what is free, and what is needed where known."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.exits import DiskError, bad_input_errors

FULL = (errno.ENOSPC, errno.EDQUOT)
_SCARCE = 32e6  # bytes: with less than that free, a task that failed may have failed for want of space
_MARGIN = 1.05  # what a run writes besides its tables


def told(error: OSError, folder: Path) -> str:
    """One line for an OSError of a command that writes to `folder`; the error's own file where it has one."""
    if error.errno in FULL:
        return full(fullest(Path(error.filename).parent if error.filename else folder))
    if error.filename is None:
        return f"{folder}: {error.strerror or error}"
    if error.errno == errno.EROFS:
        return f"{error.filename}: its disk is read-only; give a folder that can be written to"
    return f"{error.filename}: {error.strerror}; give another folder"


def full(folder: Path) -> str:
    """That the disk of `folder` is full, and how much is free."""
    return (
        f"{folder}: no space left on its disk, {size(free(folder))} free; make room, or give another folder"
    )


def fullest(folder: Path) -> Path:
    """Of `folder` and the place of temporary files, the one with less room."""
    return min(folder, Path(tempfile.gettempdir()), key=free)


def free(folder: Path) -> int:
    """Bytes free on the disk of a folder, which may yet have to be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """What breaks while next to nothing is free, whatever it says of itself, broke for that: DiskError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (*bad_input_errors(), OSError)):
            raise
        if free(fullest(folder)) < _SCARCE:
            raise DiskError(full(fullest(folder))) from error
        raise


def require(folder: Path, needed: float, what: str) -> None:
    """DiskError if the disk of `folder` has no room for `needed` bytes more."""
    if free(folder) < needed * _MARGIN:
        raise DiskError(
            f"{folder}: {size(free(folder))} free on its disk, and {what} needs about {size(needed)}; "
            f"make room, or give another folder"
        )


def size(n: float) -> str:
    """Bytes in words."""
    unit, one = ("GB", 1e9) if n >= 1e9 else ("MB", 1e6)
    return f"{n / one:.1f} {unit}"
