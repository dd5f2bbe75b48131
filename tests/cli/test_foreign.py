"""The earlier pipeline's debug tier, built from its printed statistics, is judged by what it has."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.validate import judge_folder
from pipeline.errors import InputError

GRID = tuple(product((0.3, 0.6, 1.0), (1.0, 2.0), (0.08, 0.15), (0.0, 0.3), (0.0, 0.03)))
HOSTS, BRICKS = 360, 20


def printed() -> dict[str, np.ndarray]:
    """360 hosts x 48 rows; magnification 0.18 to 168 with a mean of 8.25; no control; one brick's PSF 0."""
    rng = np.random.default_rng(5)
    n = HOSTS * len(GRID)
    host = np.repeat(np.arange(HOSTS), len(GRID))
    theta_e, dmag, r_eff, src_e, shear = np.tile(np.array(GRID), (HOSTS, 1)).T
    brick = host % BRICKS
    magnification = np.clip(8.25 * rng.lognormal(-0.5 * 0.9**2, 0.9, n), 0.2, 160)
    magnification[:2] = 0.18, 168
    psf = np.where(brick == 7, 0.0, 1.33)
    angle, radius = rng.uniform(0, 2 * np.pi, n), theta_e * np.sqrt(rng.uniform(size=n))
    return {
        "task_id": np.array([f"{i:016x}" for i in range(n)]),
        "experiment_id": np.array(["debug_stamp64_bandsgrz_gridgrid_small"] * n),
        "brickname": np.array([f"{b:04d}m005" for b in brick]),
        "ra": 10.0 + host, "dec": -0.5 + 0 * host, "region_id": brick, "region_split": np.array(
            ["train", "val", "test"])[host % 3],
        "lens_model": np.array(["SIE"] * n), "is_control": np.zeros(n, bool),
        "theta_e_arcsec": theta_e, "src_dmag": dmag, "src_reff_arcsec": r_eff, "src_e": src_e, "shear": shear,
        "src_x_arcsec": radius * np.cos(angle), "src_y_arcsec": radius * np.sin(angle),
        **{name: rng.uniform(0, np.pi, n) for name in ("src_phi_rad", "lens_phi_rad", "shear_phi_rad")},
        "lens_e": rng.uniform(0, 0.3, n), "task_seed64": np.arange(n), "psfsize_r": psf,
        "psfdepth_r": rng.uniform(200, 800, n), **{f"psf_fwhm_used_{b}": psf for b in "grz"},
        "cutout_ok": np.ones(n, bool), "arc_snr": rng.lognormal(3.7, 1, n),
        "total_injected_flux": rng.lognormal(1, 1, n), "magnification": magnification,
        "bad_pixel_frac": rng.uniform(0, 0.1, n), "wise_brightmask_frac": rng.uniform(0, 0.1, n),
        "metrics_ok": np.ones(n, bool),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    (folder / "metrics").mkdir()
    pq.write_table(pa.table(printed()), folder / "metrics" / "part-0.parquet")
    return folder


def test_the_earlier_debug_tier_is_no_go_with_its_reasons(folder: Path) -> None:
    judged = judge_folder(folder, None)
    assert (judged["verdict"], judged["rows"]) == ("NO-GO", 17280)
    reasons = "\n".join(judged["reasons"])
    assert "magnification:" in reasons and "from 0.180 to 168.00" in reasons
    assert "controls: critical, but NOT_EXERCISED" in reasons
    assert "ranges:" in reasons and "psfsize_r 864" in reasons and "psf_fwhm_used_r 864" in reasons


def test_what_cannot_be_judged_says_what_it_lacks(folder: Path) -> None:
    judged = {check["name"]: check for check in judge_folder(folder, None)["checks"]}
    for name in ("closure", "schema", "success_rate", "stamp_hashes", "leakage", "host_pixels"):
        assert judged[name]["status"] == "NOT_EXERCISED", name
        assert "do not have" in judged[name]["message"]
    assert judged["closure"]["message"].startswith("these results do not have the table closure")
    assert "psf_source_g" in judged["psf_provenance"]["message"]
    assert (judged["nulls"]["status"], judged["maskbits"]["status"]) == ("PASS", "PASS")


def test_results_without_the_least_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    pq.write_table(pa.table({"ra": [1.0], "arc_snr": [2.0]}), tmp_path / "metrics" / "part-0.parquet")
    with pytest.raises(InputError, match="column brickname, dec, is_control, .* is missing"):
        judge_folder(tmp_path, None)


def test_a_column_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    table = pa.table({**printed(), "theta_e_arcsec": np.array(["wide"] * 17280)})
    pq.write_table(table, tmp_path / "metrics" / "part-0.parquet")
    with pytest.raises(InputError, match="column theta_e_arcsec: .*wide"):
        judge_folder(tmp_path, None)
