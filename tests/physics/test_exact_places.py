"""Lenses, sources and hosts exactly where people put them: on zero, on a pixel's centre, edge or corner."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.special import gamma, gammainc, gammaincc, gammaincinv

from physics import Lens, Psf, Source, render, render_batch
from tests.physics.oracle import psf_density, render_oracle
from tests.physics.sets import LEAST_SHARE
from tests.physics.systems import PIXEL, columns

#: Arcsec: far less than any image shows, far more than the rounding of a position.
NUDGE = 1e-5
FWHM = 1.2
#: Pixels of two renders of one sky, of the peak.
SAME = 1e-3


def _steep_systems(count, seed):
    """Sources whose light falls so fast that what a false image adds to them shows, with the lens on zero."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        theta_e = rng.uniform(1.0, 5.0)
        radius, angle = 1.2 * theta_e * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        round_one, unsheared = k % 5 == 0, k % 3 == 0
        lens = Lens(
            theta_e, 1.0 if round_one else rng.uniform(0.4, 0.99), rng.uniform(0, np.pi),
            0.0 if unsheared else rng.uniform(0, 0.05), rng.uniform(0, np.pi), 0.0, 0.0,
        )  # fmt: skip
        r_eff = float(np.exp(rng.uniform(np.log(0.03), np.log(0.2))))
        yield lens, Source(
            (1.0,), r_eff, rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.0), rng.uniform(0, np.pi),
            radius * np.cos(angle), radius * np.sin(angle),
        )  # fmt: skip


def _worst_of_each(table, moved, **options):
    """Largest difference of pixels over the peak, or that of a star with LEAST_SHARE of all light."""
    first, second = (render_batch(**t, kind="gaussian", **options) for t in (table, moved))
    star = psf_density(0.0, FWHM, "gaussian", 0.0) * PIXEL**2
    peak = np.maximum(second.image.max((1, 2, 3)), LEAST_SHARE * second.magnification * star)
    return np.abs(first.image - second.image).max((1, 2, 3)) / peak


@pytest.mark.parametrize(("place", "n_pix"), [
    ((0.0, 0.0), 64),  # the middle of a root cell, and all defaults
    ((0.5 * PIXEL, 0.5 * PIXEL), 63),
    ((4 * PIXEL, -2 * PIXEL), 64),
    ((PIXEL, 0.0), 64),  # on a root cell's edge
    ((PIXEL, -PIXEL), 64),  # and corner
    ((0.5 * PIXEL, 0.25 * PIXEL), 64),  # the middle, and an edge, of a part of one
], ids=str)  # fmt: skip
def test_an_exact_place_is_like_any_other(place, n_pix):
    """1,000 steep sources: 133 of 1,500 had a false image where the lens is, of up to 2.4 peaks."""
    table = columns(list(_steep_systems(1000, 11)), (FWHM,))
    for name, by in zip("xy", place, strict=True):
        table[f"lens_{name}"] = table[f"lens_{name}"] + by
        table[f"src_{name}"] = table[f"src_{name}"] + by
    moved = {**table, **{n: table[n] + NUDGE for n in ("lens_x", "src_x")}}
    worst = _worst_of_each(table, moved, n_pix=n_pix)
    assert worst.max() < SAME, (int(worst.argmax()), float(worst.max()))


@pytest.mark.parametrize("place", [(0.0, 0.0), (PIXEL, 0.0), (PIXEL, PIXEL), (0.5 * PIXEL, 0.0)], ids=str)
@pytest.mark.parametrize(("lens", "source"), [
    # magnification 46.5; 56.2 with an image at the lens's centre
    (Lens(2.5, 0.8, 0.3, 0.03, 0.5, 0.0, 0.0), Source((1.0,), 0.06, 1.0, 0.8, 0.2, 0.02, 0.01)),
    # source on the lens, source on the axis of a round one, and a host behind which nothing is bent
    (Lens(2.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.1, 1.0, 1.0, 0.0, 0.0, 0.0)),
    (Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.05, 0.5, 1.0, 0.0, 0.5, 0.0)),
    (Lens(0.0, 1.0, 0.0, 0.05, 0.0, 0.0, 0.0), Source((1.0,), 0.1, 1.0, 1.0, 0.0, 0.0, 0.0)),
], ids=["steep", "behind", "round", "sheet"])  # fmt: skip
def test_exact_systems_equal_the_oracle(lens, source, place):
    there = {"x": place[0], "y": place[1]}
    lens = dataclasses.replace(lens, **there)
    source = dataclasses.replace(source, x=source.x + place[0], y=source.y + place[1])
    got = render(lens, source, Psf((FWHM,), "gaussian"))
    truth = render_oracle(lens, source, FWHM, "gaussian", 0.0)
    assert np.abs(got.image[0] - truth.image).max() < 1e-3 * truth.image.max()
    assert got.image.sum(dtype=float) == pytest.approx(truth.image.sum(), rel=5e-4)
    assert got.magnification == pytest.approx(truth.magnification, rel=1e-3)


@pytest.mark.parametrize("n_sersic", [0.5, 1.0, 4.0, 6.0, 8.0, 10.0])
@pytest.mark.parametrize("r_eff", [0.02, 0.1])
def test_exact_ring_has_its_closed_form(n_sersic, r_eff):
    """mu = mean of 2 theta_e / R = 2 theta_e b^n Gamma(n) / (r_eff Gamma(2 n)), while R < theta_e."""
    theta_e, b = 1.0, gammaincinv(2 * n_sersic, 0.5)
    edge = b * (theta_e / r_eff) ** (1 / n_sersic)  # beyond: 1 + theta_e / R
    inner = 2 * theta_e / r_eff * b**n_sersic * gamma(n_sersic) / gamma(2 * n_sersic)
    beyond = gammaincc(2 * n_sersic, edge) - 0.5 * inner * gammaincc(n_sersic, edge)
    lens, source = Lens(theta_e, 1.0, *(0.0,) * 5), Source((1.0,), r_eff, n_sersic, 1.0, 0.0, 0.0, 0.0)
    got = render(lens, source, Psf((1.1,)))
    assert got.magnification == pytest.approx(inner + beyond, rel=1e-3)


def test_an_image_along_the_edge_of_cells_is_not_lost_between_them():
    """The source lies on the cut: beside the lens a sliver of an image, 1e-4" wide, between two cells."""
    lens = Lens(5.0, 0.99, np.pi, 0.0, 0.0, -0.5 * PIXEL, 0.25 * PIXEL)
    source = Source((1.0,), 0.02, 1.0, 1.0, 0.0, lens.x, lens.y + 5.0)
    got = render(lens, source, Psf((1.1,)), n_pix=63).image[0]
    truth = render_oracle(lens, source, 1.1, "moffat", 2.85, n_pix=63, tolerance=1e-8).image
    assert np.abs(got - truth).max() < 3e-4 * truth.max()


PLACES = ((0.0, 0.0), (PIXEL, 0.0), (0.25 * PIXEL, 1.5 * PIXEL), (0.03, 0.2))


def _unlensed(n_sersic, n_pix):
    """Sources of every axis ratio, size and place, along the pixels and askew, behind no lens: half of them
    with its centre on the source's, half far from it.
    """
    ratios, sizes, angles = (0.1, 0.15, 0.3, 1.0), (0.02, 0.1, 0.3), (0.0, 0.3, 0.5 * np.pi)
    pairs = [
        (
            Lens(0.0, 0.9999, -0.5 * np.pi, 0.0, 0.0, x + beside, y),
            Source((1.0,), r_eff, n_sersic, q, phi, x, y),
        )
        for q, r_eff, phi, (x, y), beside in itertools.product(ratios, sizes, angles, PLACES, (0.0, 5.0))
    ]
    return {**columns(pairs, (0.8,), (-0.5 * PIXEL, -0.5 * PIXEL)), "n_pix": n_pix}


@pytest.mark.parametrize("n_pix", [63, 64])
@pytest.mark.parametrize("n_sersic", [0.3, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0])
def test_without_a_lens_no_light_is_lost(n_sersic, n_pix):
    """Magnification 1; and the stamp holds what the widest ellipse of the profile that fits into it does."""
    table = _unlensed(n_sersic, n_pix)
    got = render_batch(**table, kind="gaussian")
    np.testing.assert_allclose(got.magnification, 1.0, atol=5e-4)
    fits = 0.5 * n_pix * PIXEL - 1.5 * PIXEL - 0.5 * PIXEL - 2.0  # less the place, the host's offset, the PSF
    radius = fits * np.sqrt(table["src_q"]) / table["r_eff"]
    least = gammainc(2 * n_sersic, gammaincinv(2 * n_sersic, 0.5) * radius ** (1 / n_sersic))
    assert (got.flux_in_stamp[:, 0] > least - 5e-4).all()
    assert (got.flux_in_stamp[:, 0] < 1 + 5e-4).all()
