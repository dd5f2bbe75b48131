"""The two checks of lensing itself: magnification, and flux against theta_E."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import gamma, gammaincinv

from pipeline.checks import CheckResult
from tests.athena_sql.synthetic import Tables, make_run, plant

Judge = Callable[..., CheckResult]


# ------------------------------------------------------------------ magnification


def test_magnification_allows_none_below_one(judge: Judge, clean: Tables) -> None:
    for value in (0.999, None, math.nan):
        result = judge(plant(clean, "metrics", "magnification", value, slice(0, 3)), "magnification")
        assert (result.status, result.statistic, result.bound) == ("FAIL", 3.0, 0.0)


def test_magnification_knows_a_ceiling(judge: Judge, clean: Tables) -> None:
    """168 at theta_E = 1 and r_eff = 0.08 was printed by the earlier tier; the ceiling there is 56."""
    result = judge(plant(clean, "metrics", "magnification", 168.0, slice(40, 41)), "magnification")
    assert result.status == "FAIL"
    assert result.statistic is not None
    assert result.statistic > 2


def test_magnification_needs_rows(judge: Judge) -> None:
    few = make_run(n_bricks=1, hosts_per_brick=3)
    assert judge(few, "magnification").status == "INCONCLUSIVE"
    assert judge(plant(few, "metrics", "magnification", 0.5, slice(0, 1)), "magnification").status == "FAIL"


def test_the_ceiling_holds_for_every_sersic_index() -> None:
    """c(n) = b^n Gamma(n)/Gamma(2n), times the K = 1.13 of ray shooting, is below 1.25 exp(0.28 + 0.29 n)."""
    n = np.linspace(0.3, 8, 200)
    exact = gammaincinv(2 * n, 0.5) ** n * gamma(n) / gamma(2 * n)
    stated = np.exp(0.28 + 0.29 * n)
    assert np.all(np.abs(stated / exact - 1) < 0.06)
    assert np.all(1.25 * stated > 1.13 * exact)


# ------------------------------------------------------------------ flux_theta_e


def clustered_slope(tables: Tables) -> tuple[float, float]:
    """The within-host slope and its clustered error, by regression on host dummies: nothing like the SQL."""
    metrics = tables["metrics"].to_pydict()
    x = np.log(np.array(metrics["theta_e_arcsec"], float))
    gain = np.array(metrics["total_injected_flux"], float) / np.array(metrics["src_flux_r_nmgy"], float)
    y = np.maximum(gain, 4)
    hosts, index = np.unique(metrics["host_id"], return_inverse=True)
    dummies = np.eye(len(hosts))[index]
    design = np.column_stack([x, dummies])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    residual = y - design @ beta
    scores = dummies.T @ (design * residual[:, None])
    variance = inverse @ (scores.T @ scores) @ inverse * len(hosts) / (len(hosts) - 1)
    return float(beta[0]), float(np.sqrt(variance[0, 0]))


def test_flux_theta_e_is_the_clustered_within_host_slope(judge: Judge, clean: Tables) -> None:
    result = judge(clean, "flux_theta_e")
    slope, error = clustered_slope(clean)
    assert result.status == "PASS"
    assert result.statistic == pytest.approx(slope / error, rel=1e-9)
    assert f"{slope:.4f} +- {error:.4f}" in result.message


@pytest.mark.parametrize("lens", ["none", "flipped", "renormalised"])
def test_flux_theta_e_stops_what_is_no_lens(judge: Judge, lens: str) -> None:
    assert judge(make_run(lens=lens), "flux_theta_e").status == "FAIL"


def test_flux_theta_e_stops_flux_renormalised_under_a_true_magnification(judge: Judge, clean: Tables) -> None:
    flat = plant(clean, "metrics", "total_injected_flux", lambda row: row["src_flux_r_nmgy"])
    result = judge(flat, "flux_theta_e")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 1.0, 0.5)


def test_flux_theta_e_stops_gains_that_do_not_depend_on_theta_e(judge: Judge, clean: Tables) -> None:
    """The gains of a lensed run, dealt anew within each host: comparing means passes half of these."""
    rng = np.random.default_rng(3)
    metrics = clean["metrics"].to_pydict()
    gain = np.array(metrics["total_injected_flux"]) / np.array(metrics["src_flux_r_nmgy"])
    told = np.array(metrics["magnification"]) * np.array(metrics["flux_in_stamp"])
    order = np.argsort(np.repeat(np.arange(72), 48) + rng.uniform(size=3456))
    flux = gain[order] * np.array(metrics["src_flux_r_nmgy"])
    ratio = told[order] / np.array(metrics["flux_in_stamp"])
    dealt = {**metrics, "total_injected_flux": flux, "magnification": ratio}
    schema = clean["metrics"].schema
    tables = {**clean, "metrics": pa.Table.from_pydict(dealt, schema=schema)}
    result = judge(tables, "flux_theta_e")
    assert result.status == "FAIL"
    assert result.statistic is not None
    assert abs(result.statistic) < 3.89


@pytest.mark.parametrize("factor", [0.95, 2.0, 10.0])
def test_flux_theta_e_stops_a_wrong_scale(judge: Judge, clean: Tables, factor: float) -> None:
    """A PSF that sums to 0.95, light added twice, a zero point of 25."""
    scaled = plant(clean, "metrics", "total_injected_flux", lambda row: factor * row["total_injected_flux"])
    assert judge(scaled, "flux_theta_e").bound == 0.5
    assert judge(scaled, "flux_theta_e").status == "FAIL"


@pytest.mark.parametrize("value", [0.0, None])
def test_flux_theta_e_stops_empty_stamps(judge: Judge, clean: Tables, value: object) -> None:
    empty = plant(clean, "metrics", "total_injected_flux", value, lambda row: row["theta_e_arcsec"] == 0.3)
    result = judge(empty, "flux_theta_e")
    assert (result.status, result.statistic, result.bound) == ("FAIL", 1152.0, 0.0)


@pytest.mark.parametrize(("bricks", "hosts"), [(3, 11), (2, 14)])
def test_flux_theta_e_needs_rows_and_hosts(judge: Judge, bricks: int, hosts: int) -> None:
    """33 hosts with 1,584 rows; 28 hosts."""
    assert judge(make_run(n_bricks=bricks, hosts_per_brick=hosts), "flux_theta_e").status == "INCONCLUSIVE"


def test_flux_theta_e_needs_hosts_with_several_theta_e(judge: Judge, clean: Tables) -> None:
    assert judge(plant(clean, "metrics", "theta_e_arcsec", 0.6), "flux_theta_e").status == "INCONCLUSIVE"
