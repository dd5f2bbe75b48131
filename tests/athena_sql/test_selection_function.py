"""4d against a count by hand, and its intervals against closed forms."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.checks import selection_function_sql
from pipeline.parquet import from_rows
from pipeline.schema import SELECTION_FUNCTION
from tests.athena_sql.synthetic import LAYOUT, Tables, make_run, plant, write_run


def cells(folder: Path, tables: Tables) -> list[dict[str, Any]]:
    write_run(folder, {"metrics": tables["metrics"]})
    result = Engine(FolderCatalogue(folder)).execute(selection_function_sql(LAYOUT))
    names = [name for name, _ in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


@pytest.fixture
def varied(mixed: Tables) -> Tables:
    """SNRs on both sides of 5, some dirty stamps, some failures, psfsizes small enough to resolve."""
    rng = np.random.default_rng(2)
    tables = plant(mixed, "metrics", "arc_snr", lambda row: None if row["is_control"] else rng.uniform(0, 12))
    tables = plant(tables, "metrics", "psfsize_r", lambda row: 0.7 + 0.05 * (int(row["host_id"][-1]) % 5))
    tables = plant(tables, "metrics", "bad_pixel_frac", 0.3, slice(0, 300))
    return plant(tables, "metrics", "cutout_ok", False, slice(300, 320))


def test_columns_are_the_schemas(tmp_path: Path, varied: Tables) -> None:
    rows = cells(tmp_path, varied)
    assert list(rows[0]) == list(SELECTION_FUNCTION.names)
    assert len(from_rows(SELECTION_FUNCTION, rows)) == len(rows)


def test_cells_are_those_of_a_count_by_hand(tmp_path: Path, varied: Tables) -> None:
    n, recovered, detected, hosts = Counter(), Counter(), Counter(), {}
    for row in varied["metrics"].to_pylist():
        if row["is_control"] or not row["cutout_ok"] or not row["metrics_ok"]:
            continue
        resolution = row["theta_e_arcsec"] / row["psfsize_r"]
        depth = 22.5 - 2.5 * math.log10(5 / math.sqrt(row["psfdepth_r"]))
        cell = (
            row["theta_e_arcsec"], row["src_dmag"], row["src_reff_arcsec"],
            max(edge for edge in (0, 0.4, 0.6, 0.8, 1.0) if resolution >= edge),
            math.floor(row["psfsize_r"] * 10 + 1e-9) / 10, math.floor(depth * 4 + 1e-9) / 4,
        )  # fmt: skip
        clean = row["bad_pixel_frac"] <= 0.2 and row["wise_brightmask_frac"] <= 0.2
        for cut in ("all", "clean") if clean else ("all",):
            n[cut, *cell] += 1
            detected[cut, *cell] += row["arc_snr"] >= 5
            recovered[cut, *cell] += row["arc_snr"] >= 5 and resolution >= 0.8
            hosts.setdefault((cut, *cell), set()).add(row["host_id"])
    found = {
        tuple(row[name] for name in SELECTION_FUNCTION.names[:7]): row for row in cells(tmp_path, varied)
    }
    assert set(found) == set(n)
    assert 0 < sum(recovered.values()) < sum(detected.values())
    for cell, row in found.items():
        by_hand = (n[cell], len(hosts[cell]), recovered[cell], detected[cell])
        assert (row["n"], row["n_hosts"], row["n_recovered"], row["n_detected"]) == by_hand
        assert row["completeness"] == recovered[cell] / n[cell]


def test_grid_values_are_labels_as_they_are(tmp_path: Path, varied: Tables) -> None:
    rows = cells(tmp_path, varied)
    assert {row["theta_e_arcsec"] for row in rows} == {0.3, 0.6, 1.0}
    assert {row["src_reff_arcsec"] for row in rows} == {0.08, 0.15}


def test_intervals_are_wilsons(tmp_path: Path, varied: Tables) -> None:
    for row in cells(tmp_path, varied):
        n, p, z = row["n"], row["completeness"], 1.959963984540054
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert row["wilson_low"] == pytest.approx(max(0, middle - half), abs=1e-12)
        assert row["wilson_high"] == pytest.approx(min(1, middle + half), abs=1e-12)
        assert 0 <= row["wilson_low"] <= p <= row["wilson_high"] <= 1


def test_an_edge_belongs_to_the_bin_above_it(tmp_path: Path) -> None:
    tables = make_run(n_bricks=1, hosts_per_brick=2)
    for psfsize in (0.7, 1.1, 1.3, 2.3):
        rows = cells(tmp_path, plant(tables, "metrics", "psfsize_r", psfsize))
        assert {row["psfsize_low"] for row in rows} == {psfsize}


def test_without_depth_there_is_a_cell_of_its_own(tmp_path: Path) -> None:
    tables = plant(make_run(n_bricks=1, hosts_per_brick=2), "metrics", "psfdepth_r", None)
    assert {row["depth_low"] for row in cells(tmp_path, tables)} == {None}


def test_a_prior_is_binned_and_labelled_by_the_centre(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    tables = plant(
        make_run(n_bricks=1), "metrics", "theta_e_arcsec", lambda row: float(rng.uniform(0.5, 2)), slice(None)
    )
    labels = {row["theta_e_arcsec"] for row in cells(tmp_path, tables)}
    assert labels == {round(0.55 + 0.1 * i, 2) for i in range(15)}


def test_failures_and_controls_are_no_misses(tmp_path: Path, mixed: Tables) -> None:
    tables = plant(mixed, "metrics", "metrics_ok", False, slice(0, 58))
    assert sum(row["n"] for row in cells(tmp_path, tables) if row["cut"] == "all") == 107 * 48
