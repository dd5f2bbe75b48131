"""Phase 4c on rows without a lens."""

from __future__ import annotations

import numpy as np

from pipeline.choice import LENS, PAIRED, UNPAIRED
from pipeline.inject import inject_brick
from pipeline.manifest import manifest_rows
from pipeline.tier import load_tier
from survey.coadd import BrickReader

PILOT = load_tier("pilot")


def test_a_host_with_a_pixel_that_is_no_number_is_quarantined_and_the_others_are_not(world, monkeypatch):
    """In g, far from the arcs, where no measurement of a control looks."""
    real = BrickReader.cut_all

    def spoiled(self, *arguments):
        for index, stamp in real(self, *arguments):
            if index == 0:
                stamp.image[0, :1, :5] = np.nan
            yield index, stamp

    monkeypatch.setattr(BrickReader, "cut_all", spoiled)
    rows = manifest_rows(world.hosts.slice(0, 3), PILOT, np.array([UNPAIRED, UNPAIRED, LENS], dtype=np.int8))
    own = inject_brick(
        world.store, world.names[0], world.cached[world.names[0]], rows.to_pylist(), PILOT
    ).metrics
    reasons = {row["host_id"]: (row["quarantine_reason"], row["metrics_ok"]) for row in own}
    assert reasons.pop(rows["host_id"][0].as_py()) == ("not_finite", False)
    assert set(reasons.values()) == {(None, True)}


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
        light = ("arc_snr", "arc_snr_sky", "arc_peak_snr", "gain_g", "gain_r", "gain_z",
                 "total_injected_flux", "magnification", "flux_in_stamp",
                 "injected_flux_g_nmgy", "injected_flux_r_nmgy", "injected_flux_z_nmgy")  # fmt: skip
        assert all((row[name] is None) == row["is_control"] for name in (*light, "theta_e_arcsec"))
        assert row["cutout_ok"]
        assert row["metrics_ok"]
        assert row["psfsize_r"] > 0
        assert (row["core_flux_r_nmgy"] == row["host_core_flux_r_nmgy"]) == row["is_control"]
    alone = [task for task in tasks if not task["is_control"]]
    without = inject_brick(world.store, world.names[0], world.cached[world.names[0]], alone, PILOT)
    assert without.metrics == [row for row in own.metrics if not row["is_control"]]
