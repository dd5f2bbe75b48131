"""Split against every other quantity: a confounded design shows in the row that carries it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from report.folder import Frame
from report.tallies import split_by_others

N = 600


def rows(**changes: Any) -> Frame:
    """Rows of two splits in turn, every tenth a control, with quantities that no split prefers."""
    place = np.arange(N)
    columns = {
        "region_split": np.array(["train", "val"])[place % 2], "is_control": place % 10 == 9,
        "src_dmag": 1.0 + place // 2 % 2, "shear": np.full(N, 0.03), "psfdepth_r": 25.0 + place // 2,
    }  # fmt: skip
    return Frame(pa.table({**columns, **changes}))


def line(frame: Frame, heading: str) -> tuple[str, ...]:
    table = split_by_others(frame)
    assert table is not None
    assert table.header == ("quantity", "train", "val", "all", "largest gap (points)")
    return next(row for row in table.rows if row[0].startswith(heading))


def test_controls_are_left_out_and_shares_are_of_the_split() -> None:
    assert line(rows(), "shear 0.03") == ("shear 0.03", "300 (100 %)", "240 (100 %)", "540 (100 %)", "0")


def test_a_split_with_more_of_a_value_shows_a_gap() -> None:
    place = np.arange(N)
    bright = rows(src_dmag=np.where((place % 2 == 1) | (place < 150), 1.0, 2.0))
    # of train 75 of 300 are 1, of val all 240: 315 of 540 in all, 25 % against 58.3 %, 100 % against 58.3 %
    found = line(bright, "dmag 1 mag")
    assert found[1:] == ("75 (25 %)", "240 (100 %)", "315 (58.3 %)", "42")
    assert float(line(rows(), "dmag 1 mag")[-1]) < 1


def test_a_quantity_of_many_values_is_cut_into_four_and_an_absent_one_is_left_out() -> None:
    table = split_by_others(rows())
    assert table is not None
    depths = [row for row in table.rows if row[0].startswith("depth r 22.5")]
    assert depths, table.rows
    assert sum(row[0].startswith("depth") for row in table.rows) == 4
    assert not [row for row in table.rows if row[0].startswith("psfsize_r")]
    assert split_by_others(Frame(pa.table({"region_split": ["train"]}))) is None
