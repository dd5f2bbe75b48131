"""Phase 4c on rows without a lens, and with the Poisson noise of the added light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline import noise
from pipeline.choice import LENS, PAIRED, UNPAIRED
from pipeline.inject import inject_brick
from pipeline.manifest import manifest_rows
from pipeline.tier import load_tier

PILOT = load_tier("pilot")


def test_a_control_is_the_raw_cutout_and_its_light_is_null(world):
    """The stamp's bytes are the raw ones, and an injection beside it is what it was alone."""
    rows = manifest_rows(world.hosts.slice(0, 3), PILOT, np.array([PAIRED, UNPAIRED, LENS], dtype=np.int8))
    tasks = rows.to_pylist()
    own = inject_brick(world.store, world.names[0], world.cached[world.names[0]], tasks, PILOT)
    assert len(own.metrics) == len(own.stamps) == len(tasks) == 3 + 1 + 2
    stamps = {row["task_id"]: row for row in own.stamps}
    for row in own.metrics:
        stamp = stamps[row["task_id"]]
        same = stamp["image"] == stamp["raw_image"]
        assert same == row["is_control"] == stamp["is_control"] == (row["lens_model"] == "CONTROL")
        assert same == (stamp["image_hash"] == stamp["raw_hash"])
        light = ("arc_snr", "arc_peak_snr", "total_injected_flux", "magnification", "flux_in_stamp",
                 "injected_flux_g_nmgy", "injected_flux_r_nmgy", "injected_flux_z_nmgy")  # fmt: skip
        assert all((row[name] is None) == row["is_control"] for name in (*light, "theta_e_arcsec"))
        assert row["cutout_ok"]
        assert row["metrics_ok"]
        assert row["psfsize_r"] > 0
        assert (row["core_flux_r_nmgy"] == row["host_core_flux_r_nmgy"]) == row["is_control"]
    alone = [task for task in tasks if not task["is_control"]]
    without = inject_brick(world.store, world.names[0], world.cached[world.names[0]], alone, PILOT)
    assert without.metrics == [row for row in own.metrics if not row["is_control"]]


def test_the_noise_of_added_light_has_its_variance_and_leaves_the_rest_alone(world):
    """Over many tasks of one model: mean 0, variance light / gain, and the SNR against all the noise."""
    light = np.full((3, 64, 64), 0.02, dtype=np.float32)
    invvar = np.stack([np.full((64, 64), v, dtype=np.float32) for v in (2.5e5, 1.6e5, 1.3e4)])
    invvar[:, 0, 0] = 0
    draws = np.array([noise.noisy(light, invvar, seed) - light for seed in range(40)])
    sky = 10 ** (-0.4 * (np.array([22.04, 20.91, 18.46]) - 22.5)) * 0.262**2
    expected = 0.02 / (sky * invvar[:, 1, 1])
    assert draws.var(axis=(0, 2, 3)) == pytest.approx(expected, rel=0.02)
    assert np.abs(draws.mean(axis=(0, 2, 3))).max() < 4 * np.sqrt(expected.max() / 40 / 64**2)
    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[3], noise.noisy(light, invvar, 3) - light)
    total = 1 / noise.updated_invvar(invvar, light)[:, 1, 1]
    assert total == pytest.approx(1 / invvar[:, 1, 1] + expected, rel=1e-6)


def test_a_tier_with_noise_adds_it_to_injections_alone(world):
    noisy_tier = replace(PILOT, poisson_noise=True)
    tasks = manifest_rows(world.hosts.slice(0, 3), PILOT, np.array([PAIRED] * 3, dtype=np.int8)).to_pylist()
    args = (world.store, world.names[0], world.cached[world.names[0]], tasks)
    clean, own = inject_brick(*args, PILOT), inject_brick(*args, noisy_tier)
    for before, after in zip(clean.metrics, own.metrics, strict=True):
        if before["is_control"]:
            assert before == after
        else:
            assert 0.8 * before["arc_snr"] < after["arc_snr"] < before["arc_snr"]
            assert after["total_injected_flux"] == pytest.approx(before["total_injected_flux"], rel=0.1)
            assert after["total_injected_flux"] != before["total_injected_flux"]
    assert inject_brick(*args, noisy_tier) == own
