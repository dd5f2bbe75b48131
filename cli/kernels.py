"""Where the tasks keep the compiled kernels of `physics`, and whether they are compiling. Nothing of numba is
imported for it: that alone takes a second."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """NUMBA_CACHE_DIR, or the user's cache folder: that of `physics` as a library (physics/_cache.py)."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    user = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(named) if named else Path(user) / "darkhalo" / "numba"


def compiled_since(when: float) -> bool:
    """Whether a kernel was compiled after a time (seconds since 1970): numba writes an index with each."""
    return any(path.stat().st_mtime >= when for path in folder().glob("physics-*/*.nbi"))
