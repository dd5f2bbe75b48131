"""Folders that somebody broke: a FAIL that names it, never a PASS, never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from cli.validate import judge_folder
from pipeline import canaries, checks
from pipeline.errors import InputError
from pipeline.sick_rows import healthy
from tests.athena_sql.synthetic import make_run, write_run

ASKED = ("schema", "closure", "nulls", "leakage", "success_rate")


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return make_run(n_bricks=3, hosts_per_brick=2)


@pytest.fixture(autouse=True)
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    some = tuple(check for check in checks.load_checks() if check.name in ASKED)
    monkeypatch.setattr(checks, "load_checks", lambda: some)


def part(folder: Path, table: str) -> Path:
    return sorted((folder / table).rglob("*.parquet"))[0]


def without_rows(folder: Path) -> None:
    path = part(folder, "metrics")
    pq.write_table(pq.ParquetFile(path).read().slice(0, 0), path)


def as_text(folder: Path) -> None:
    path = part(folder, "metrics")
    table = pq.ParquetFile(path).read()
    place = table.column_names.index("theta_e_arcsec")
    pq.write_table(table.set_column(place, "theta_e_arcsec", pa.array(["wide"] * len(table))), path)


BROKEN: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "a table missing": (lambda f: shutil.rmtree(f / "stamps"), "schema", "0 stamps"),
    "a table without closure's sample": (lambda f: shutil.rmtree(f / "closure"), "closure", "not comparable"),
    "an empty part": (without_rows, "success_rate", "missing"),
    "a part of no bytes": (lambda f: part(f, "metrics").write_bytes(b""), "nulls", "part-00000.parquet"),
    "a part that is text": (lambda f: part(f, "manifest").write_text("x"), "leakage", "not a valid Parquet"),
    "a column of another type in one part": (as_text, "nulls", "train/part-00000.parquet: theta_e_arcsec is"),
}  # fmt: skip


@pytest.mark.parametrize(("harm", "check", "said"), BROKEN.values(), ids=BROKEN)
def test_it_fails_and_says_what_it_met(
    tmp_path: Path, tables: dict[str, pa.Table], harm: Callable[[Path], Any], check: str, said: str
) -> None:
    harm(write_run(tmp_path, tables))
    judged = judge_folder(tmp_path, "debug")
    found = {one["name"]: one for one in judged["checks"]}
    assert judged["verdict"] == "NO-GO"
    assert found[check]["status"] == "FAIL"
    assert said in found[check]["message"]


def test_values_that_break_the_renderer_fail_the_closure_check(
    tmp_path: Path, tables: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise ZeroDivisionError("magnification of 0")

    monkeypatch.setattr("pipeline.closure.close_folder", breaks)
    shutil.rmtree(write_run(tmp_path, tables) / "closure")
    found = {one["name"]: one["status"] for one in judge_folder(tmp_path, "debug")["checks"]}
    assert found["closure"] == "FAIL"


@pytest.mark.parametrize(
    "plan", ["{", "[]", "\xff\xfe\x00", '{"request": {"tier": "nope"}}', '{"request": null}',
             '{"expected_rows": "many"}',
             '{"expected_rows": -5}', '{"request": {"settings": "{}"}}', '{"request": {"run_id": 7}}'],
)  # fmt: skip
def test_a_broken_plan_is_bad_input(tmp_path: Path, tables: dict[str, pa.Table], plan: str) -> None:
    write_run(tmp_path, tables)
    (tmp_path / "plan.json").write_bytes(plan.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        judge_folder(tmp_path, None)
    assert "\n" not in str(caught.value)


def test_a_gate_that_cannot_fail_is_an_outage_and_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its canary is healthy, so `nulls` passes it: one line, exit code 1, nothing said of the folder."""
    monkeypatch.setattr(canaries, "sick", healthy)
    nulls = [check for check in checks.load_checks() if check.name == "nulls"]
    monkeypatch.setattr(canaries, "load_checks", lambda: nulls)
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(
        "darkhalo: the gate cannot fail, so it says nothing of the run: nulls says PASS (0 of"
    )
