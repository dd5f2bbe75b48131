"""The Poisson noise of the added light, against scipy's distribution and the same rows without noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy import stats

from pipeline import inject, noise
from pipeline.choice import PAIRED
from pipeline.closure_rates import BOUNDS
from pipeline.inject import inject_brick
from pipeline.manifest import manifest_rows
from pipeline.tier import load_tier
from survey.layout import coadd_path
from tests.pipeline.small_run import TASKS, small_run

PILOT = load_tier("pilot")
QUIET = replace(PILOT, poisson_noise=False)
# Sky of a dark night in g, r, z, nmgy in a pixel of 0.262 arcsec.
SKY = 10 ** (-0.4 * (np.array([22.04, 20.91, 18.46]) - 22.5)) * 0.262**2
GAIN = np.array([4900.0, 4600.0, 5900.0])


@pytest.mark.parametrize("mean", [1e-4, 0.2, 3.0, 9.99])
def test_few_electrons_are_scipys_quantile(mean):
    u = np.random.default_rng(1).random(50_000)
    np.testing.assert_array_equal(
        noise.poisson_quantile(u, np.full(u.shape, mean)), stats.poisson.ppf(u, mean)
    )


@pytest.mark.parametrize("mean", [10.0, 25.0, 300.0, 2e5])
def test_many_electrons_are_scipys_quantile_but_for_one_in_a_thousand(mean):
    u = np.random.default_rng(2).random(50_000)
    off = np.abs(noise.poisson_quantile(u, np.full(u.shape, mean)) - stats.poisson.ppf(u, mean))
    assert off.max() <= 1
    assert off.mean() < 1e-3
    ends = noise.poisson_quantile(np.array([0.0, 1e-9, 1 - 2**-53]), np.full(3, mean))
    assert 0 <= ends[0] <= ends[1] < mean < ends[2] < mean + 12 * np.sqrt(mean)


@pytest.mark.parametrize("electrons", [0.3, 6.0, 40.0])
@pytest.mark.parametrize("band", [0, 1, 2])
def test_the_noise_is_poisson_of_the_bands_gain(electrons, band):
    """Chi-square of counts against scipy's probabilities; mean and variance with it."""
    light = np.zeros((3, 64, 64), dtype=np.float32)
    light[band] = electrons / GAIN[band]
    draws = np.stack([noise.noisy(light, GAIN, seed)[band] for seed in range(10)]).astype(np.float64)
    counts = np.rint(draws * GAIN[band])
    assert np.abs(draws * GAIN[band] - counts).max() < 1e-3
    edges = np.unique(stats.poisson.ppf(np.linspace(0.05, 0.95, 10), electrons))
    cells = np.histogram(counts, np.concatenate([[-1], edges, [np.inf]]) + 0.5)[0]
    expected = np.diff(stats.poisson.cdf(np.concatenate([[-1], edges, [1e9]]), electrons)) * counts.size
    assert stats.chisquare(cells, expected).pvalue > 1e-4
    error = np.sqrt(electrons / counts.size)
    assert abs(counts.mean() - electrons) < 4 * error
    assert counts.var() == pytest.approx(electrons, rel=0.05)


def test_the_noise_is_keyed_by_task_and_band():
    light = np.full((3, 64, 64), 0.01, dtype=np.float32)
    first, same, other = (noise.noisy(light, np.full(3, 5000.0), seed) for seed in (7, 7, 8))
    assert np.array_equal(first, same)
    for a, b in ((first, other), (first[[0, 1, 2]], first[[1, 2, 0]])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_where_there_is_no_light_there_is_no_noise():
    light = np.zeros((3, 64, 64), dtype=np.float32)
    light[:, 10:20, 10:20] = 0.01
    light[:, 40, 40] = -1e-9  # rounding of the renderer
    assert not noise.noisy(light, GAIN, 3)[light <= 0].any()


def test_the_gain_is_that_of_the_median_pixel_with_data():
    invvar = np.stack([np.full((64, 64), v, dtype=np.float32) for v in (4e4, 1.6e4, 2e3)])
    invvar[:, :30] = 0  # masked
    invvar[:, 63, :5] = 1e6
    assert noise.effective_gain(invvar) == pytest.approx(SKY * [4e4, 1.6e4, 2e3], rel=1e-6)


def test_the_variances_of_sky_and_light_add():
    invvar, light = (
        np.array([1.6e4, 1.6e4, 0.0], dtype=np.float32),
        np.array([0.05, 0, 0.1], dtype=np.float32),
    )
    updated = noise.updated_invvar(invvar, light, 4600.0)
    assert updated[:2] == pytest.approx([1 / (1 / 1.6e4 + 0.05 / 4600), 1.6e4], rel=1e-6)
    assert updated[2] == 0


@pytest.fixture(scope="module")
def both(world):
    """The same tasks without and with noise, their images by task, and the rows of each."""
    roles = np.full(len(world.hosts), PAIRED, dtype=np.int8)
    tasks = manifest_rows(world.hosts, PILOT, roles).to_pylist()
    name = world.names[0]
    results = [inject_brick(world.store, name, world.cached[name], tasks, tier) for tier in (QUIET, PILOT)]
    images = [
        {row["task_id"]: np.frombuffer(row["image"], "<f4").reshape(3, 64, 64) for row in result.stamps}
        for result in results
    ]
    return [result.metrics for result in results], images


def test_controls_stay_as_they_are(both):
    metrics, images = both
    for before, after in zip(*metrics, strict=True):
        if before["is_control"]:
            assert before == after
            assert np.array_equal(*(one[before["task_id"]] for one in images))


def test_injections_gain_the_variance_of_their_own_light(world, both):
    """By band: (noisy - clean)^2 over light / gain, summed over the pixels where light is."""
    metrics, images = both
    injected = [(a, b) for a, b in zip(*metrics, strict=True) if not a["is_control"]]
    raw = {row["host_id"]: images[0][row["task_id"]] for row in metrics[0] if row["is_control"]}
    for index, band in enumerate("grz"):
        squares, expected = 0.0, 0.0
        with fits.open(world.sky / coadd_path("invvar", world.names[0], band)) as hdus:
            invvar, wcs = hdus[1].data, WCS(hdus[1].header)
        for _, row in injected:
            clean, own = (one[row["task_id"]][index].astype(np.float64) for one in images)
            x, y = (round(float(v - 31.5)) for v in wcs.all_world2pix(row["ra"], row["dec"], 0))
            weights = invvar[y : y + 64, x : x + 64]
            gain = SKY[index] * np.median(weights[weights > 0])
            assert row[f"gain_{band}"] == pytest.approx(gain, rel=1e-6)
            squares += ((own - clean) ** 2).sum() * gain
            expected += (clean - raw[row["host_id"]][index]).sum()
        assert squares == pytest.approx(expected, rel=0.15)


def test_the_snr_counts_the_noise_and_is_of_the_light_alone(both):
    for before, after in zip(*both[0], strict=True):
        if not before["is_control"]:
            assert before["arc_snr_sky"] == before["arc_snr"]
            assert after["arc_snr_sky"] == pytest.approx(before["arc_snr"], rel=1e-4)
            assert 0.7 * before["arc_snr"] < after["arc_snr"] < 0.999 * before["arc_snr"]
            assert after["arc_peak_snr"] < before["arc_peak_snr"]


def test_a_noisy_run_closes_as_a_quiet_one(tmp_path):
    table = small_run(tmp_path, noise=True).table("closure")
    assert len(table) == TASKS
    for name in ("flux", "l2", "moment", "noise"):
        assert max(np.abs(table[f"closure_{name}_{band}"].to_numpy()).max() for band in "grz") < 1e-3
    assert np.abs(table["closure_snr_loss"].to_numpy()).mean() < 0.25


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("noisy", lambda real: lambda light, *_: light),
        ("noisy", lambda real: lambda light, gain, seed: real(light, gain / 1.2, seed)),
        ("render_batch", lambda real: lambda **a: real(**{**a, "gamma": 0 * a["gamma"]})),
    ],
    ids=["missing", "of another gain", "and shear dropped"],
)
def test_a_noisy_run_does_not_close_when_noise_or_light_is_wrong(tmp_path, monkeypatch, name, wrong):
    monkeypatch.setattr(inject, name, wrong(getattr(inject, name)))
    table = small_run(tmp_path, noise=True).table("closure").to_pylist()
    kind = "l2" if name == "render_batch" else "noise"
    off = [max(row[f"closure_{kind}_{band}"] for band in "grz") > BOUNDS[kind] for row in table]
    assert sum(off) >= (3 if name == "render_batch" else TASKS)  # a part of the rows have no shear
