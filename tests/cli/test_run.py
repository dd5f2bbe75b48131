"""The main job, end to end, as a user runs it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipeline.checks import load_checks
from pipeline.closure_rates import rows_needed
from pipeline.schema import BY_NAME, METRICS
from pipeline.tier import load_tier
from tests.cli.conftest import darkhalo

pytestmark = pytest.mark.xdist_group("runs")
ROWS = 3 * 18 * 48


def _table(run_dir, name):
    return ds.dataset(Path(run_dir) / name, format="parquet", partitioning="hive").to_table()


def test_a_clean_run_is_go_and_says_so_in_the_contract(good_run):
    assert good_run.code == 0, good_run.err
    answer = good_run.json
    assert answer["verdict"] == "GO"
    assert answer["reasons"] == []
    assert answer["rows"] == ROWS
    assert answer["quarantined"] == 0
    checks = {check["name"]: check for check in answer["checks"]}
    assert set(checks) == {check.name for check in load_checks()}
    for check in answer["checks"]:
        assert set(check) >= {"name", "status", "statistic", "bound", "n", "message"}
    assert {name: c["status"] for name, c in checks.items() if c["status"] != "PASS"} == {
        "controls": "NOT_EXERCISED", "control_match": "NOT_EXERCISED", "realism": "WARN",
        "light_noise": "NOT_EXERCISED",
        "source_positions": "INCONCLUSIVE", "split_balance": "INCONCLUSIVE",
        "brick_outliers": "INCONCLUSIVE", "magnification_tail": "INCONCLUSIVE", "reruns": "NOT_EXERCISED",
    }  # fmt: skip


def test_the_run_folder_holds_every_table_under_the_storage_contract(good_run):
    run_dir = Path(good_run.json["run_dir"])
    for name, table in BY_NAME.items():
        rows = _table(run_dir, name)
        assert len(rows), name
        assert set(rows.column_names) == {*table.names, "tier", "run_id", "region_split"}
    for name in ("plan.json", "chunks.json", "verdict.json", "_SUCCESS.json", "review.html"):
        assert (run_dir / name).is_file(), name


def test_every_task_has_its_metrics_and_its_stamp(good_run):
    tables = {name: _table(good_run.json["run_dir"], name) for name in ("manifest", "metrics", "stamps")}
    ids = {name: sorted(table["task_id"].to_pylist()) for name, table in tables.items()}
    assert ids["manifest"] == ids["metrics"] == ids["stamps"]
    assert len(set(ids["metrics"])) == ROWS
    assert min(tables["metrics"]["magnification"].to_pylist()) >= 1


def test_progress_and_what_is_not_emulated_go_to_stderr(good_run):
    assert "not emulated here:" in good_run.err
    assert "state InjectBricks" in good_run.err
    json.loads(good_run.out)


def test_validate_judges_the_same_run_the_same(good_run, workspace):
    answer = darkhalo("validate", good_run.json["run_id"], "--workspace", workspace, "--json")
    assert answer.code == 0, answer.err
    ours = {c["name"]: (c["status"], c["n"]) for c in answer.json["checks"]}
    theirs = {c["name"]: (c["status"], c["n"]) for c in good_run.json["checks"]}
    assert ours == theirs


def test_validate_takes_any_folder_and_stops_one_whose_magnification_is_spoiled(good_run, tmp_path):
    """The earlier pipeline's 0.18, planted in one row of a copy of the run."""
    copy = tmp_path / "run"
    shutil.copytree(good_run.json["run_dir"], copy, ignore=shutil.ignore_patterns("*.html", "check_results"))
    part = next((copy / "metrics").rglob("*.parquet"))
    rows = pq.ParquetFile(part).read()
    values = rows["magnification"].to_pylist()
    values[0] = 0.18
    index = rows.schema.get_field_index("magnification")
    pq.write_table(rows.set_column(index, rows.schema.field("magnification"), pa.array(values)), part)
    answer = darkhalo("validate", copy, "--json", "--report", tmp_path / "page.html")
    assert answer.code == 3, answer.err
    failed = {c["name"] for c in answer.json["checks"] if c["status"] == "FAIL"}
    assert failed == {"flux_identity", "magnification", "ranges"}
    assert any("magnification" in reason for reason in answer.json["reasons"])
    assert answer.json["review"] == str(tmp_path / "page.html")
    assert "the verdict is <b>NO-GO</b>" in (tmp_path / "page.html").read_text()
    assert not (copy / "review.html").exists()


def test_a_published_run_whose_tables_changed_is_refused_by_report_and_select(good_run, tmp_path):
    copy = shutil.copytree(good_run.json["run_dir"], tmp_path / "elsewhere")
    for command in ("report", "select"):
        answer = darkhalo(command, copy, "--workspace", tmp_path / "none", "--json")
        assert answer.code == 0, answer.err
    assert "the verdict is <b>GO</b>" in (copy / "review.html").read_text()
    part = next((copy / "metrics").rglob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    answer = darkhalo("select", copy, "--workspace", tmp_path / "none")
    assert answer.code == 2
    assert "its GO does not hold: changed since the verdict: metrics; 4d runs after a GO" in answer.err
    assert darkhalo("report", copy, "--workspace", tmp_path / "none").code == 0
    page = (copy / "review.html").read_text()
    assert "the verdict is <b>NO-GO</b>" in page
    assert "changed since the verdict: metrics" in page


def test_validate_judges_tables_without_partition_folders_but_their_splits(good_run, tmp_path):
    """The folders name the splits: a network trained on rows of no split knows its test set."""
    run_dir = Path(good_run.json["run_dir"])
    for table in ("manifest", "metrics", "stamps"):
        (tmp_path / table).mkdir()
        for number, part in enumerate(sorted((run_dir / table).rglob("*.parquet"))):
            shutil.copy(part, tmp_path / table / f"{number}.parquet")
    answer = darkhalo("validate", tmp_path, "--tier", "debug", "--json")
    assert (answer.code, answer.json["rows"]) == (3, ROWS), answer.out
    assert [reason.split(":")[0] for reason in answer.json["reasons"]] == ["leakage", "split_fractions"]
    (closure,) = [check for check in answer.json["checks"] if check["name"] == "closure"]
    assert (closure["status"], closure["n"]) == ("PASS", rows_needed(load_tier("debug").closure_share)[0])
    assert not (tmp_path / "closure").exists()


def test_validate_judges_the_pixels_that_are_there_and_no_older_closure(good_run, tmp_path):
    """Black stamps beside the closure table of the good ones."""
    copy = tmp_path / "run"
    shutil.copytree(good_run.json["run_dir"], copy)
    for part in (copy / "stamps").rglob("*.parquet"):
        rows = pq.ParquetFile(part).read()
        black = pa.array([bytes(3 * 64 * 64 * 4)] * len(rows), pa.binary())
        place = rows.schema.get_field_index("image")
        pq.write_table(rows.set_column(place, rows.schema.field("image"), black), part)
    answer = darkhalo("validate", copy, "--json")
    assert answer.code == 3, answer.err
    (closure,) = [check for check in answer.json["checks"] if check["name"] == "closure"]
    assert (closure["status"], closure["statistic"]) == ("FAIL", ROWS)


def test_validate_names_a_file_that_is_cut_short(good_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(good_run.json["run_dir"], copy)
    part = next((copy / "metrics").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:5000])
    answer = darkhalo("validate", copy, "--json")
    assert answer.code == 3, answer.err
    failed = [check for check in answer.json["checks"] if check["status"] == "FAIL"]
    assert any(part.name in check["message"] for check in failed)


def test_a_run_id_is_not_used_again_for_something_else(good_run, workspace):
    answer = darkhalo("run", "debug", "--bricks", 4, "--brick-pixels", 600, "--workspace", workspace,
                      "--run-id", good_run.json["run_id"])  # fmt: skip
    assert answer.code == 2
    assert "used before with other options" in answer.err


def test_query_gives_json_even_of_what_is_not_finite(good_run, workspace):
    answer = darkhalo("query", good_run.json["run_id"], "SELECT nan() AS a, 1e0/0e0 AS b",
                      "--workspace", workspace, "--json")  # fmt: skip
    assert answer.json["rows"] == [{"a": "nan", "b": "inf"}]


def test_select_repeats_without_harm(good_run, workspace):
    run_dir = Path(good_run.json["run_dir"])
    before = _table(run_dir, "selection_function")
    answer = darkhalo("select", good_run.json["run_id"], "--workspace", workspace, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["cells"] == len(before)
    everything = before.filter(ds.field("cut") == "all")
    assert sum(everything["n"].to_pylist()) == ROWS
    for row in before.to_pylist():
        assert 0 <= row["wilson_low"] <= row["completeness"] <= row["wilson_high"] <= 1


def test_query_answers_in_athena_sql(good_run, workspace):
    sql = "SELECT theta_e_arcsec, count(*) AS n FROM metrics GROUP BY theta_e_arcsec ORDER BY 1"
    answer = darkhalo("query", good_run.json["run_id"], sql, "--workspace", workspace, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["rows"] == [{"theta_e_arcsec": t, "n": ROWS // 3} for t in (0.3, 0.6, 1.0)]


def test_report_writes_the_page_again(good_run, workspace):
    answer = darkhalo("report", good_run.json["run_id"], "--workspace", workspace)
    assert answer.code == 0, answer.err
    page = Path(answer.out.strip())
    assert "GO" in page.read_text()
    assert page.stat().st_size < 5_000_000


def test_the_same_run_again_changes_no_byte_of_its_tables(good_run, workspace):
    run_dir = Path(good_run.json["run_dir"])
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.parquet")}
    again = darkhalo("run", "debug", "--bricks", 3, "--brick-pixels", 600, "--workspace", workspace,
                     "--run-id", good_run.json["run_id"], "--json")  # fmt: skip
    assert again.code == 0, again.err
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.parquet")} == before


def test_bad_bricks_become_rows_with_a_reason_and_the_gate_says_no(spoiled_run):
    assert spoiled_run.code == 3, spoiled_run.err
    answer = spoiled_run.json
    assert answer["verdict"] == "NO-GO"
    assert any("success_rate" in reason for reason in answer["reasons"])
    metrics = _table(answer["run_dir"], "metrics")
    assert len(metrics) == answer["rows"]
    bad = metrics.filter(~ds.field("cutout_ok"))
    reasons = Counter(bad["quarantine_reason"].to_pylist())
    assert set(reasons) == {"hash_mismatch", "missing_band"}
    assert answer["quarantined"] == len(bad) == sum(reasons.values())
    assert answer["quarantined_by_reason"] == reasons
    measured = [n for n in METRICS.names if n in ("arc_snr", "magnification", "total_injected_flux")]
    assert all(bad[name].null_count == len(bad) for name in measured)


def test_a_no_go_leads_to_no_selection_function_and_no_success(spoiled_run, workspace):
    run_dir = Path(spoiled_run.json["run_dir"])
    assert not (run_dir / "_SUCCESS.json").exists()
    assert not (run_dir / "selection_function").exists()
    assert "NO-GO" in (run_dir / "review.html").read_text()
    refused = darkhalo("select", "spoiled-1", "--workspace", workspace)
    assert refused.code == 2
    assert "verdict is NO-GO" in refused.err
    assert not (run_dir / "selection_function").exists()
