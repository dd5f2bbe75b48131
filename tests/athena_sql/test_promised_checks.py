"""The checks that hold a run to its tier's settings, and to an earlier run: each planted defect fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import prior
from pipeline.checks import CheckResult
from pipeline.parquet import from_columns
from pipeline.schema import BANDS, MANIFEST
from pipeline.settings import HostChoice
from pipeline.storage import RunLayout
from pipeline.tier import load_tier
from tests.athena_sql.synthetic import LAYOUT, TIER, Tables, make_run, plant, run_check, write_run

Judge = Callable[..., CheckResult]
PILOT = load_tier("pilot")


def shrunk(row: dict[str, Any], axis: str) -> float:
    """The position that a radius uniform in r instead of r^2 would have given."""
    radius = np.hypot(row["src_x_arcsec"], row["src_y_arcsec"])
    return float(row[f"src_{axis}_arcsec"] * radius / row["theta_e_arcsec"])


def uniform_in_radius(tables: Tables, table: str) -> Tables:
    at_x = plant(tables, table, "src_x_arcsec", lambda row: shrunk(row, "x"))
    y = plant(tables, table, "src_y_arcsec", lambda row: shrunk(row, "y"))[table]["src_y_arcsec"]
    place = at_x[table].column_names.index("src_y_arcsec")
    return {**at_x, table: at_x[table].set_column(place, "src_y_arcsec", y)}


# ------------------------------------------------------------------ prior


@pytest.mark.parametrize(
    ("column", "value", "rows"),
    [
        ("theta_e_arcsec", 0.31, slice(7, 8)),
        ("src_n_sersic", 4.0, slice(7, 8)),
        ("src_flux_g_nmgy", lambda row: row["src_flux_g_nmgy"] * 1.02, slice(7, 8)),
        ("src_flux_z_nmgy", lambda row: row["src_flux_r_nmgy"] ** 2 / row["src_flux_z_nmgy"], slice(7, 8)),
        ("src_flux_r_nmgy", 0.0, slice(7, 8)),
        ("lens_e", lambda row: row["lens_e"] * 1.5, None),
        ("lens_e", lambda row: row["lens_e"] ** 2 / 0.3, None),
        ("shear", 0.03, slice(0, 1)),
    ],
)
def test_prior_knows_a_grid_s_values(judge: Judge, clean: Tables, column: str, value: Any, rows: Any) -> None:
    assert judge(clean, "prior").status == "PASS"
    assert judge(plant(clean, "manifest", column, value, rows), "prior").status == "FAIL"


def test_prior_knows_radii_uniform_in_area(judge: Judge, clean: Tables) -> None:
    result = judge(uniform_in_radius(clean, "manifest"), "prior")
    assert (result.status, result.bound) == ("FAIL", 3.0)
    assert "source radius" in result.message


def test_prior_misses_a_lost_point_of_the_grid(judge: Judge, clean: Tables) -> None:
    kept = np.arange(len(clean["manifest"])) % 48 != 5
    result = judge({**clean, "manifest": clean["manifest"].filter(pa.array(kept))}, "prior")
    assert (result.status, result.statistic) == ("FAIL", 1.0)


def drawn(n: int = 4000) -> dict[str, np.ndarray]:
    """Injections of the pilot's prior as the planner draws them, without its hosts."""
    rng = np.random.default_rng(3)
    hosts = {
        "flux_z_nmgy": 10 ** rng.uniform(1, 2, n),
        "shape_e1": rng.normal(0, 0.1, n), "shape_e2": rng.normal(0, 0.1, n),
    }  # fmt: skip
    made = {"host_flux_z_nmgy": hosts["flux_z_nmgy"]} | prior.draw(
        hosts, rng.uniform(size=(len(prior.USES), n)), PILOT.prior
    )
    mags = {
        "g": made["src_mag_r"] + made["src_color_g_r"], "r": made["src_mag_r"],
        "z": made["src_mag_r"] - made["src_color_r_z"],
    }  # fmt: skip
    return {**made, **{f"src_flux_{b}_nmgy": 10 ** (-0.4 * (mags[b] - 22.5)) for b in BANDS}}


def write_manifest(folder: Path, columns: dict[str, np.ndarray]) -> CheckResult:
    n = len(columns["shear"])
    identity = {
        "task_id": [f"{i:032x}" for i in range(n)], "experiment_id": ["x"] * n, "brickname": ["0000p000"] * n,
        "host_id": [f"1-1-{i}" for i in range(n)], "ra": np.zeros(n), "dec": np.zeros(n),
        "region_id": np.zeros(n, int), "lens_model": ["SIE"] * n, "is_control": np.zeros(n, bool),
        "task_seed64": np.arange(n), "host_mag_r": np.full(n, 19.0), "src_dmag": columns["src_mag_r"] - 19.0,
        **{f"psfdepth_{b}": np.full(n, 500.0) for b in BANDS},
        **{f"host_flux_{b}_nmgy": np.full(n, 10 ** (0.4 * 3.5)) for b in BANDS},
    }  # fmt: skip
    own = {name: values for name, values in columns.items() if name in MANIFEST.names}
    write_run(folder, {"manifest": from_columns(MANIFEST, {**identity, **own})})
    return run_check(folder, "prior", n, tier=PILOT)


def test_prior_agrees_with_the_planner(tmp_path: Path) -> None:
    result = write_manifest(tmp_path, drawn())
    assert result.status == "PASS", result.message
    assert "of 9 drawn quantities" in result.message


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: {b: d[b] * 10 for b in d if b.startswith("src_flux")}, "outside"),  # zero point 25
        (lambda d: {"src_flux_z_nmgy": d["src_flux_r_nmgy"] ** 2 / d["src_flux_z_nmgy"]}, "colour r - z"),
        (lambda d: {"src_flux_g_nmgy": d["src_flux_r_nmgy"] ** 2 / d["src_flux_g_nmgy"]}, "outside"),
        (lambda d: {"src_reff_arcsec": d["src_reff_arcsec"] / 2}, "src_reff_arcsec"),
        (lambda d: {"src_n_sersic": np.sqrt(d["src_n_sersic"])}, "src_n_sersic"),
        (lambda d: {"src_e": (1 - d["src_e"]) / (1 + d["src_e"])}, "src_e"),
        (lambda d: {"shear": d["shear"] / 2}, "shear"),
        (lambda d: {"lens_phi_rad": (d["lens_phi_rad"] + np.pi / 2) % np.pi}, "source radius"),
        (lambda d: {"theta_e_arcsec": d["theta_e_arcsec"] * 0.262}, "outside"),
        (lambda d: {"theta_e_arcsec": 0 * d["theta_e_arcsec"] + 1.2}, "outside"),
        (lambda d: {"host_flux_z_nmgy": 0.5 * d["host_flux_z_nmgy"]}, "theta_e_arcsec at its host's light"),
        (
            lambda d: {"lens_phi_rad": d["lens_phi_rad"][np.arange(len(d["lens_phi_rad"])) // 2]},
            "drawn twice",
        ),
        (lambda d: {"lens_e": 0 * d["lens_e"] + 0.56}, "outside"),
    ],
)
def test_prior_holds_each_quantity_to_its_law(tmp_path: Path, spoil: Any, said: str) -> None:
    columns = drawn()
    result = write_manifest(tmp_path, {**columns, **spoil(columns)})
    assert result.status == "FAIL", result.message
    assert said in result.message


def test_prior_needs_rows(tmp_path: Path) -> None:
    assert write_manifest(tmp_path, {k: v[:900] for k, v in drawn().items()}).status == "INCONCLUSIVE"


@pytest.mark.parametrize("lost", ["lens_e", "src_x_arcsec"])
def test_prior_misses_a_quantity_that_is_null_everywhere(judge: Judge, clean: Tables, lost: str) -> None:
    result = judge(plant(clean, "manifest", lost, None), "prior")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 1.0, 0.0)
    assert "1 quantities have no value" in result.message


# ------------------------------------------------------------------ split_fractions


@pytest.fixture(scope="module")
def patchwork() -> Tables:
    """A manifest over 600 blocks of the sky, as the pilot's hash deals them."""
    table = make_run(n_bricks=600, hosts_per_brick=1)["manifest"]
    table = table.filter(pa.array(np.arange(len(table)) % 24 == 0))
    place = table.column_names.index("region_id")
    return {"manifest": table.set_column(place, "region_id", pa.array(np.arange(1200) // 2 * 16))}


def dealt(folder: Path, tables: Tables, shares: tuple[float, ...], tier: Any) -> CheckResult:
    """The blocks in the shares of a random deal."""
    split = np.random.default_rng(5).choice(3, 600, p=shares).repeat(2)
    for number, name in enumerate(("train", "val", "test")):
        part = folder / f"manifest/tier=debug/run_id=r1/region_split={name}"
        part.mkdir(parents=True)
        pq.write_table(tables["manifest"].filter(pa.array(split == number)), part / "part-00000.parquet")
    return run_check(folder, "split_fractions", 1200, tier=tier)


@pytest.mark.parametrize(
    ("shares", "status"),
    [((0.7, 0.15, 0.15), "PASS"), ((0.26, 0.39, 0.35), "FAIL"), ((0.15, 0.15, 0.7), "FAIL")],
)
def test_split_fractions_allows_what_chance_gives(
    tmp_path: Path, patchwork: Tables, shares: tuple[float, ...], status: str
) -> None:
    result = dealt(tmp_path, patchwork, shares, PILOT)
    assert (result.status, result.n) == (status, 600), result.message


def test_few_blocks_cannot_tell_a_split_s_share(judge: Judge, tmp_path: Path, clean: Tables) -> None:
    write_run(tmp_path, clean)
    assert run_check(tmp_path, "split_fractions", tier=PILOT).status == "INCONCLUSIVE"


def test_as_many_hosts_of_each_split_are_counted_to_the_row(tmp_path: Path, clean: Tables) -> None:
    exact = replace(TIER, hosts=HostChoice(per_split=24))
    write_run(tmp_path / "a", clean)
    assert run_check(tmp_path / "a", "split_fractions", tier=exact).status == "PASS"
    write_run(tmp_path / "b", {"manifest": clean["manifest"].slice(1)})
    assert run_check(tmp_path / "b", "split_fractions", tier=exact).status == "FAIL"


# ------------------------------------------------------------------ magnification_tail


@pytest.fixture(scope="module")
def many() -> Tables:
    return make_run(n_bricks=20, hosts_per_brick=12, seed=2)


def test_the_tail_is_that_of_lensing(judge: Judge, many: Tables) -> None:
    assert judge(many, "magnification_tail").status == "PASS"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda row: 11.0,  # a proxy at one radius
        lambda row: min(row["magnification"], 5.5),
        lambda row: row["magnification"] ** 0.5 * 2,
        lambda row: 2 * row["theta_e_arcsec"] / np.hypot(shrunk(row, "x"), shrunk(row, "y")),
    ],
)  # fmt: skip
def test_another_tail_fails(judge: Judge, many: Tables, wrong: Any) -> None:
    assert judge(plant(many, "metrics", "magnification", wrong), "magnification_tail").status == "FAIL"


def test_the_tail_needs_rows_and_reach(judge: Judge, many: Tables) -> None:
    few = make_run(n_bricks=3, hosts_per_brick=6)
    assert judge(few, "magnification_tail").status == "INCONCLUSIVE"
    near = plant(many, "metrics", "src_x_arcsec", 0.0)
    near = plant(near, "metrics", "src_y_arcsec", 0.1)
    assert judge(near, "magnification_tail").status == "NOT_EXERCISED"


def test_no_tail_at_all_fails(judge: Judge, many: Tables) -> None:
    capped = plant(many, "metrics", "magnification", lambda row: min(row["magnification"], 2.9))
    result = judge(capped, "magnification_tail")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 0.0, 0.05)
    few = {"manifest": capped["manifest"], "metrics": capped["metrics"].slice(0, 480)}
    assert judge(few, "magnification_tail").status == "NOT_EXERCISED"


def test_the_tail_s_lower_bound_is_a_rate(judge: Judge) -> None:
    few = make_run(n_bricks=1, hosts_per_brick=6)
    none_high = plant(few, "metrics", "magnification", lambda row: min(row["magnification"], 5.5))
    result = judge(none_high, "magnification_tail")
    assert result.status == "INCONCLUSIVE"
    assert "and chance 0.000 to" in result.message


# ------------------------------------------------------------------ reruns


def again(folder: Path, tables: Tables, second: Tables, earlier_run: str = "r0") -> CheckResult:
    for run, layout in ((tables, RunLayout(LAYOUT.tier, "r0")), (second, LAYOUT)):
        write_run(folder, {name: run[name] for name in ("metrics", "stamps")}, layout)
    return run_check(folder, "reruns", earlier_run=earlier_run)


def test_the_same_bytes_again_pass(tmp_path: Path, clean: Tables) -> None:
    result = again(tmp_path, clean, clean)
    assert (result.status, result.statistic, result.n) == ("PASS", 0.0, 3456)


def test_no_earlier_run_is_no_pass(tmp_path: Path, clean: Tables) -> None:
    assert again(tmp_path, clean, clean, "").status == "NOT_EXERCISED"


def test_two_stamps_are_too_few_to_compare(tmp_path: Path, clean: Tables) -> None:
    two = {name: clean[name].slice(0, 2) for name in ("metrics", "stamps")}
    assert again(tmp_path, two, two).status == "INCONCLUSIVE"


@pytest.mark.parametrize(("column", "status"), [("image_hash", "FAIL"), ("raw_hash", "WARN")])
def test_one_other_stamp_is_found(tmp_path: Path, clean: Tables, column: str, status: str) -> None:
    result = again(tmp_path, clean, plant(clean, "stamps", column, "0123", slice(7, 8)))
    assert result.status == status
    if status == "FAIL":
        assert f"1 differ ({7:032x})" in result.message


def test_a_stamp_of_one_run_only_is_found(tmp_path: Path, clean: Tables) -> None:
    result = again(tmp_path, clean, {**clean, "stamps": clean["stamps"].slice(2)})
    assert (result.status, result.statistic) == ("FAIL", 2.0)


@pytest.mark.parametrize("mended", [True, False])
def test_what_one_run_quarantined_is_no_difference(tmp_path: Path, clean: Tables, mended: bool) -> None:
    lacking = plant(clean, "metrics", "cutout_ok", False, slice(0, 2))
    lacking = {**lacking, "stamps": clean["stamps"].slice(2)}
    result = again(tmp_path, *((lacking, clean) if mended else (clean, lacking)))
    assert (result.status, result.statistic) == ("WARN", 0.0)
    assert "2 more were quarantined in one" in result.message


# ------------------------------------------------------------------ which row it was


@pytest.mark.parametrize(
    ("name", "table", "column", "value"),
    [
        ("ranges", "metrics", "shear", 0.2),
        ("nulls", "metrics", "arc_snr", None),
        ("magnification", "metrics", "magnification", 0.5),
        ("success_rate", "metrics", "theta_e_arcsec", 0.4),
        ("source_flux", "manifest", "src_dmag", 5.0),
    ],
)
def test_the_row_is_named(
    judge: Judge, clean: Tables, name: str, table: str, column: str, value: Any
) -> None:
    result = judge(plant(clean, table, column, value, slice(100, 102)), name)
    assert result.status == "FAIL"
    assert f"{100:032x}" in result.message


def test_a_leaking_host_and_brick_are_named(judge: Judge, clean: Tables) -> None:
    tables = plant(clean, "manifest", "host_id", "10000-1-12", slice(0, 48))
    assert "the first host is 10000-1-12" in judge(tables, "leakage").message


def test_a_mask_that_was_not_applied_is_out_of_range(judge: Judge, clean: Tables) -> None:
    tables = plant(clean, "metrics", "mask_bright_frac", 0.9, slice(7, 8))
    result = judge(tables, "ranges")
    assert (result.status, result.statistic) == ("FAIL", 1.0)
    assert "bad_pixel_frac below mask_bright_frac 1, " in result.message
