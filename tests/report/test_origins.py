"""The page's account of what a run was made of is that of the receipts, and not of this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.libraries import libraries
from report import write_review
from report.origins import survey_files, task_libraries


def write(run_dir: Path, phase: str, **receipts: Any) -> Path:
    folder = run_dir / "receipts" / phase
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in receipts.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return run_dir


def brick(**sha256: str) -> dict[str, Any]:
    return {"files": {name: {"sha256": value, "bytes": 1000} for name, value in sha256.items()}}


def test_files_are_counted_once_and_hashed_in_an_order_of_their_own(tmp_path: Path) -> None:
    bad = {"reason": "missing_band"}
    one = write(tmp_path / "a", "cache", t={"bricks": {"p": brick(x="aa", y="bb"), "q": bad}},
                v={"bricks": {"p": brick(y="bb", x="aa"), "r": brick(z="cc")}})  # fmt: skip
    other = write(tmp_path / "b", "cache", t={"bricks": {"r": brick(z="cc"), "p": brick(y="bb", x="aa")}})
    wrong = write(tmp_path / "c", "cache", t={"bricks": {"r": brick(z="cd"), "p": brick(y="bb", x="aa")}})
    said = dict(survey_files(one)[0])
    assert (said["files"], said["bytes"]) == ("3", "3,000")
    assert said["bricks"] == "3, of which 1 cannot be used"
    assert said["SHA-256 of all"] == hashlib.sha256(b"aa  x\nbb  y\ncc  z\n").hexdigest()
    assert dict(survey_files(other)[0])["SHA-256 of all"] == said["SHA-256 of all"]
    assert dict(survey_files(wrong)[0])["SHA-256 of all"] != said["SHA-256 of all"]


def test_libraries_are_those_of_the_tasks_and_differences_are_counted(tmp_path: Path) -> None:
    same = write(
        tmp_path / "a", "inject", t={"libraries": {"numpy": "1.2.3"}}, v={"libraries": {"numpy": "1.2.3"}}
    )
    assert task_libraries(same) == ([("numpy", "1.2.3")], "")
    write(same, "inject", w={"libraries": {"numpy": "1.2.4"}}, x={"rows": 3})
    assert task_libraries(same)[0] == [("numpy", "1.2.3 (2 tasks), 1.2.4 (1 task), not recorded (1 task)")]


def test_a_task_records_what_is_installed() -> None:
    found = libraries()
    assert {"python", "numpy", "scipy", "numba", "astropy", "pyarrow"} == set(found)
    assert found["numpy"] == __import__("numpy").__version__


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"bricks": 5}', '{"bricks": {"p": {"files": {"x": {}}}}}', ""]
)
def test_broken_receipts_are_said_and_the_page_is_written(fresh_run: Any, content: str) -> None:
    run = fresh_run()
    for phase in ("cache", "inject"):
        (write(run, phase) / "receipts" / phase / "t.json").write_text(content)
    text = write_review(run).read_text()
    assert "The receipts of the survey&#39;s files cannot be read" in text
    assert "Libraries of the tasks" not in text


def test_a_run_without_receipts_says_so(fresh_run: Any) -> None:
    text = write_review(fresh_run()).read_text()
    assert "There is no receipt of the survey&#39;s files" in text
    assert "The tasks of this run did not record their libraries." in text
