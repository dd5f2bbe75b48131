"""What the receipts of 4b and 4c say of a run's origins: the survey's files, the libraries of the tasks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.events import CACHE_PHASE, INJECT_PHASE
from report.folder import json_object
from report.words import plural

Pairs = list[tuple[str, str]]


def survey_files(run_dir: Path) -> tuple[Pairs, str]:
    """How many files of the survey the run read and one hash of all; a sentence where that is not known."""
    files: dict[tuple[str, str], int] = {}
    unusable: dict[str, bool] = {}
    try:
        for receipt in _receipts(run_dir, CACHE_PHASE):
            for name, brick in receipt["bricks"].items():
                unusable[name] = "reason" in brick
                for path, file in brick.get("files", {}).items():
                    files[path, str(file["sha256"])] = int(file["bytes"])
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        return [], f"The receipts of the survey's files cannot be read: {error}"
    if not unusable:
        return [], "There is no receipt of the survey's files (receipts/cache/)."
    lines = sorted(f"{sha256}  {path}\n" for path, sha256 in files)
    return [
        ("bricks", f"{len(unusable):,}, of which {sum(unusable.values()):,} cannot be used"),
        ("files", f"{len(files):,}"),
        ("bytes", f"{sum(files.values()):,}"),
        ("SHA-256 of all", hashlib.sha256("".join(lines).encode()).hexdigest()),
        ("taken over", "sorted lines of SHA-256, two spaces, path, newline"),
        ("list of files", f"receipts/{CACHE_PHASE}/*.json, by brick"),
    ], ""


def task_libraries(run_dir: Path) -> tuple[Pairs, str]:
    """Versions that the tasks of 4c recorded; a sentence where there are none."""
    found: dict[str, Counter[str]] = {}
    tasks = 0
    try:
        for receipt in _receipts(run_dir, INJECT_PHASE):
            tasks += 1
            for name, version in receipt.get("libraries", {}).items():
                found.setdefault(str(name), Counter())[str(version)] += 1
    except (InputError, AttributeError) as error:
        return [], f"The receipts of the tasks cannot be read: {error}"
    if not found:
        return [], "The tasks of this run did not record their libraries."
    return [(name, _versions(versions, tasks)) for name, versions in found.items()], ""


def _versions(versions: Counter[str], tasks: int) -> str:
    """The version that all tasks had, or each with its number of tasks."""
    if versions.total() < tasks:
        versions = versions + Counter({"not recorded": tasks - versions.total()})
    if len(versions) == 1:
        return next(iter(versions))
    return ", ".join(f"{version} ({plural(n, 'task')})" for version, n in versions.most_common())


def _receipts(run_dir: Path, phase: str) -> Iterator[dict[str, Any]]:
    return (json_object(path) for path in sorted((run_dir / "receipts" / phase).glob("*.json")))
