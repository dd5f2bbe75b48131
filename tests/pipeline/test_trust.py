"""A GO that does not hold is refused by whoever acts on one: publish, 4d, the page, the loader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.fingerprints import JUDGED
from pipeline.publish import publish
from pipeline.schema import SELECTION_FUNCTION
from pipeline.selection import write_cells
from pipeline.storage import RunLayout
from pipeline.store import FolderStore, RunFolder, get_json
from pipeline.trust import confirmed_go, run_folder, standing
from tests.pipeline.judged_run import judged_run, planned_run

Tamper = Callable[[FolderStore, RunRequest], None]


@pytest.fixture
def published(store: FolderStore) -> RunRequest:
    request, _ = judged_run(store)
    publish(store, request)
    return request


def edit(store: FolderStore, key: str, **changes: Any) -> None:
    """A JSON object with some keys changed, as an editor would leave it."""
    (store.root / key).write_text(json.dumps({**get_json(store, key), **changes}))


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def refused_by_all(store: FolderStore, request: RunRequest, message: str) -> None:
    """publish and 4d refuse, and so does whoever asks for a published run in its folder."""
    with pytest.raises(InputError, match=message):
        publish(store, request)
    with pytest.raises(InputError, match=message):
        write_cells(store, request.layout, list(SELECTION_FUNCTION.names), [])
    with pytest.raises(InputError, match=message):
        confirmed_go(*run_folder(store.root / request.layout.prefix), "train", published=True)


@pytest.mark.parametrize("table", JUDGED)
def test_one_bit_of_any_table_is_enough(store: FolderStore, published: RunRequest, table: str) -> None:
    parts = sorted((store.root / published.layout.prefix / table).rglob("*.parquet"))
    flip(parts[-1])
    refused_by_all(store, published, f"its GO does not hold: changed since the verdict: {table}")


def test_a_part_more_and_a_part_less_are_changes(store: FolderStore, published: RunRequest) -> None:
    part = store.root / published.layout.partition("metrics", "train").part(0)
    shutil.copy(part, part.with_name("part-00001.parquet"))
    refused_by_all(store, published, "changed since the verdict: metrics")
    part.rename(part.with_name("part-00001.parquet"))
    refused_by_all(store, published, "changed since the verdict: metrics")
    part.with_name("part-00001.parquet").rename(part)
    (part.parent / ".DS_Store").write_bytes(b"of a file manager")
    assert standing(store, published.layout, published=True).go


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "plan": (lambda s, r: edit(s, r.layout.plan, expected_rows=1), "changed since the verdict: plan"),
    "success": (
        lambda s, r: (s.root / r.layout.success).write_text("{}") and None,
        "_SUCCESS.json is not the one that publishing this verdict writes",
    ),
    "success of another verdict": (
        lambda s, r: edit(s, r.layout.success, verdict_sha256="0" * 64),
        "_SUCCESS.json is not the one that publishing this verdict writes",
    ),
    "verdict of another run": (
        lambda s, r: edit(s, r.layout.verdict, run_id="run-2"),
        "verdict.json is of run run-2, not of run-1",
    ),
    "results": (
        lambda s, r: edit(s, r.layout.verdict, checks=[]),
        "verdict.json and the table check_results do not hold the same results",
    ),
    "no digests": (lambda s, r: edit(s, r.layout.verdict, judged={}), "changed since the verdict: closure"),
    "no results": (
        lambda s, r: shutil.rmtree(s.root / r.layout.prefix / "check_results"),
        "check_results.*no such file",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_record_that_was_tampered_with_is_named(
    store: FolderStore, published: RunRequest, name: str
) -> None:
    tamper, message = TAMPERED[name]
    tamper(store, published)
    with pytest.raises(InputError, match=message):
        publish(store, published)
    with pytest.raises(InputError, match=message):
        write_cells(store, published.layout, list(SELECTION_FUNCTION.names), [])


def test_a_no_go_that_was_edited_to_go_says_what_its_results_say(store: FolderStore) -> None:
    request, judged = judged_run(store, magnification="FAIL")
    assert judged["verdict"] == "NO-GO"
    edit(store, request.layout.verdict, verdict="GO", reasons=[])
    refused_by_all(store, request, "says GO, its results say NO-GO: magnification: magnification was")


def test_a_verdict_that_was_planted_before_the_gate_ran_is_refused(store: FolderStore) -> None:
    _, other = judged_run(store, "run-2")
    request = planned_run(store)
    path = store.root / request.layout.verdict
    path.write_text(json.dumps({**other, "run_id": "run-1"}))
    refused_by_all(store, request, "its GO does not hold")
    path.write_text('{"verdict": "GO"}')
    with pytest.raises(InputError, match="its GO does not hold"):
        publish(store, request)


def test_an_edited_list_of_critical_checks_is_not_believed(store: FolderStore) -> None:
    """A NO-GO for want of one critical check, whose name is then struck from the plan."""
    request, _ = judged_run(store, closure="INCONCLUSIVE")
    plan = get_json(store, request.layout.plan)
    plan["tier"]["gate"]["critical"].remove("closure")
    edit(store, request.layout.plan, tier=plan["tier"])
    edit(store, request.layout.verdict, verdict="GO", reasons=[])
    refused_by_all(store, request, "its GO does not hold")


def test_a_copied_folder_of_another_name_holds(
    store: FolderStore, published: RunRequest, tmp_path: Path
) -> None:
    copy = shutil.copytree(store.root / published.layout.prefix, tmp_path / "elsewhere")
    folder, layout = run_folder(copy)
    assert layout == published.layout
    assert confirmed_go(folder, layout, "train", published=True).go
    keys = [item.key for item in store.list(published.layout.prefix)]
    assert [item.key for item in folder.list(published.layout.prefix)] == keys
    flip(copy / "plan.json")
    assert not standing(folder, layout).go


def test_a_folder_without_a_verdict_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"verdict.json: no such file"):
        run_folder(tmp_path)
    (tmp_path / "verdict.json").write_text('{"verdict": "GO"}')
    with pytest.raises(InputError, match=r"verdict.json: names no tier and run_id"):
        run_folder(tmp_path)
    (tmp_path / "verdict.json").write_text("[]")
    with pytest.raises(InputError, match="not a verdict"):
        standing(RunFolder(tmp_path, RunLayout("debug", "r1")), RunLayout("debug", "r1"))
