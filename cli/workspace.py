"""The folder on this machine that holds skies and runs; every command finds its way here.

<workspace>/sky/<name>/          synthetic skies, in the survey's layout
<workspace>/staged/              what `darkhalo cache` fetched, laid out as the data bucket
<workspace>/cloud/               the embedded cloud: assembly, and s3/<bucket>/<key>
<workspace>/runs                 -> the data bucket's runs/
<workspace>/starts.jsonl         the runs started here, in order (cli/starts.py)

RUN, wherever a command takes it, is a run's id, `latest` (the last one started here), or a folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from cli.starts import Starts
from pipeline.errors import InputError
from pipeline.storage import RUN_ID
from pipeline.store import FolderStore

LATEST = "latest"

option = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("workspace"),
    show_default=True,
    help="Folder for skies, runs and caches.",
)


@dataclass(frozen=True)
class Workspace:
    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def staged(self) -> Path:
        return self.root / "staged"

    @property
    def cloud(self) -> Path:
        return self.root / "cloud"

    @property
    def starts(self) -> Starts:
        return Starts(self.root / "starts.jsonl")

    @property
    def store(self) -> FolderStore:
        """The data bucket of the embedded cloud; empty before the first run."""
        return FolderStore(self.runs.resolve().parent if self.runs.is_symlink() else self.root / "no-bucket")

    def link_runs(self, runs: Path) -> None:
        """Let <workspace>/runs point at the data bucket's runs/."""
        if self.runs.is_symlink():
            self.runs.unlink()
        elif self.runs.exists():
            raise InputError(f"{self.runs}: is a folder of its own; move it away, darkhalo puts a link there")
        runs.mkdir(parents=True, exist_ok=True)
        # Relative: the workspace may be moved.
        self.runs.symlink_to(os.path.relpath(runs.resolve(), self.root.resolve()))

    def give_staged(self, cache: Path) -> int:
        """Link what `darkhalo cache` staged into a data bucket's cache/; how many files were new to it."""
        own, given = self.staged / "cache", 0
        for path in own.rglob("*"):
            target = cache / path.relative_to(own)
            if path.is_dir() or path.name.startswith(".") or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(path)
            given += 1
        return given

    def run_dir(self, run: str) -> Path:
        """The folder of RUN: an id, `latest` or a path; InputError lists the runs there are."""
        if run == LATEST:
            return self._latest()
        named = [self.runs / run] if RUN_ID.fullmatch(run) else []
        for folder in (*named, Path(run)):
            if folder.is_dir():
                return folder.resolve()
        raise InputError(
            f"RUN {run!r}: no such run in {self.runs} and no such folder; "
            f"there are: {', '.join(self.run_ids()) or 'none'}"
        )

    def run_ids(self) -> list[str]:
        """Of the runs that have a folder."""
        return sorted(path.name for path in self.runs.iterdir()) if self.runs.is_dir() else []

    def _latest(self) -> Path:
        starts = self.starts.all()
        if not starts:
            raise InputError(f"RUN latest: no run was started in {self.root}; give --workspace, or a folder")
        folder = self.runs / starts[-1].run_id
        if not folder.is_dir():
            raise InputError(
                f"RUN latest: {folder.name}, the last one started in {self.root}, has no tables yet"
            )
        return folder.resolve()
