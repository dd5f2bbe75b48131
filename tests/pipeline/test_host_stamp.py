"""What 4c measures once a host, on cutouts of blank sky: masks, and PSFs that cannot be used."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy import signal, stats

from pipeline import host_light, inject
from pipeline.inject import _host_stamp
from pipeline.manifest import manifest_rows
from pipeline.night_sky import SKY
from pipeline.schema import BANDS
from pipeline.schema import MASK_BITS as MASK_COLUMNS
from pipeline.tier import load_tier
from survey.coadd import BrickReader
from survey.errors import CutoutError
from survey.layout import PIXEL_SCALE
from survey.maskbits import MASK_BITS

TIER, PILOT = load_tier("debug"), load_tier("pilot")


def cutout(**changes):
    """A cutout of blank sky, but for what is given."""
    n = 64
    parts = {
        "image": np.zeros((3, n, n), np.float32), "invvar": np.ones((3, n, n), np.float32),
        "maskbits": np.zeros((n, n), np.int32), "psfsize": np.array([1.4, 1.3, 1.2], np.float32),
        "psf_source": ("map", "brick_mean", "map"), "center": (0.05, -0.1), "mask_bits": dict(MASK_BITS),
        "brick": "0591m305", "ra": 59.1, "dec": -30.5,
    }  # fmt: skip
    return SimpleNamespace(**parts | changes)


def test_masks_count_and_masked_pixels_give_no_snr():
    maskbits = np.zeros((64, 64), np.int32)
    maskbits[:16] = 1 << MASK_BITS["BRIGHT"]
    maskbits[:, :32] |= 1 << MASK_BITS["WISEM1"]
    invvar = np.ones((3, 64, 64), np.float32)
    invvar[2, 60:] = 0
    stamp = _host_stamp(cutout(maskbits=maskbits, invvar=invvar), TIER)
    assert stamp.shared["bad_pixel_frac"] == 20 / 64
    assert stamp.shared["wise_brightmask_frac"] == 0.5
    shares = {name: stamp.shared[f"mask_{name}_frac"] for name in MASK_COLUMNS}
    assert {name: share for name, share in shares.items() if share} == {"bright": 0.25, "wisem1": 0.5}
    assert not stamp.good[:16].any()
    assert stamp.good[16:60].all()
    assert [stamp.shared[f"psf_source_{band}"] for band in BANDS] == ["map", "brick_mean", "map"]


def test_the_mask_columns_are_the_surveys_bits_and_null_where_a_release_has_none():
    assert tuple(name.lower() for name in MASK_BITS) == MASK_COLUMNS
    dr9 = {name: bit for name, bit in MASK_BITS.items() if bit <= 13}
    maskbits = np.full((64, 64), 1 << MASK_BITS["MEDIUM"], np.int32)
    shared = _host_stamp(cutout(maskbits=maskbits, mask_bits=dr9), TIER).shared
    assert shared["mask_medium_frac"] == 1
    assert shared["mask_bright_frac"] == shared["bad_pixel_frac"] == 0
    assert [shared[f"mask_{name}_frac"] for name in ("satur_i", "allmask_i", "sub_blob")] == [None] * 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"psf_source": ("map", "map", "none")}, "no_psf"),
        ({"psfsize": np.array([1.4, 1.3, 0.5], np.float32)}, "psf_out_of_range"),
        ({"psfsize": np.array([1.4, 30.0, 1.2], np.float32)}, "psf_out_of_range"),
    ],
)
def test_a_host_without_a_usable_psf_is_quarantined(changes, reason):
    with pytest.raises(CutoutError) as caught:
        _host_stamp(cutout(**changes), TIER)
    assert caught.value.reason == reason


def of_gain(electrons):
    """A cutout of so many electrons per nmgy in every band."""
    invvar = np.ones((3, 64, 64)) * [[[electrons / SKY[band]]] for band in BANDS]
    return cutout(invvar=invvar.astype(np.float32))


@pytest.mark.parametrize("electrons", [3_700, 40_000, 160_000])
def test_a_sky_of_a_known_depth_has_its_gain(electrons):
    """One pass of DECaLS, DES, and 0.75 mag deeper than that."""
    assert _host_stamp(of_gain(electrons), PILOT).gain == pytest.approx(electrons)


@pytest.mark.parametrize("electrons", [80, 210_000, 1e7])
def test_a_sky_of_no_known_depth_is_quarantined_where_the_light_has_noise(electrons):
    assert _host_stamp(of_gain(electrons), TIER).gain is None
    with pytest.raises(CutoutError, match="electrons per nmgy in g at") as caught:
        _host_stamp(of_gain(electrons), PILOT)
    assert caught.value.reason == "gain_out_of_range"


@pytest.mark.parametrize("name", ["image", "invvar"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_host_with_a_pixel_that_is_no_number_is_quarantined(name, value):
    pixels = np.ones((3, 64, 64), np.float32)
    pixels[0, 0, 1] = value
    with pytest.raises(CutoutError, match=f"1 pixels of {name}") as caught:
        _host_stamp(cutout(**{name: pixels}), TIER)
    assert caught.value.reason == "not_finite"


def test_the_sub_pixel_phase_of_hosts_and_of_their_sources_is_uniform(world):
    """Positions anywhere in a brick: neither the cutting nor the drawing prefers a place in the pixel."""
    name, n = world.names[0], 300
    rng = np.random.default_rng(5)
    with BrickReader(world.sky, name) as reader:
        rows, columns = reader.shape
        x, y = rng.uniform(40, np.array([[columns], [rows]]) - 40, (2, n))
        ra, dec = reader.wcs.to_sky(x, y)
    host = world.hosts.slice(0, 1).to_pylist()[0]
    hosts = pa.Table.from_pylist(
        [host | {"host_id": f"10000-1-{i}", "ra": ra[i], "dec": dec[i]} for i in range(n)],
        schema=world.hosts.schema,
    )
    tasks = manifest_rows(hosts, PILOT).to_pylist()
    stamps = inject._read_brick(world.store, name, world.cached[name], tasks, PILOT)
    for axis in ("x", "y"):
        offset = {one: stamp.shared[f"offset_{axis}_arcsec"] for one, stamp in stamps.items()}
        phase = np.array(list(offset.values())) / PIXEL_SCALE
        assert np.abs(phase).max() <= 0.5 + 1e-9
        assert stats.kstest(phase, "uniform", (-0.5, 1.0)).pvalue > 1e-3
        source = [offset[task["host_id"]] + task[f"src_{axis}_arcsec"] for task in tasks]
        assert stats.kstest(np.mod(np.array(source) / PIXEL_SCALE, 1.0), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("side", [0.0, 0.38])  # 0.38: lag 1 is +0.59, as of BASS
def test_noise_is_its_scatter_whatever_neighbours_have_in_common(side):
    """Noise of 0.82 of invvar's, beside galaxies: differences of neighbours would show 0.52 of it."""
    kernel = np.array([side, 1, side]) / np.sqrt(1 + 2 * side**2)
    white = np.random.default_rng(1).standard_normal((3, 66, 66))
    noise = signal.sepfir2d(white[0], kernel, kernel)[1:-1, 1:-1]
    invvar = np.full((64, 64), 4.0)
    image = 0.82 * noise / 2 + 50 * np.exp(-((np.arange(64) - 32) ** 2) / 8)[:, None]
    assert 0.74 < host_light.noise_ratio(image, invvar) < 0.86
    assert 1.35 < host_light.noise_ratio(image + white[1, 1:-1, 1:-1] * 0.82 / 2, invvar) / 0.82 < 1.45


def test_the_sky_is_the_mode_that_light_hardly_draws():
    rng = np.random.default_rng(2)
    invvar = np.full((64, 64), 4.0)
    sky = rng.standard_normal((64, 64)) / 2
    stars = np.where(rng.random((64, 64)) < 0.1, 20.0, 0.0)
    assert abs(host_light.sky_level(sky, invvar)) < 0.1
    assert abs(host_light.sky_level(sky + stars, invvar)) < 0.1
    assert abs(host_light.sky_level(sky + stars + 2.5, invvar) - 5) < 0.1
    assert host_light.sky_level(np.zeros((64, 64)), invvar) == 0
    assert np.isnan(host_light.sky_level(sky, 0 * invvar))
