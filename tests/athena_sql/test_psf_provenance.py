"""psf_provenance: where the PSF sizes came from, in every brick and band, and the profile they are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.checks import CheckResult
from pipeline.settings import PsfChoice
from tests.athena_sql.synthetic import TIER, Tables, make_run, plant, run_check, write_run

Judge = Callable[..., CheckResult]


def first_brick(row: dict[str, Any]) -> bool:
    return bool(row["brickname"] == "0000p000")


def test_psf_provenance_takes_images_whose_width_is_their_own(
    tmp_path: Path, judge: Judge, clean: Tables
) -> None:
    tables = plant(plant(clean, "metrics", "psf_kind", "image"), "metrics", "psf_beta", None)
    for band in "grz":
        tables = plant(tables, "metrics", f"psf_source_{band}", "image")
        tables = plant(tables, "metrics", f"psf_fwhm_used_{band}", 1.31)
    assert of_profile(tmp_path / "images", tables, "image") == "PASS"
    assert judge(tables, "nulls").status == "PASS"


def test_psf_provenance_looks_at_each_brick(judge: Judge) -> None:
    """A third of one brick of 60: 0.6 % of all hosts, which the bound on the total would let pass."""
    tables = make_run(n_bricks=60, hosts_per_brick=12)
    hosts = {f"10000-0-{h}" for h in range(4)}
    tables = plant(tables, "metrics", "psf_source_r", "brick_mean", lambda row: row["host_id"] in hosts)
    result = judge(tables, "psf_provenance")
    assert result.status == "FAIL"
    assert (result.statistic, result.bound) == (pytest.approx(4 / 12), 0.25)
    assert "brick 0000p000" in result.message


@pytest.mark.parametrize("band", ["g", "r", "z"])
def test_psf_provenance_bounds_the_total_in_each_band(judge: Judge, clean: Tables, band: str) -> None:
    hosts = {"10000-0-0", "10000-1-12"}
    for allowed, status in ((0, "PASS"), (2, "FAIL")):
        chosen = set(sorted(hosts)[:allowed])
        planted = plant(
            clean,
            "metrics",
            f"psf_source_{band}",
            "brick_mean",
            lambda row, chosen=chosen: row["host_id"] in chosen,
        )
        assert judge(planted, "psf_provenance").status == status


def test_psf_provenance_counts_hosts_without_any_psf(judge: Judge, clean: Tables) -> None:
    tables = plant(clean, "metrics", "cutout_ok", False, first_brick)
    tables = plant(tables, "metrics", "quarantine_reason", "no_psf", first_brick)
    assert judge(tables, "psf_provenance").status == "FAIL"
    tables = plant(tables, "metrics", "quarantine_reason", "corrupt", first_brick)
    assert judge(tables, "psf_provenance").status == "PASS"


@pytest.mark.parametrize(("column", "value"), [("psfsize_g", 0.0), ("psfsize_z", None), ("psf_kind", "airy")])
def test_psf_provenance_allows_no_empty_value(
    judge: Judge, clean: Tables, column: str, value: object
) -> None:
    result = judge(plant(clean, "metrics", column, value, slice(0, 48)), "psf_provenance")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 48.0, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda row: row["psfsize_r"],  # FWHM = psfsize
        lambda row: row["psf_fwhm_used_r"] / 2.3548,  # sigma
        lambda row: row["psf_fwhm_used_r"] / 0.262,  # pixels
        lambda row: row["psf_fwhm_used_g"],  # another band
    ],
)
def test_psf_provenance_knows_the_profile(judge: Judge, clean: Tables, wrong: Any) -> None:
    result = judge(plant(clean, "metrics", "psf_fwhm_used_r", wrong), "psf_provenance")
    assert (result.status, result.bound) == ("FAIL", 0.02)


def of_profile(folder: Path, tables: Tables, kind: str) -> str:
    """What psf_provenance says where the tier states this kind of PSF."""
    tier = replace(TIER, psf=PsfChoice(kind, 2.85))
    return run_check(write_run(folder, tables), "psf_provenance", tier=tier).status


def test_psf_provenance_knows_the_gaussian(tmp_path: Path, clean: Tables) -> None:
    tables = plant(clean, "metrics", "psf_kind", "gaussian")
    assert of_profile(tmp_path / "ratio", tables, "gaussian") == "FAIL"
    for band in "grz":
        tables = plant(tables, "metrics", f"psf_fwhm_used_{band}", lambda row, b=band: row[f"psfsize_{b}"])
    assert of_profile(tmp_path / "right", tables, "gaussian") == "PASS"
    assert of_profile(tmp_path / "other", tables, "moffat") == "FAIL"


def test_psf_provenance_knows_the_tiers_own_moffat(tmp_path: Path, judge: Judge, clean: Tables) -> None:
    """Beta 4.5 used and recorded so: the FWHM is right for it, and the profile is not the tier's."""
    beta = 4.5
    ratio = 4 * math.sqrt(2 ** (1 / beta) - 1) * (beta - 1) / (2.3548 * math.sqrt(2 * beta - 1))
    tables = plant(clean, "metrics", "psf_beta", beta)
    for band in "grz":
        fwhm = lambda row, b=band: ratio * row[f"psfsize_{b}"]  # noqa: E731
        tables = plant(tables, "metrics", f"psf_fwhm_used_{band}", fwhm)
    result = judge(tables, "psf_provenance")
    assert (result.status, result.bound) == ("FAIL", 0.0)


def test_psf_provenance_distrusts_one_psf_for_all(judge: Judge, clean: Tables) -> None:
    tables = plant(plant(clean, "metrics", "psfsize_r", 1.3), "metrics", "psf_fwhm_used_r", 1.3 * 0.765647)
    assert judge(tables, "psf_provenance").status == "FAIL"


@pytest.mark.parametrize(("bricks", "hosts"), [(2, 12), (12, 7)])
def test_psf_provenance_needs_hosts(judge: Judge, bricks: int, hosts: int) -> None:
    assert judge(make_run(n_bricks=bricks, hosts_per_brick=hosts), "psf_provenance").status == "INCONCLUSIVE"
