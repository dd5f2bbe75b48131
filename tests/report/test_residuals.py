"""The closure section shows the table, and says what it has not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.closure_rates import BOUNDS
from pipeline.schema import CLOSURE
from report.folder import Frame, TableRead
from report.residuals import COLUMNS, closure, l2_of
from tests.athena_sql.synthetic import make_run


def read(table: pa.Table) -> TableRead:
    return TableRead(CLOSURE.name, Frame(table.select(COLUMNS)), len(table), 1)


def test_each_quantity_has_its_bound_and_its_count() -> None:
    table = make_run(n_bricks=2)["closure"]
    place = table.column_names.index("closure_flux_g")
    values = [0.02, None, *table["closure_flux_g"].to_pylist()[2:]]
    section = closure(read(table.set_column(place, "closure_flux_g", pa.array(values, pa.float64()))))
    (shown,) = section.tables
    flux, l2 = shown.rows[:2]
    assert flux[2:] == ("0.02", f"{BOUNDS['flux']:g}", "2")  # one beyond, one without
    assert l2[3:] == (f"{BOUNDS['l2']:g}", "0")
    assert len(section.charts) == 2


def test_no_closure_is_said() -> None:
    section = closure(TableRead(CLOSURE.name, Frame(pa.table({})), None, note="There is no closure table."))
    assert section.notes == ("There is no closure table.",)


def changed(table: pa.Table, **columns: list[float | None]) -> pa.Table:
    """The table with other first values in these columns, NULL after them."""
    for name, values in columns.items():
        column = pa.array([*values, *[None] * (len(table) - len(values))], pa.float64())
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def test_what_the_noise_leaves_is_shown_where_light_has_noise() -> None:
    table = make_run(n_bricks=2)["closure"]
    without = closure(read(changed(table, **{f"closure_noise_{band}": [] for band in "grz"})))
    assert not [row for row in without.tables[0].rows if "noise" in row[0]]
    assert "No row of the sample has noise of its light" in without.notes[0]
    left = {f"closure_noise_{band}": [1e-9, 0.15 if band == "z" else 1e-9] for band in "grz"}
    noisy = closure(read(changed(table, **left)))
    (line,) = [row for row in noisy.tables[0].rows if "noise" in row[0]]
    # of all rows of the sample one is within, one beyond, the others have none though there is noise
    assert line[2:] == ("0.15", "0.005", f"{len(table) - 1}")
    assert noisy.notes == ()
    assert len(noisy.charts) == len(without.charts) + 1


def test_rows_of_metrics_find_their_deviation_by_their_task() -> None:
    table = changed(make_run(n_bricks=2)["closure"], closure_l2_r=[0.4, 0.02])
    first, second = table["task_id"].to_pylist()[:2]
    metrics = Frame(pa.table({"task_id": [second, "another", first]}))
    assert l2_of(metrics, read(table)).tolist()[::2] == [0.02, 0.4]
    assert np.isnan(l2_of(metrics, read(table))[1])
    assert np.isnan(l2_of(metrics, TableRead(CLOSURE.name, Frame(pa.table({})), None))).all()
