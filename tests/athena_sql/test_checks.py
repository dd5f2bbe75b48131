"""Every check on a run without a defect, and on runs with one planted: it has to answer both ways."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline.checks import CheckResult
from pipeline.schema import METRICS
from tests.athena_sql.synthetic import CHECKS, LAYOUT, Tables, make_run, plant, run_check, write_run

Judge = Callable[..., CheckResult]
ALL = set(CHECKS)
OF_CONTROLS = {"controls", "control_match"}
# What is counted is absent: nothing has failed, and nothing was shown.
ABSENT = OF_CONTROLS | {
    "closure", "flux_identity", "source_flux", "leakage", "stamp_hashes", "split_balance", "coverage",
    "source_positions", "brick_outliers", "snr_depth", "host_pixels", "realism", "prior", "split_fractions",
    "magnification_tail", "reruns", "light_noise", "closure_snr",
    "sky_closure", "orientation", "host_record",
}  # fmt: skip


def first_brick(row: dict[str, Any]) -> bool:
    return row["brickname"] == "0000p000"


def test_the_debug_tier_passes_all_but_the_controls_it_has_not(tmp_path: Any) -> None:
    tables = make_run(n_bricks=20, hosts_per_brick=18, seed=4)
    write_run(tmp_path, tables)
    answers = {name: run_check(tmp_path, name, 17280) for name in ALL}
    not_passed = {name: (one.status, one.message) for name, one in answers.items() if one.status != "PASS"}
    assert {name: status for name, (status, _) in not_passed.items()} == {
        "controls": "NOT_EXERCISED", "control_match": "NOT_EXERCISED", "reruns": "NOT_EXERCISED",
        "realism": "WARN", "light_noise": "NOT_EXERCISED",
    }  # fmt: skip
    assert answers["success_rate"].n == 17280
    assert "0 of 20 bricks failed, at most 13.9 % of bricks at 95 %" in answers["success_rate"].message
    assert answers["psf_provenance"].n == 360


def test_a_run_with_controls_passes_all(tmp_path: Any, mixed: Tables) -> None:
    write_run(tmp_path, mixed)
    answers = {name: run_check(tmp_path, name, len(mixed["manifest"])) for name in ALL}
    assert {name: one.status for name, one in answers.items() if one.status != "PASS"} == {
        "realism": "WARN", "reruns": "NOT_EXERCISED", "split_fractions": "INCONCLUSIVE",
        "light_noise": "NOT_EXERCISED",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_rows_never_pass(tmp_path: Any, name: str) -> None:
    assert run_check(tmp_path, name, 0).status in ("FAIL", "NOT_EXERCISED")
    assert (run_check(tmp_path, name, 0).status == "NOT_EXERCISED") == (name in ABSENT)


@pytest.mark.parametrize("name", sorted(ALL))
def test_another_run_changes_nothing(judge: Judge, clean: Tables, name: str, tmp_path: Any) -> None:
    alone = judge(clean, name)
    other = type(LAYOUT)(LAYOUT.tier, "r2")
    broken = plant(clean, "metrics", "cutout_ok", False)
    write_run(tmp_path, broken, other)
    assert run_check(tmp_path, name, 3456) == alone


# ------------------------------------------------------------------ schema


@pytest.mark.parametrize("table", ["manifest", "metrics", "stamps"])
def test_schema_misses_a_table(judge: Judge, clean: Tables, table: str) -> None:
    result = judge({**clean, table: clean[table].slice(0, 0)}, "schema")
    assert result.status == "FAIL"
    assert f"0 {table}" in result.message


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda t: t.drop_columns(["arc_snr"]), "metrics.arc_snr missing"),
        (lambda t: t.append_column("aaa", pa.array([1] * len(t))), "metrics.aaa extra"),
        (
            lambda t: t.set_column(2, "brickname", t["brickname"]).set_column(
                4, "ra", t["ra"].cast(pa.float32())
            ),
            "metrics.ra mistyped",
        ),
    ],
)
def test_schema_finds_columns(judge: Judge, clean: Tables, change: Any, finding: str) -> None:
    result = judge({**clean, "metrics": change(clean["metrics"])}, "schema")
    assert (result.status, result.statistic) == ("FAIL", 1.0)
    assert finding in result.message


# ------------------------------------------------------------------ success_rate


def test_success_rate_allows_one_percent_and_no_more(judge: Judge, clean: Tables) -> None:
    for rows, status in ((34, "PASS"), (35, "FAIL")):
        result = judge(plant(clean, "metrics", "metrics_ok", False, slice(0, rows)), "success_rate")
        assert result.status == status
        assert result.statistic == pytest.approx(rows / 3456)
        assert result.bound == 0.01


def test_success_rate_counts_bricks_not_rows(judge: Judge, clean: Tables) -> None:
    tables = plant(clean, "metrics", "metrics_ok", False, first_brick)
    assert "1 of 6 bricks failed" in judge(tables, "success_rate").message


def test_success_rate_lets_no_brick_fail_unseen(judge: Judge) -> None:
    """One brick of 110: 0.9 % of the rows."""
    tables = plant(make_run(110, 1), "metrics", "metrics_ok", False, first_brick)
    result = judge(tables, "success_rate")
    assert (result.status, result.statistic, result.bound) == ("FAIL", pytest.approx(1 / 110), 1e-3)


@pytest.mark.parametrize(
    ("table", "change", "count"),
    [
        ("metrics", lambda t: t.slice(5), 10),  # 5 rows missing, and 5 stamps without a row
        ("metrics", lambda t: pa.concat_tables([t, t.slice(0, 7)]), 7),
        ("manifest", lambda t: t.slice(3), 6),  # 3 fewer than expected, 3 rows unplanned
        ("stamps", lambda t: t.slice(4), 4),
        ("stamps", lambda t: pa.concat_tables([t, t.slice(0, 2)]), 2),
    ],
)
def test_success_rate_compares_keys(judge: Judge, clean: Tables, table: str, change: Any, count: int) -> None:
    result = judge({**clean, table: change(clean[table])}, "success_rate", 3456)
    assert (result.status, result.statistic, result.bound) == ("FAIL", count, 0.0)


def test_success_rate_compares_the_planned_number(judge: Judge, clean: Tables) -> None:
    assert judge(clean, "success_rate", 3457).status == "FAIL"


@pytest.mark.parametrize(("column", "value"), [("theta_e_arcsec", 2.0), ("host_id", "x"), ("shear", None)])
def test_success_rate_compares_values_with_the_manifest(
    judge: Judge, clean: Tables, column: str, value: object
) -> None:
    result = judge(plant(clean, "metrics", column, value, slice(10, 13)), "success_rate")
    assert (result.status, result.statistic) == ("FAIL", 3.0)
    assert "3 unlike the manifest" in result.message


def test_success_rate_takes_a_stamp_of_a_quarantined_row_for_stray(judge: Judge, clean: Tables) -> None:
    result = judge(plant(clean, "metrics", "cutout_ok", False, slice(0, 2)), "success_rate")
    assert (result.status, result.statistic) == ("FAIL", 2.0)


# ------------------------------------------------------------------ nulls


NULL_CELLS = [
    ("task_id", None), ("task_id", ""), ("ra", math.nan), ("is_control", None), ("theta_e_arcsec", None),
    ("src_flux_g_nmgy", None), ("psfsize_z", None), ("psf_source_g", ""), ("psf_fwhm_used_g", None),
    ("psf_beta", None), ("arc_snr", None), ("arc_snr", math.nan), ("total_injected_flux", math.inf),
    ("magnification", None), ("bad_pixel_frac", None), ("psfdepth_r", -math.inf),
    ("quarantine_reason", "corrupt"), ("mask_bright_frac", None),
]  # fmt: skip


def test_nulls_finds_every_cell(judge: Judge, clean: Tables) -> None:
    tables = clean
    for row, (column, value) in enumerate(NULL_CELLS):
        tables = plant(tables, "metrics", column, value, slice(row, row + 1))
    result = judge(tables, "nulls")
    assert (result.status, result.statistic, result.n) == ("FAIL", len(NULL_CELLS), 3456)
    found = Counter(column for column, _ in NULL_CELLS)
    assert all(f"{column} {count}, " in result.message for column, count in found.items())


@pytest.mark.parametrize(("column", "value"), [("arc_snr", math.nan), ("psf_source_r", None)])
def test_nulls_fails_for_one_cell(judge: Judge, clean: Tables, column: str, value: object) -> None:
    result = judge(plant(clean, "metrics", column, value, slice(17, 18)), "nulls")
    assert (result.status, result.statistic) == ("FAIL", 1.0)


def test_nulls_allows_what_the_schema_allows(judge: Judge, clean: Tables) -> None:
    tables = plant(plant(clean, "metrics", "psfdepth_g", None), "metrics", "mask_satur_i_frac", None)
    for name in METRICS.names:
        if METRICS.column(name).nullable and name not in clean["manifest"].column_names:
            tables = plant(tables, "metrics", name, None, slice(0, 5))
    tables = plant(tables, "metrics", "quarantine_reason", "off_edge", slice(0, 5))
    tables = plant(tables, "metrics", "cutout_ok", False, slice(0, 5))
    tables = plant(tables, "metrics", "metrics_ok", False, slice(0, 5))
    assert judge(tables, "nulls").status == "PASS"
    assert judge(plant(tables, "metrics", "quarantine_reason", None), "nulls").statistic == 5


def test_nulls_lets_a_gaussian_have_no_beta(judge: Judge, clean: Tables) -> None:
    tables = plant(plant(clean, "metrics", "psf_kind", "gaussian"), "metrics", "psf_beta", None)
    assert judge(tables, "nulls").status == "PASS"


# ------------------------------------------------------------------ ranges


FAR_CELLS = [
    ("dec", 91.0), ("lens_phi_rad", 45.0), ("psfsize_r", 0.0), ("total_injected_flux", 0.0),
    ("src_flux_z_nmgy", 0.0), ("magnification", 0.18), ("bad_pixel_frac", 1.2), ("region_id", -1),
    ("shear", 0.2), ("flux_in_stamp", math.nan), ("lens_model", "NFW"), ("offset_x_arcsec", -1.5),
]  # fmt: skip


def test_ranges_finds_every_cell(judge: Judge, clean: Tables) -> None:
    tables = clean
    for row, (column, value) in enumerate(FAR_CELLS):
        tables = plant(tables, "metrics", column, value, slice(row, row + 1))
    result = judge(tables, "ranges")
    assert (result.status, result.statistic) == ("FAIL", len(FAR_CELLS))
    assert all(f"{column} 1, " in result.message for column, _ in FAR_CELLS)


@pytest.mark.parametrize(("column", "value"), [("magnification", 0.999), ("psfsize_g", 0.0)])
def test_ranges_fails_for_one_cell(judge: Judge, clean: Tables, column: str, value: float) -> None:
    assert judge(plant(clean, "metrics", column, value, slice(9, 10)), "ranges").statistic == 1.0


def test_ranges_finds_truth_and_light_in_controls(judge: Judge, mixed: Tables) -> None:
    cells = [("theta_e_arcsec", 1.0), ("arc_snr", 3.0), ("magnification", 1.0), ("src_dmag", 1.0)]
    tables, control = mixed, mixed["metrics"]["is_control"].to_pylist().index(True)
    for row, (column, value) in enumerate(cells, start=control):
        tables = plant(tables, "metrics", column, value, slice(row, row + 1))
    result = judge(tables, "ranges")
    assert (result.status, result.statistic) == ("FAIL", 4.0)
    assert all(f"{column} in controls 1, " in result.message for column, _ in cells)


def test_ranges_lets_a_control_have_a_flux_of_zero(judge: Judge, mixed: Tables) -> None:
    tables = plant(mixed, "metrics", "total_injected_flux", 0.0, lambda row: row["is_control"])
    assert judge(tables, "ranges").status == "PASS"


# ------------------------------------------------------------------ controls


def test_controls_are_inconclusive_when_few(judge: Judge) -> None:
    result = judge(make_run(controls_per_host=9), "controls")
    assert (result.status, result.n) == ("INCONCLUSIVE", 648)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("image_hash", lambda row: "0" if row["is_control"] else row["image_hash"]),
        ("image_hash", lambda row: row["raw_hash"]),
        ("is_control", lambda row: not row["is_control"]),
    ],
)
def test_controls_finds_one_stamp(judge: Judge, mixed: Tables, column: str, value: Any) -> None:
    found = []
    for start in (0, 50):  # an injection and a control
        result = judge(plant(mixed, "stamps", column, value, slice(start, start + 1)), "controls")
        found.append((result.status, result.statistic))
    assert ("FAIL", 1.0) in found
    assert set(found) <= {("FAIL", 1.0), ("PASS", 0.0)}


def test_controls_fails_where_planned_ones_are_missing(judge: Judge, mixed: Tables) -> None:
    keep = pa.array([not c for c in mixed["metrics"]["is_control"].to_pylist()])
    assert judge({**mixed, "metrics": mixed["metrics"].filter(keep)}, "controls").status == "FAIL"


def test_controls_finds_injections_of_nothing_even_without_controls(judge: Judge, clean: Tables) -> None:
    tables = plant(clean, "stamps", "image_hash", lambda row: row["raw_hash"], slice(0, 3))
    assert (judge(tables, "controls").status, judge(tables, "controls").statistic) == ("FAIL", 3.0)


# ------------------------------------------------------------------ maskbits


def test_maskbits_finds_inverted_bits(judge: Judge, clean: Tables) -> None:
    result = judge(
        plant(clean, "metrics", "bad_pixel_frac", lambda row: 1 - row["bad_pixel_frac"]), "maskbits"
    )
    assert (result.status, result.bound) == ("FAIL", 0.5)
    assert result.statistic == pytest.approx(1.0)


def test_maskbits_refuses_what_the_earlier_tier_had(judge: Judge, clean: Tables) -> None:
    for rows, status in ((345, "PASS"), (349, "FAIL")):
        result = judge(plant(clean, "metrics", "bad_pixel_frac", 0.3, slice(0, rows)), "maskbits")
        assert (result.status, result.statistic, result.bound) == (status, pytest.approx(rows / 3456), 0.1)


@pytest.mark.parametrize(
    ("column", "value"),
    [("bad_pixel_frac", -0.1), ("wise_brightmask_frac", 1.1), ("bad_pixel_frac", math.nan)],
)
def test_maskbits_allows_fractions_only(judge: Judge, clean: Tables, column: str, value: float) -> None:
    result = judge(plant(clean, "metrics", column, value, slice(0, 2)), "maskbits")
    assert (result.status, result.statistic) == ("FAIL", 2.0)


def test_maskbits_warns_of_masks_that_are_all_the_same(judge: Judge, clean: Tables) -> None:
    assert judge(plant(clean, "metrics", "bad_pixel_frac", 0.1), "maskbits").status == "WARN"


@pytest.mark.parametrize(("bricks", "status"), [(12, "PASS"), (13, "WARN")])
def test_maskbits_takes_150_hosts_without_a_bit_for_masks_not_read(
    judge: Judge, bricks: int, status: str
) -> None:
    tables = plant(make_run(n_bricks=bricks), "metrics", "mask_medium_frac", 0.0)
    assert judge(tables, "maskbits").status == status
    touched = plant(tables, "metrics", "mask_nprimary_frac", 0.01, slice(0, 48))
    assert judge(touched, "maskbits").status == "PASS"


def test_maskbits_needs_hosts(judge: Judge) -> None:
    assert judge(make_run(n_bricks=2), "maskbits").status == "INCONCLUSIVE"
