"""The closure section shows the table, and says what it has not."""

from __future__ import annotations

import pyarrow as pa

from pipeline.schema import CLOSURE
from report.folder import Frame, TableRead
from report.residuals import COLUMNS, closure
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
    assert flux[2:] == ("0.02", "0.005", "2")  # one beyond, one without
    assert l2[3:] == ("0.01", "0")
    assert len(section.charts) == 2


def test_no_closure_is_said() -> None:
    section = closure(TableRead(CLOSURE.name, Frame(pa.table({})), None, note="There is no closure table."))
    assert section.notes == ("There is no closure table.",)
