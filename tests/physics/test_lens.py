import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lenstronomy.LensModel.lens_model import LensModel

from physics import Lens, deflection, point_magnification
from tests.physics.systems import untimed

GOOD = {"theta_e": 1.2, "q": 0.7, "phi": 0.4, "gamma": 0.05, "phi_gamma": 1.0, "x": 0.1, "y": -0.2}
SKY = np.random.default_rng(1).uniform(-4, 4, (2, 500))

lenses = st.builds(
    Lens,
    theta_e=st.floats(0.1, 5.0),
    q=st.floats(0.2, 1.0),
    phi=st.floats(-4, 4),
    gamma=st.floats(0, 0.2),
    phi_gamma=st.floats(-4, 4),
    x=st.floats(-1, 1),
    y=st.floats(-1, 1),
)


def _lenstronomy(lens):
    e = (1 - lens.q) / (1 + lens.q)
    kwargs = [
        {"theta_E": lens.theta_e, "e1": e * np.cos(2 * lens.phi), "e2": e * np.sin(2 * lens.phi)},
        {
            "gamma1": lens.gamma * np.cos(2 * lens.phi_gamma),
            "gamma2": lens.gamma * np.sin(2 * lens.phi_gamma),
        },
    ]
    kwargs[0].update(center_x=lens.x, center_y=lens.y)
    kwargs[1].update(ra_0=lens.x, dec_0=lens.y)
    return LensModel(["SIE", "SHEAR"]), kwargs


@pytest.mark.parametrize("q", [0.2, 0.4, 0.7, 0.95])
def test_rays_equal_lenstronomy(q):
    lens = Lens(**{**GOOD, "q": q})
    model, kwargs = _lenstronomy(lens)
    alpha_x, alpha_y = deflection(*SKY, lens)
    truth_x, truth_y = model.alpha(*SKY, kwargs)
    np.testing.assert_allclose(alpha_x, truth_x, atol=1e-8)
    np.testing.assert_allclose(alpha_y, truth_y, atol=1e-8)


def test_isothermal_sphere_deflects_by_theta_e():
    lens = Lens(1.3, 1.0, 0.7, 0.0, 0.0, 0.2, 0.1)
    assert np.hypot(*deflection(*SKY, lens)) == pytest.approx(1.3, abs=1e-12)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_mean_convergence_inside_theta_e_is_one(q):
    # Gauss: the flux of alpha through a circle of radius R is 2 x the mass inside, in units of Sigma_crit;
    # far from the ellipse's axis ratio, the mass inside the ellipse kappa = 1/2 is checked by its area.
    lens = Lens(1.0, q, 0.0, 0.0, 0.0, 0.0, 0.0)
    x, y = np.meshgrid(np.linspace(-3, 3, 2001), np.linspace(-3, 3, 2001))
    step = 1e-5
    kappa = 0.5 * (
        (deflection(x + step, y, lens)[0] - deflection(x - step, y, lens)[0]) / (2 * step)
        + (deflection(x, y + step, lens)[1] - deflection(x, y - step, lens)[1]) / (2 * step)
    )
    assert (kappa >= 0.5).sum() * (6 / 2000) ** 2 == pytest.approx(np.pi, rel=1e-3)


def test_shear_sign():
    # gamma_1 > 0: beta_x = (1 - gamma_1) theta_x, an image stretched along x
    lens = Lens(0.0, 1.0, 0.0, 0.1, 0.0, 0.0, 0.0)
    alpha_x, alpha_y = deflection(np.array([1.0]), np.array([2.0]), lens)
    assert (alpha_x[0], alpha_y[0]) == pytest.approx((0.1, -0.2))


@untimed
@given(lenses)
def test_magnification_is_the_jacobian_of_the_rays(lens):
    x, y = SKY[:, :20]
    step = 1e-5
    ax1, ay1 = deflection(x + step, y, lens)
    ax0, ay0 = deflection(x - step, y, lens)
    bx1, by1 = deflection(x, y + step, lens)
    bx0, by0 = deflection(x, y - step, lens)
    h = 2 * step
    det = (1 - (ax1 - ax0) / h) * (1 - (by1 - by0) / h) - (ay1 - ay0) * (bx1 - bx0) / h**2
    away = np.hypot(x - lens.x, y - lens.y) > 0.2
    np.testing.assert_allclose(1 / point_magnification(x, y, lens)[away], det[away], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.3, 0.8])
def test_isothermal_sphere_total_magnification_is_two_over_beta(beta):
    lens = Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    images = np.array([1 + beta, beta - 1])
    assert np.abs(point_magnification(images, np.zeros(2), lens)).sum() == pytest.approx(2 / beta)


@pytest.mark.parametrize(("q", "total"), [(0.5, 8.899), (0.7, 16.948), (0.9, 56.98)])
def test_ellipsoid_central_magnification(q, total):
    # the four images of a source at the centre lie on the axes where |alpha| = |theta|
    lens = Lens(1.0, q, 0.0, 0.0, 0.0, 0.0, 0.0)
    major = deflection(np.array([1.0]), np.array([0.0]), lens)[0][0]
    minor = deflection(np.array([0.0]), np.array([1.0]), lens)[1][0]
    mu = point_magnification(np.array([major, 0.0]), np.array([0.0, minor]), lens)
    assert 2 * np.abs(mu).sum() == pytest.approx(total, rel=1e-3)


def test_the_centre_and_no_lens_are_finite():
    lens = Lens(**{**GOOD, "x": 0.0, "y": 0.0})
    zero = np.zeros(1)
    assert deflection(zero, zero, lens) == (pytest.approx(0.0), pytest.approx(0.0))
    assert point_magnification(zero, zero, lens)[0] == 0.0
    assert point_magnification(*SKY, Lens.none()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "1", None])
def test_bad_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        Lens(**{**GOOD, name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("theta_e", -0.1), ("q", 0.0), ("q", 1.1), ("gamma", -0.01), ("gamma", 1.0)]
)
def test_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} must lie in .* got {value}"):
        Lens(**{**GOOD, name: value})


def test_bad_positions_are_refused():
    with pytest.raises(ValueError, match="finite"):
        deflection(np.array([np.nan]), np.zeros(1), Lens(**GOOD))
