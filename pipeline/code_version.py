"""Which code makes the rows: a hash of the sources that make and judge them.

Lambdas and tasks do not hold all of these packages, so the deployment hands them the hash of the tree that it
was made from, in their environment.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

CODE_VERSION = "DARKHALO_CODE_VERSION"  # environment variable
ROOMS = ("athena_sql", "closure", "physics", "pipeline", "survey")


def code_version() -> str:
    """The environment's, or that of the sources beside this file."""
    return os.environ.get(CODE_VERSION) or code_hash(Path(__file__).resolve().parent.parent)


@cache
def code_hash(root: Path) -> str:
    """SHA-256 over paths and bytes of the Python and SQL files of ROOMS below root, hexadecimal."""
    digest = hashlib.sha256()
    sources = (path for room in ROOMS for kind in ("*.py", "*.sql") for path in (root / room).rglob(kind))
    for path in sorted(sources):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
