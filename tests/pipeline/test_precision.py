"""What a grid can measure is said, and too little is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physics import Psf, matched_filter_snr, render_batch
from pipeline import nominal_snr
from pipeline.errors import InputError
from pipeline.manifest import lay_out
from pipeline.precision import check_precision, rows_needed, wilson_half_width
from pipeline.settings import Precision
from pipeline.tier import load_tier
from tests.pipeline.conftest import make_hosts, write_hosts
from tests.pipeline.test_manifest import PILOT, rows_of

GRID = replace(load_tier("grid"), n_bricks=20, splits=PILOT.splits)


def wilson(k: int, n: int) -> tuple[float, float]:
    """The interval by its definition: the p0 that a normal test at 5 % does not refuse."""
    p0 = np.linspace(0, 1, 2_000_001)
    inside = np.abs(k / n - p0) <= 1.959963984540054 * np.sqrt(p0 * (1 - p0) / n)
    return p0[inside].min(), p0[inside].max()


@pytest.mark.parametrize(("k", "n"), [(100, 200), (500, 1000), (10, 200), (0, 30)])
def test_half_widths_are_wilsons(k, n):
    low, high = wilson(k, n)
    assert wilson_half_width(k / n, n) == pytest.approx((high - low) / 2, abs=2e-6)


@pytest.mark.parametrize("width", [0.01, 0.05, 0.069])
def test_rows_needed_are_the_least_that_reach_it(width):
    n = rows_needed(width)
    assert wilson_half_width(0.5, n) <= width < wilson_half_width(0.5, n - 1)


def test_a_grid_that_cannot_reach_its_precision_is_refused_with_both_numbers(tmp_path):
    message = r"20 lens hosts in 12 conditions .* asks for \+-0.05; give 4,572 lens hosts"
    with pytest.raises(InputError, match=message):
        lay_out(write_hosts(make_hosts(), tmp_path), GRID)
    assert wilson_half_width(0.5, 4572 / 12) <= 0.05


def test_the_plan_states_the_width_of_its_cells(tmp_path):
    tier = replace(GRID, precision=Precision(0.3, 2))
    _, choice, _ = lay_out(write_hosts(make_hosts(), tmp_path), tier)
    cells = check_precision(tier, choice)["cells"]
    assert cells["rows_a_combination"] == 20
    assert cells["half_width_a_cell"] == pytest.approx(wilson_half_width(0.5, 10), abs=1e-4)


def test_the_full_grid_reaches_what_it_promises():
    grid = load_tier("grid")
    assert wilson_half_width(0.5, grid.n_bricks / grid.precision.conditions) <= grid.precision.half_width


def test_fwhm_over_psfsize_is_the_renderers():
    for beta in (2.0, 2.85, 4.5):
        psf = Psf.from_psfsize((1.3,), kind="moffat", beta=beta)
        tier = replace(GRID, psf=replace(GRID.psf, beta=beta))
        assert tier.psf.fwhm_over_psfsize == pytest.approx(psf.fwhm[0] / 1.3, rel=1e-6)


def test_the_nominal_snr_is_the_median_that_is_measured(tmp_path):
    """Rendered, with the noise of the host's depth, for theta_E/FWHM from 0.3 to 1.5."""
    tier = replace(GRID, precision=None)
    hosts = make_hosts()
    rows = rows_of(hosts, tier, tmp_path).to_pylist()
    rows = [row for row in rows if not row["is_control"]][::3]
    psfsize = dict(zip(hosts["host_id"].to_pylist(), hosts["psfsize_r_arcsec"].to_pylist(), strict=True))
    size = np.array([psfsize[row["host_id"]] for row in rows])
    fwhm = tier.psf.fwhm_over_psfsize * size

    def column(name):
        return np.array([row[name] for row in rows])

    flux = np.stack([column(f"src_flux_{band}_nmgy") for band in "grz"], axis=1)
    zero = np.zeros(len(rows))
    e, src_e = column("lens_e"), column("src_e")
    arcs = render_batch(
        theta_e=column("theta_e_arcsec"), q=(1 - e) / (1 + e), phi=column("lens_phi_rad"),
        gamma=column("shear"), phi_gamma=column("shear_phi_rad"), lens_x=zero, lens_y=zero, flux=flux,
        r_eff=column("src_reff_arcsec"), n_sersic=column("src_n_sersic"), src_q=(1 - src_e) / (1 + src_e),
        src_phi=column("src_phi_rad"),
        src_x=column("src_x_arcsec"), src_y=column("src_y_arcsec"), psf_fwhm=np.stack([fwhm] * 3, axis=1),
        kind=tier.psf.kind, beta=tier.psf.beta, center_x=zero, center_y=zero, n_pix=64, pixel_scale=0.262,
    )  # fmt: skip
    # psfdepth is a pixel's invvar over the noise-equivalent area: psfsize = 2.355/(2 sqrt(pi)) sqrt(NEA)
    area = 4 * np.pi * (size / 2.3548) ** 2 / 0.262**2
    invvar = column("psfdepth_r") * area
    good = np.ones((64, 64), dtype=bool)
    pairs = zip(arcs.image[:, 1].astype(float), invvar, strict=True)
    measured = np.array([matched_filter_snr(arc, np.full((64, 64), value), good) for arc, value in pairs])
    ratio = column("theta_e_arcsec") / fwhm
    gain = nominal_snr.gain(column("theta_e_arcsec"), column("src_reff_arcsec"), fwhm)
    nominal = gain * flux[:, 1] * np.sqrt(column("psfdepth_r"))
    assert np.median(measured / nominal) == pytest.approx(1.0, abs=0.1)
    for low, high in ((0.25, 0.55), (0.55, 0.95), (0.95, 1.6)):
        own = (ratio > low) & (ratio < high)
        assert np.median((measured / nominal)[own]) == pytest.approx(1.0, abs=0.2)
    assert set(np.round(nominal, 6)) == set(tier.grid.axes["arc_snr"])
