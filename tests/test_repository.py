"""What holds for the tree as a whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("task.txt", "run.txt", "dev.txt")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_lock_files_pin_with_hashes_and_carry_no_address():
    for name in LOCKS:
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^([A-Za-z0-9_.\-\[\]]+)==", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^\S+==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE)) > 0


def test_a_package_has_one_version_in_all_lock_files():
    seen: dict[tuple[str, str], str] = {}
    for name in LOCKS:
        text = (ROOT / "requirements" / name).read_text()
        for package, version, marker in re.findall(r"^([\w.\-]+)==(\S+)( ;[^\\\n]*)?", text, re.MULTILINE):
            assert seen.setdefault((package, marker.strip(" ;")), version) == version, package


def test_no_file_is_long():
    long = [
        (path.relative_to(ROOT).as_posix(), lines)
        for path in _tracked()
        if path.suffix in (".py", ".sql", ".j2")
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 410
    ]
    assert not long


def test_no_secret_stands_in_the_tree():
    pattern = re.compile(rb"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY")
    assert not [path for path in _tracked() if pattern.search(path.read_bytes())]


def test_survey_data_is_not_committed():
    assert not [path for path in _tracked() if path.name.endswith((".fits", ".fits.fz", ".fits.gz"))]
