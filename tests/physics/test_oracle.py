"""The reference itself: its rays and profile against lenstronomy, its sums against closed forms and against
itself with everything ten times finer.
"""

import dataclasses

import numpy as np
import pytest

from physics import Lens, Source, caustics
from tests.physics import lenstronomy_model, oracle
from tests.physics.systems import PIXEL, random_systems

SKY = np.random.default_rng(3).uniform(-6, 6, (2, 2000))


@pytest.mark.parametrize("q", [0.1, 0.4, 0.8, 0.999])
def test_rays_equal_lenstronomy(q):
    lens = Lens(1.7, q, 0.7, 0.06, 1.9, 0.0, 0.0)
    model, kwargs = lenstronomy_model.lens_model(lens)
    truth = model.ray_shooting(*SKY, kwargs)
    assert np.abs(np.array(oracle.source_plane(*SKY, lens)) - truth).max() < 3e-9


@pytest.mark.parametrize("seed", range(4))
def test_brightness_equals_lenstronomy(seed):
    ((lens, source),) = random_systems(1, seed)
    truth = lenstronomy_model.brightness_function(lens, source)(*SKY)
    own = oracle.sersic(oracle.sersic_radius(SKY[0] - lens.x, SKY[1] - lens.y, lens, source), source)
    assert np.abs(own - truth).max() < 3e-8 * truth.max()
    np.testing.assert_allclose(own, truth, rtol=3e-6)


def _on_the_caustic():
    lens = Lens(2.6, 0.6, 0.3, 0.05, 1.0, 0.05, -0.08)
    x, y = (float(v[17]) for v in caustics(lens, 100))
    return lens, Source((1.0,), 0.07, 5.8, 0.5, 0.5, x, y)


SYSTEMS = [*random_systems(2, 8), _on_the_caustic()]


@pytest.mark.parametrize(("lens", "source"), SYSTEMS, ids=["first", "second", "on the caustic"])
def test_ten_times_finer_changes_less_than_the_stated_error(lens, source):
    seen = oracle.light(lens, source)
    finer = oracle.light(lens, source, tolerance=0.1 * oracle.TOLERANCE, fine=2 * oracle.FINE)
    assert finer.rays > 1.1 * seen.rays
    assert finer.magnification == pytest.approx(seen.magnification, rel=1e-5)
    for psf in ((0.6, "moffat", 2.5), (0.6, "gaussian", 0.0), (2.5, "moffat", 2.5)):
        image, truth = oracle.convolve(seen, *psf), oracle.convolve(finer, *psf)
        assert image.sum() == pytest.approx(truth.sum(), rel=1e-5)
        assert np.abs(image - truth).max() < 1e-5 * truth.max()


def test_gaussian_source_and_psf_make_a_gaussian():
    source = Source((1.0,), 0.4, 0.5, 1.0, 0.0, 0.11, -0.07)
    image = oracle.render_oracle(Lens.none(), source, 0.9, "gaussian", 0.0, n_pix=33).image
    sigma2 = source.r_eff**2 / (2 * np.log(2)) + (0.9 / 2.3548200450309493) ** 2
    axis = (np.arange(33) - 16) * PIXEL
    r2 = (axis - source.x) ** 2 + (axis[:, None] - source.y) ** 2
    truth = PIXEL**2 * np.exp(-0.5 * r2 / sigma2) / (2 * np.pi * sigma2)
    assert np.abs(image - truth).max() < 1e-5 * truth.max()


@pytest.mark.parametrize("beta", [2.5, 4.0])
def test_moffat_star_is_its_profile(beta):
    star = Source((1.0,), 1e-3, 1.0, 1.0, 0.0, 0.05, 0.02)
    image = oracle.render_oracle(Lens.none(), star, 0.7, "moffat", beta, n_pix=64, center=(0.03, 0.0)).image
    axis = (np.arange(64) - 31.5) * PIXEL
    r2 = (axis - 0.03 - star.x) ** 2 + (axis[:, None] - star.y) ** 2
    a2 = 0.7**2 / (4 * (2 ** (1 / beta) - 1))
    truth = PIXEL**2 * (beta - 1) / (np.pi * a2) * (1 + r2 / a2) ** -beta
    assert np.abs(image - truth).max() < 3e-5 * truth.max()


@pytest.mark.parametrize("n_sersic", [0.3, 1.0, 4.0, 8.0])
def test_nothing_is_lost_without_a_lens(n_sersic):
    source = Source((1.0,), 0.02, n_sersic, 0.3, 1.0, 7.3, -30.0)
    assert oracle.light(Lens.none(), source).magnification == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("offset", [0.0, 0.4, 1.7])
def test_isothermal_sphere_equals_the_mean_of_the_point_magnification(offset):
    """2 / beta inside the Einstein radius, 1 + 1 / beta outside (theta_E = 1): polar quadrature about the
    lens.
    """
    source = Source((1.0,), 0.2, 0.5, 0.7, 0.3, offset, 0.0)
    edges = np.concatenate([np.linspace(0, 1, 401), np.geomspace(1, 20, 801)[1:]])
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = 0.5 * np.diff(edges)[:, None]
    beta = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel()
    weight = (half * weights).ravel() * beta * np.where(beta < 1, 2 / beta, 1 + 1 / beta)
    angle = 2 * np.pi * (np.arange(512) + 0.5) / 512
    x, y = np.outer(beta, np.cos(angle)), np.outer(beta, np.sin(angle))
    brightness = oracle.sersic(oracle.sersic_radius(x, y, Lens.none(), source), source)
    truth = (weight[:, None] * brightness).sum() * 2 * np.pi / 512
    sphere = Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert oracle.light(sphere, source).magnification == pytest.approx(truth, rel=3e-5)


def test_offsets_move_the_stamp():
    lens, source = SYSTEMS[0]
    still = oracle.render_oracle(lens, source, 1.0, "moffat", 3.0).image
    moved = oracle.render_oracle(lens, source, 1.0, "moffat", 3.0, center=(PIXEL, -2 * PIXEL)).image
    assert np.abs(moved[:-2, 1:] - still[2:, :-1]).max() < 1e-5 * still.max()
    shifted = oracle.render_oracle(
        dataclasses.replace(lens, x=lens.x + PIXEL), dataclasses.replace(source, x=source.x + PIXEL),
        1.0, "moffat", 3.0,
    ).image  # fmt: skip
    assert np.abs(shifted[:, 1:] - still[:, :-1]).max() < 1e-5 * still.max()
