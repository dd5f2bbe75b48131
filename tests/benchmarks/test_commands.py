"""Every command that benchmarks/README.md names can be asked what it does: it imports what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "benchmarks" / "README.md"
COMMANDS = sorted(set(re.findall(r"python -m (benchmarks\.\w+)", README.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("module", COMMANDS)
def test_a_benchmark_says_what_it_does(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout.lower()
