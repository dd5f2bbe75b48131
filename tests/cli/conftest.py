"""Runs of the real command: a small sky, the synthesized state machine, real tasks, real SQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIXELS = "600"


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def darkhalo(*arguments: object, cwd: Path | None = None, **environment: str) -> Answer:
    """Run the installed command in a process of its own."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("darkhalo")), *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | environment, timeout=900,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """One workspace for a test process, so that its caches (assembly, compiled kernels) are filled once."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def good_run(workspace):
    """A run of three bricks that should be GO, and what the command said."""
    return darkhalo(
        "run", "debug", "--bricks", 3, "--brick-pixels", PIXELS, "--workspace", workspace, "--json"
    )


@pytest.fixture(scope="session")
def spoiled_run(workspace):
    """A run of four bricks, two of which cannot be used."""
    sky = workspace / "spoiled"
    made = darkhalo(
        "sky", sky, "--bricks", 4, "--brick-pixels", PIXELS, "--failures", "truncated,missing_band"
    )
    assert made.code == 0, made.err
    return darkhalo("run", "debug", "--bricks", 4, "--sky", sky, "--workspace", workspace, "--json",
                    "--run-id", "spoiled-1")  # fmt: skip
