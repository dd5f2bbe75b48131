"""A GO that does not hold is refused by whoever acts on one: publish, 4d, the page, the loader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.checks import CheckResult
from pipeline.code_version import CODE_VERSION, code_version
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.fingerprints import JUDGED, fingerprints
from pipeline.manifest import tier_of
from pipeline.parquet import from_rows, to_bytes
from pipeline.queries import checks_sql, sql_sha256
from pipeline.schema import CHECK_RESULTS, SELECTION_FUNCTION
from pipeline.selection import write_cells, write_selection
from pipeline.storage import RunLayout
from pipeline.store import FolderStore, RunFolder, get_json, publish
from pipeline.trust import confirmed_go, run_folder, standing, success_of
from tests.pipeline.judged_run import Judged, judged_run, planned_run

Tamper = Callable[[FolderStore, RunRequest], None]


@pytest.fixture
def published(store: FolderStore) -> Judged:
    run = judged_run(store)
    run.publish(store)
    return run


def edit(store: FolderStore, key: str, **changes: Any) -> None:
    """A JSON object with some keys changed, as an editor would leave it."""
    (store.root / key).write_text(json.dumps({**get_json(store, key), **changes}))


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def refused_by_all(store: FolderStore, run: Judged, message: str) -> None:
    """publish and 4d refuse, on AWS and here, and so does whoever asks for a published run in its folder."""
    layout = run.request.layout
    with pytest.raises(InputError, match=message):
        run.publish(store)
    with pytest.raises(InputError, match=message):
        write_selection(store, run.engine, None, run.request, "query", run.asked)
    with pytest.raises(InputError, match=message):
        write_cells(store, layout, list(SELECTION_FUNCTION.names), [])
    with pytest.raises(InputError, match=message):
        confirmed_go(*run_folder(store.root / layout.prefix), "train", published=True)


@pytest.mark.parametrize("table", JUDGED)
def test_one_bit_of_any_table_is_enough(store: FolderStore, published: Judged, table: str) -> None:
    parts = sorted((store.root / published.request.layout.prefix / table).rglob("*.parquet"))
    flip(parts[-1])
    refused_by_all(store, published, f"its GO does not hold: changed since the verdict: {table}")


def test_a_part_more_and_a_part_less_are_changes(store: FolderStore, published: Judged) -> None:
    part = store.root / published.request.layout.partition("metrics", "train").part(0)
    shutil.copy(part, part.with_name("part-00001.parquet"))
    refused_by_all(store, published, "changed since the verdict: metrics")
    part.rename(part.with_name("part-00001.parquet"))
    refused_by_all(store, published, "changed since the verdict: metrics")
    part.with_name("part-00001.parquet").rename(part)
    (part.parent / ".DS_Store").write_bytes(b"of a file manager")
    assert standing(store, published.request.layout, published=True).go


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
def test_a_record_that_was_tampered_with_is_named(store: FolderStore, published: Judged, name: str) -> None:
    tamper, message = TAMPERED[name]
    tamper(store, published.request)
    with pytest.raises(InputError, match=message):
        published.publish(store)
    with pytest.raises(InputError, match=message):
        write_cells(store, published.request.layout, list(SELECTION_FUNCTION.names), [])


def test_a_no_go_that_was_edited_to_go_says_what_its_results_say(store: FolderStore) -> None:
    run = judged_run(store, magnification="FAIL")
    assert run.verdict["verdict"] == "NO-GO"
    edit(store, run.request.layout.verdict, verdict="GO", reasons=[])
    refused_by_all(store, run, "says GO, its results say NO-GO: magnification: magnification was")


def test_a_verdict_that_was_planted_before_the_gate_ran_is_refused(store: FolderStore) -> None:
    other = judged_run(store, "run-2")
    run = replace(other, request=planned_run(store))
    path = store.root / run.request.layout.verdict
    path.write_text(json.dumps({**other.verdict, "run_id": "run-1"}))
    refused_by_all(store, run, "its GO does not hold")
    path.write_text('{"verdict": "GO"}')
    with pytest.raises(InputError, match="its GO does not hold"):
        run.publish(store)


def test_an_edited_list_of_critical_checks_is_not_believed(store: FolderStore) -> None:
    """A NO-GO for want of one critical check, whose name is then struck from the plan."""
    run = judged_run(store, closure="INCONCLUSIVE")
    layout = run.request.layout
    plan = get_json(store, layout.plan)
    plan["tier"]["gate"]["critical"].remove("closure")
    edit(store, layout.plan, tier=plan["tier"])
    edit(store, layout.verdict, verdict="GO", reasons=[])
    refused_by_all(store, run, "its GO does not hold")


def test_a_copied_folder_of_another_name_holds(store: FolderStore, published: Judged, tmp_path: Path) -> None:
    copy = shutil.copytree(store.root / published.request.layout.prefix, tmp_path / "elsewhere")
    folder, layout = run_folder(copy)
    assert layout == published.request.layout
    assert confirmed_go(folder, layout, "train", published=True).go
    keys = [item.key for item in store.list(published.request.layout.prefix)]
    assert [item.key for item in folder.list(published.request.layout.prefix)] == keys
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


def hand_made(store: FolderStore, run: Judged, **changes: Any) -> Judged:
    """The run judged again by hand: check_results, verdict.json and `_SUCCESS.json` that hold together.

    changes: columns of check_results, by name a value for all rows or a function of the row.
    """
    layout, critical = run.request.layout, tier_of(run.request).critical
    rows = [
        {**asdict(CheckResult(name, "PASS", name in critical, 0.0, 1.0, 5, f"{name} was looked at."))}
        | {"sql_sha256": sql_sha256(sql), "code_version": code_version()}
        for name, sql in sql_of(store, run).items()
    ]
    rows = [{**row, **{k: v(row) if callable(v) else v for k, v in changes.items()}} for row in rows]
    shutil.rmtree(store.root / layout.prefix / CHECK_RESULTS.name)
    publish(store, layout.partition(CHECK_RESULTS.name).part(0), to_bytes(from_rows(CHECK_RESULTS, rows)))
    told = {"verdict": "GO", "reasons": [], "judged": fingerprints(store, layout)}
    told["checks"] = [{name: row[name] for name in CheckResult.__dataclass_fields__} for row in rows]
    edit(store, layout.verdict, **told)
    success = success_of(store, get_json(store, layout.verdict), layout)
    (store.root / layout.success).write_text(json.dumps(success))
    return run


def sql_of(store: FolderStore, run: Judged) -> dict[str, str]:
    return checks_sql(run.request, get_json(store, run.request.layout.plan)["expected_rows"], "")


CONSTANT = "SELECT 'PASS' AS status, 0e0 AS statistic, 1e0 AS bound, 5 AS n, 'fine.' AS message"
HAND_MADE: dict[str, tuple[dict[str, Any], str]] = {
    "without SQL": ({"sql_sha256": None}, "brick_outliers was not answered by the SQL that this code holds"),
    "by a constant PASS": (
        {"sql_sha256": lambda row: sql_sha256(CONSTANT) if row["name"] == "nulls" else row["sql_sha256"]},
        "nulls was not answered by the SQL that this code holds for this run",
    ),
    "by another check": (
        {"name": lambda row: {"nulls": "schema", "schema": "nulls"}.get(row["name"], row["name"])},
        "was not answered by the SQL that this code holds for this run",
    ),
    "of other code": ({"code_version": "f" * 64}, "check_results is of code ffffffff, the run of"),
    "a critical check missing": (
        {"name": lambda row: "nulls" if row["name"] == "schema" else row["name"]},
        "schema: critical, but it gave no answer",
    ),
    "another check missing": (
        {"name": lambda row: "nulls" if row["name"] == "reruns" else row["name"]},
        "its results say NO-GO: reruns: gave no answer",
    ),
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_results_are_refused(store: FolderStore, name: str) -> None:
    changes, message = HAND_MADE[name]
    refused_by_all(store, hand_made(store, judged_run(store, nulls="FAIL"), **changes), message)


def test_results_of_another_run_are_refused(store: FolderStore) -> None:
    """Its table, and the verdict on it, copied over with the run's own name in them."""
    other, run = judged_run(store, "run-2"), judged_run(store, nulls="FAIL")
    theirs, ours = (
        store.root / one.request.layout.partition(CHECK_RESULTS.name).part(0) for one in (other, run)
    )
    shutil.copy(theirs, ours)
    edit(store, run.request.layout.verdict, verdict="GO", reasons=[], checks=other.verdict["checks"])
    refused_by_all(store, run, "was not answered by the SQL that this code holds for this run")


def test_results_that_hold_together_are_not_the_engines(store: FolderStore) -> None:
    """PASS by hand with every digest right: no folder shows it, but the engine never said so."""
    run = hand_made(store, judged_run(store, nulls="FAIL"))
    layout = run.request.layout
    assert confirmed_go(store, layout, "train", published=True).go
    message = (
        r"not hold the engine's answer of nulls \(FAIL: nulls was looked at.\); run the gate again under"
    )
    with pytest.raises(InputError, match=message):
        run.publish(store)
    with pytest.raises(InputError, match=message):
        write_selection(store, run.engine, None, run.request, "query", run.asked)


def test_a_check_that_this_execution_did_not_ask_is_named(store: FolderStore) -> None:
    run = judged_run(store)
    asked = replace(run.asked, checks=[one for one in run.asked.checks if one["name"] != "nulls"])
    with pytest.raises(InputError, match=r"not hold the engine's answer of nulls \(none\)"):
        replace(run, asked=asked).publish(store)


CANARIES: dict[str, tuple[dict[str, Any] | None, str]] = {
    "that passed": ({"status": "PASS"}, "nulls says PASS .* of a canary that it must refuse"),
    "without rows": ({"n": 0}, "nulls says FAIL .* of a canary that it must refuse"),
    "of another run": (
        {"sql_sha256": "0" * 64},
        "the canary of nulls was not asked by the SQL that this code",
    ),
    "left out": (None, "nulls says nothing of a canary that it must refuse"),
}


@pytest.mark.parametrize("name", CANARIES)
def test_a_go_without_a_canary_that_was_refused_does_not_hold(store: FolderStore, name: str) -> None:
    run, (changes, message) = judged_run(store), CANARIES[name]
    told = [one for one in run.verdict["canaries"] if one["name"] != "nulls"]
    told += [{**one, **changes} for one in run.verdict["canaries"] if one["name"] == "nulls" and changes]
    edit(store, run.request.layout.verdict, canaries=told)
    refused_by_all(store, run, message)


def test_canaries_that_hold_together_are_not_the_engines(store: FolderStore) -> None:
    run = judged_run(store)
    told = [{**one, "statistic": 7.0} for one in run.verdict["canaries"]]
    edit(store, run.request.layout.verdict, canaries=told)
    with pytest.raises(InputError, match="does not hold the engine's answers of the canaries; run the gate"):
        run.publish(store)


def test_a_run_of_other_code_is_not_published(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = judged_run(store)
    monkeypatch.setenv(CODE_VERSION, "f" * 64)
    with pytest.raises(InputError, match="planned by code .*, and this is ffffffff; judge it with the code"):
        run.publish(store)
    assert not store.exists(run.request.layout.success)
