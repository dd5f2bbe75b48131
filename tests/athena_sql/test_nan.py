"""NaN cannot hide: engines drop its rows from comparisons by the statistics of Parquet.

`x > limit` and `x <> y` lose a NaN row where the statistics of a row group say that no value is beyond it
(duckdb/duckdb#25521). So NaN is written into every float column, in one row group and in small ones, and the
check that owns the column is asked with the engine's optimizer and without.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_cloud.athena_engine import engine
from pipeline.checks import CheckResult
from pipeline.schema import CHECK_RESULTS, CLOSURE, MANIFEST, METRICS, SELECTION_FUNCTION, SKY, TABLES, Table
from tests.athena_sql.synthetic import Tables, plant, run_check, write_run

NAN = float("nan")


def floats(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.type in ("double", "float")]


def with_nan(table: pa.Table, column: str, row: int) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = NAN
    place, field = table.column_names.index(column), table.schema.field(column)
    return table.set_column(place, field, pa.array(values, field.type))


@pytest.fixture(params=["one row group", "small row groups"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "small row groups":
        real = pq.write_table
        monkeypatch.setattr(pq, "write_table", lambda *a, **k: real(*a, row_group_size=100, **k))
    return request.param


@pytest.fixture(params=["optimizer", "no optimizer"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no optimizer":
        real = engine.register

        def register(connection: object) -> None:
            real(connection)
            connection.execute("PRAGMA disable_optimizer")

        monkeypatch.setattr(engine, "register", register)
    return request.param


def judged(tmp_path: Path, tables: Tables, name: str) -> CheckResult:
    write_run(tmp_path, tables)
    return run_check(tmp_path, name, len(tables["manifest"]))


def test_nan_in_any_column_of_metrics_is_named(tmp_path, clean, written, asked) -> None:
    """Each column's NaN in a row of its own, so that none shows another's."""
    table = clean["metrics"]
    for row, column in enumerate(floats(METRICS)):
        table = with_nan(table, column, 7 * row)
    result = judged(tmp_path, {**clean, "metrics": table}, "nulls")
    assert (result.status, result.statistic) == ("FAIL", len(floats(METRICS)))
    named = {part.rsplit(" ", 1)[0] for part in result.message.split(": ", 1)[1].split(", ")}
    assert set(floats(METRICS)) <= named


@pytest.mark.parametrize("column", [c for c in floats(MANIFEST) if c not in METRICS.names])
def test_nan_in_a_column_of_the_manifest_alone_is_named(tmp_path, clean, written, asked, column) -> None:
    table = with_nan(clean["manifest"], column, 700)
    assert judged(tmp_path, {**clean, "manifest": table}, "source_flux").status == "FAIL"


def test_nan_in_any_column_that_manifest_and_metrics_share_is_counted(
    tmp_path, clean, written, asked
) -> None:
    table = clean["manifest"]
    shared = [column for column in floats(MANIFEST) if column in METRICS.names]
    for row, column in enumerate(shared):
        table = with_nan(table, column, 7 * row)
    result = judged(tmp_path, {**clean, "manifest": table}, "success_rate")
    assert (result.status, result.statistic) == ("FAIL", len(shared))
    assert f"{len(shared)} unlike the manifest" in result.message


def test_nan_in_any_column_of_closure_is_counted(tmp_path, clean, written, asked) -> None:
    table = clean["closure"]
    for row, column in enumerate(floats(CLOSURE)):
        table = with_nan(table, column, 3 * row)
    result = judged(tmp_path, {**clean, "closure": table}, "closure")
    assert (result.status, result.statistic) == ("FAIL", len(floats(CLOSURE)))


def test_nan_in_any_column_of_sky_is_counted(tmp_path, clean, written, asked) -> None:
    table = clean["sky"]
    for row, column in enumerate(floats(SKY)):
        table = with_nan(table, column, 2 * row)
    result = judged(tmp_path, {**clean, "sky": table}, "sky_closure")
    assert (result.status, result.statistic) == ("FAIL", len(floats(SKY)))


ALL, ONE = slice(None), slice(7, 8)
JUDGED = [
    *[("brick_outliers", "metrics", f"sky_noise_{band}", ONE, "FAIL") for band in "grz"],
    ("brick_outliers", "metrics", "host_x_arcsec", ONE, "FAIL"),
    ("brick_outliers", "metrics", "arc_snr", ONE, "FAIL"),
    ("coverage", "manifest", "theta_e_arcsec", ALL, "FAIL"),
    ("coverage", "manifest", "src_dmag", ALL, "FAIL"),
    *[("magnification", "metrics", name, ONE, "FAIL") for name in ("theta_e_arcsec", "src_n_sersic")],
    ("magnification_tail", "metrics", "src_x_arcsec", ALL, "NOT_EXERCISED"),
    ("source_positions", "manifest", "src_phi_rad", ONE, "FAIL"),
    ("source_positions", "manifest", "src_x_arcsec", ALL, "FAIL"),
    ("split_balance", "metrics", "src_e", ONE, "FAIL"),
]


@pytest.mark.parametrize(("check", "table", "column", "rows", "status"), JUDGED)
def test_a_check_does_not_pass_over_nan_in_what_it_judges(
    tmp_path, clean, asked, check, table, column, rows, status
) -> None:
    """Trino's max() leaves NaN out, and NaN is not above a bound."""
    tables = plant(clean, table, column, NAN, rows)
    assert judged(tmp_path, clean, check).status != "FAIL"
    assert judged(tmp_path, tables, check).status == status


def test_no_other_table_that_the_gate_reads_has_floats() -> None:
    judged_here, after_the_gate = {MANIFEST, METRICS, CLOSURE, SKY}, {CHECK_RESULTS, SELECTION_FUNCTION}
    assert not [table.name for table in set(TABLES) - judged_here - after_the_gate if floats(table)]
