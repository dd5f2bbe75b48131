"""Controls in the manifest: as many as asked for, on the right hosts, matched to the injections."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from pipeline.controls import FEATURES, Match, kolmogorov_p
from pipeline.settings import Controls
from pipeline.tier import load_tier
from tests.pipeline.conftest import make_hosts
from tests.pipeline.test_manifest import PILOT, rows_of

PARAMETERS = (
    "theta_e_arcsec",
    "lens_e",
    "shear",
    "src_dmag",
    "src_x_arcsec",
    "src_flux_r_nmgy",
    "src_n_sersic",
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pa.Table:
    return rows_of(make_hosts(), PILOT, tmp_path_factory.mktemp("pilot"))


def test_half_are_controls_half_of_these_paired(rows):
    assert len(rows) == 20 * 36
    controls = rows.filter(rows["is_control"])
    injected = set(rows.filter(pc.invert(rows["is_control"]))["host_id"].to_pylist())
    paired = [host in injected for host in controls["host_id"].to_pylist()]
    assert (len(controls), sum(paired)) == (360, 180)
    assert max(Counter(controls["host_id"].to_pylist()).values()) == 1
    assert set(Counter(rows["brickname"].to_pylist()).values()) == {36}


def test_a_control_has_no_parameters_and_an_injection_all(rows):
    for control, table in (
        (True, rows.filter(rows["is_control"])),
        (False, rows.filter(pc.invert(rows["is_control"]))),
    ):
        assert set(table["lens_model"].to_pylist()) == {"CONTROL" if control else "SIE"}
        for name in PARAMETERS:
            assert table[name].null_count == (len(table) if control else 0), name
        assert table["task_seed64"].null_count == table["host_mag_r"].null_count == 0


def test_the_fractions_are_the_tiers(tmp_path):
    tier = replace(PILOT, controls=Controls(0.25, 1.0))
    rows = rows_of(make_hosts(), tier, tmp_path)
    assert pc.mean(rows["is_control"].cast(pa.int8())).as_py() == pytest.approx(0.25, abs=0.01)
    assert len(pc.unique(rows["host_id"])) == len(
        pc.unique(rows.filter(pc.invert(rows["is_control"]))["host_id"])
    )


def test_a_grid_can_have_controls_too(tmp_path):
    tier = replace(load_tier("grid"), n_bricks=20, precision=None, splits=PILOT.splits)
    rows = rows_of(make_hosts(), tier, tmp_path)
    assert len(rows) == 20 * 178
    assert pc.sum(rows["is_control"]).as_py() == 20 * 18


def test_the_measured_match_is_scipys(tmp_path):
    """Two samples that differ: the same distance and probability as scipy's two-sample test."""
    hosts = make_hosts(n_bricks=40, hosts_per_brick=50)
    rng = np.random.default_rng(3)
    is_control = rng.random(len(hosts)) < 0.1 + 0.4 * (hosts["mag_r"].to_numpy() > 19)
    match = Match()
    for start in range(0, len(hosts), 300):
        match.add(hosts.slice(start, 300), is_control[start : start + 300])
    answer = match.as_json()
    assert set(answer) == set(FEATURES)
    values = hosts["mag_r"].to_numpy()
    theirs = stats.ks_2samp(values[~is_control], values[is_control], method="asymp")
    assert answer["mag_r"]["ks_distance"] == pytest.approx(theirs.statistic, abs=3e-3)
    assert answer["mag_r"]["ks_p"] < 1e-4
    shift = values[is_control].mean() - values[~is_control].mean()
    spread = np.sqrt((values[is_control].var() + values[~is_control].var()) / 2)
    assert answer["mag_r"]["mean_difference_sd"] == pytest.approx(shift / spread, abs=1e-4)
    values = hosts["psfsize_r_arcsec"].to_numpy()
    theirs = stats.ks_2samp(values[~is_control], values[is_control], method="asymp")
    assert answer["psfsize_r_arcsec"]["ks_p"] == pytest.approx(theirs.pvalue, abs=0.05)
    assert 0.02 < theirs.pvalue < 0.98  # where the statistic's scale matters


@pytest.mark.parametrize("x", [0.1, 0.3, 0.8, 1.3, 2.5])
def test_the_kolmogorov_distribution_is_scipys(x):
    assert kolmogorov_p(x) == pytest.approx(stats.kstwobign.sf(x), abs=1e-9)


def test_unpaired_controls_are_matched_to_the_injections(tmp_path):
    rows = rows_of(
        make_hosts(n_bricks=60, hosts_per_brick=30), replace(PILOT, n_bricks=60, rows=10_000), tmp_path
    )
    injected = set(rows.filter(pc.invert(rows["is_control"]))["host_id"].to_pylist())
    controls = rows.filter(rows["is_control"])
    paired = np.array([host in injected for host in controls["host_id"].to_pylist()])
    for name in ("host_mag_r", "psfdepth_r"):
        values = controls[name].to_numpy()
        assert stats.ks_2samp(values[paired], values[~paired]).pvalue > 1e-3, name
