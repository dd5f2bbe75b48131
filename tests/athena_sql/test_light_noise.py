"""The check of the added light's noise, on fluxes with noise drawn by numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.checks import CheckResult
from pipeline.schema import METRICS
from pipeline.tier import load_tier
from tests.athena_sql.synthetic import Tables, plant

Judge = Callable[..., CheckResult]
SKY = dict(zip("grz", 10 ** (-0.4 * (np.array([22.04, 20.91, 18.46]) - 22.5)) * 0.262**2, strict=True))


def with_noise(tables: Tables, amplitude: float = 1.0, gain: float = 1.0) -> Tables:
    """Noise of `amplitude` times the sd of the recorded gain, which is `gain` times the right one."""
    metrics = tables["metrics"]
    rng = np.random.default_rng(3)
    control = np.array(metrics["is_control"].to_pylist())
    new: dict[str, Any] = {}
    for band in "grz":
        psfsize, depth = (metrics[f"{name}_{band}"].to_numpy() for name in ("psfsize", "psfdepth"))
        area = 4 * np.pi * (psfsize / np.sqrt(8 * np.log(2)) / 0.262) ** 2
        own = gain * SKY[band] * depth * area
        flux = metrics[f"injected_flux_{band}_nmgy"].to_numpy()
        noisy = flux + amplitude * np.sqrt(flux / own) * rng.standard_normal(len(flux))
        new[f"gain_{band}"] = np.where(control, np.nan, own)
        new[f"injected_flux_{band}_nmgy"] = noisy
    new["total_injected_flux"] = new["injected_flux_r_nmgy"]
    new["arc_snr"] = 0.97 * metrics["arc_snr_sky"].to_numpy()
    for name, values in new.items():
        place = metrics.column_names.index(name)
        metrics = metrics.set_column(place, metrics.schema.field(name), pa.array(values, from_pandas=True))
    closure = plant(tables, "closure", "closure_snr_loss", 0.1)
    return {**closure, "metrics": metrics}


def test_light_without_noise_is_not_judged(judge: Judge, clean: Tables) -> None:
    answer = judge(clean, "light_noise")
    assert (answer.status, answer.statistic) == ("NOT_EXERCISED", None)
    assert answer.message.startswith("none of ")


@pytest.mark.parametrize("tier", ["pilot", "grid", "train"])
def test_a_tier_whose_light_should_have_noise_does_not_start_the_next_without(tier: str) -> None:
    assert load_tier(tier).poisson_noise
    assert "light_noise" in load_tier(tier).critical


def test_noise_of_the_recorded_gain_passes_and_so_do_the_fluxes(judge: Judge, clean: Tables) -> None:
    noisy = with_noise(clean)
    for name in ("light_noise", "flux_identity"):
        result = judge(noisy, name)
        assert result.status == "PASS", result.message
    few = judge(noisy, "light_noise").message
    assert "3456 of 3456 good injections have noise" in few


@pytest.mark.parametrize("amplitude", [0.0, 0.8, 1.2, 2.0])
def test_another_amplitude_fails(judge: Judge, clean: Tables, amplitude: float) -> None:
    assert judge(with_noise(clean, amplitude), "light_noise").status == "FAIL"


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_that_the_catalogues_depth_does_not_give_fails(
    judge: Judge, clean: Tables, gain: float
) -> None:
    assert judge(with_noise(clean, gain=gain), "light_noise").status == "FAIL"


@pytest.mark.parametrize(
    ("table", "column", "value", "rows"),
    [
        ("metrics", "gain_z", None, slice(0, 1)),
        ("metrics", "gain_r", 0.0, slice(0, 1)),
        ("metrics", "arc_snr", lambda row: row["arc_snr_sky"], slice(0, 1)),
        ("closure", "closure_snr_loss", 0.9, None),
        ("closure", "closure_snr_loss", -1.0, None),
        ("metrics", "injected_flux_r_nmgy", lambda row: 1.02 * row["injected_flux_r_nmgy"], None),
    ],
)
def test_each_part_is_judged(
    judge: Judge, clean: Tables, table: str, column: str, value: Any, rows: Any
) -> None:
    assert judge(plant(with_noise(clean), table, column, value, rows), "light_noise").status == "FAIL"


def test_an_arc_that_no_good_pixel_sees_has_no_snr_to_lose(judge: Judge, clean: Tables) -> None:
    unseen = with_noise(clean)
    for column in ("arc_snr", "arc_snr_sky"):
        unseen = plant(unseen, "metrics", column, 0.0, slice(0, 1))
    assert judge(unseen, "light_noise").status == "PASS"
    more = plant(unseen, "metrics", "arc_snr", 1.0, slice(0, 1))
    assert judge(more, "light_noise").status == "FAIL"


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("metrics", "psfdepth_z", "Not judged: the gain"),
        ("closure", "closure_snr_loss", "Not judged: the SNR lost"),
    ],
)
def test_a_part_without_rows_is_not_perfect(
    judge: Judge, clean: Tables, table: str, column: str, said: str
) -> None:
    result = judge(plant(with_noise(clean), table, column, None), "light_noise")
    assert result.status == "INCONCLUSIVE"
    assert said in result.message


@pytest.mark.parametrize(("band", "gain"), [("g", 50.0), ("r", 3e5), ("z", 3e5)])
def test_a_gain_that_no_telescope_has_is_out_of_range(
    judge: Judge, clean: Tables, band: str, gain: float
) -> None:
    """Maker and judges share the sky that the gain comes from; its range in the schema does not."""
    noisy = with_noise(clean)
    assert judge(noisy, "ranges").status == "PASS"
    result = judge(plant(noisy, "metrics", f"gain_{band}", gain, slice(7, 8)), "ranges")
    assert (result.status, result.statistic) == ("FAIL", 1.0)
    assert f"gain_{band} 1, " in result.message


@pytest.mark.parametrize(("factor", "inside"), [(1.0, True), (1 / 0.262**2, False)])
def test_the_range_tells_the_sky_of_a_pixel_from_that_of_a_square_arcsecond(
    factor: float, inside: bool
) -> None:
    """A deep field's pixel noise, nmgy, as measured in the survey's own images."""
    for band, sigma in zip("grz", (0.0020, 0.0025, 0.0089), strict=True):
        column = METRICS.column(f"gain_{band}")
        assert column.low is not None
        assert column.high is not None
        assert (column.low <= factor * SKY[band] / sigma**2 <= column.high) == inside


def test_rows_without_noise_among_others_fail(judge: Judge, clean: Tables) -> None:
    tables = with_noise(clean)
    for band in "grz":
        tables = plant(tables, "metrics", f"gain_{band}", None, slice(5, 6))
    assert judge(tables, "light_noise").status == "FAIL"


def test_fluxes_are_still_bound_by_their_noise(judge: Judge, clean: Tables) -> None:
    noisy = with_noise(clean)
    for column, factor in (("injected_flux_r_nmgy", 0.6), ("injected_flux_z_nmgy", 1.6)):
        changed = plant(noisy, "metrics", column, lambda row, c=column, f=factor: f * row[c], slice(0, 3))
        assert judge(changed, "flux_identity").status == "FAIL"
