"""Which libraries a task ran with: recorded by the task itself, in its receipt."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

NAMES = ("numpy", "scipy", "numba", "astropy", "pyarrow")  # those that rows and stamps come through


def libraries() -> dict[str, str]:
    """Version by name, of Python too; without those that are not installed."""
    found = {"python": platform.python_version()}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
