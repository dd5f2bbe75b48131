"""The cache of compiled kernels: shared by copies of the room, and out of date after any edit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numba

import physics
from physics import _cache

ROOM = Path(physics.__file__).parent


def _cache_path(root: Path, cache: Path) -> Path:
    """Where a process that imports the room below `root` keeps its kernels."""
    kernel = next(
        name
        for name, value in vars(physics.lens).items()
        if isinstance(value, numba.core.dispatcher.Dispatcher)
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"from physics.lens import {kernel} as f; print(f._cache.cache_path)"],
        env={"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache), "PATH": "/usr/bin:/bin"},
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Path(done.stdout.strip())


def _copy(folder: Path) -> Path:
    shutil.copytree(ROOM, folder / "physics", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_copies_share_a_cache_and_an_edit_in_any_file_gives_another(tmp_path):
    cache = tmp_path / "cache"
    first, second, edited = (_copy(tmp_path / name) for name in ("first", "second", "edited"))
    with (edited / "physics" / "metrics.py").open("a") as file:
        file.write("# another line\n")
    paths = [_cache_path(root, cache) for root in (first, second, edited)]
    assert paths[0] == paths[1] == cache / f"physics-{_cache.room_hash()[:16]}"
    assert paths[2] != paths[0]
    assert paths[2].parent == cache


def test_functions_of_other_packages_keep_their_own_cache():
    assert numba.core.config.CACHE_LOCATOR_CLASSES == ""
