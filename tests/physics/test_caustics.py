import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physics import Lens, caustics, critical_curves, cut, point_magnification
from tests.physics.systems import untimed


def _area(x, y):
    return 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def _ellipsoid(q, **change):
    return Lens(
        **{**dict.fromkeys(("phi", "gamma", "phi_gamma", "x", "y"), 0.0), "theta_e": 1.0, "q": q, **change}
    )


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_critical_curve_encloses_the_einstein_area(q):
    assert _area(*critical_curves(_ellipsoid(q), 20000)) == pytest.approx(np.pi, rel=1e-6)


@pytest.mark.parametrize(("q", "area", "error"), [(0.5, 0.238, 5e-4), (0.9, 0.0058, 5e-5)])
def test_caustic_area(q, area, error):
    assert _area(*caustics(_ellipsoid(q), 20000)) == pytest.approx(area, abs=error)


@untimed
@given(st.floats(0.2, 1.0), st.floats(0, 0.3), st.floats(-3, 3), st.floats(-3, 3))
def test_magnification_diverges_on_the_critical_curve(q, gamma, phi, phi_gamma):
    lens = _ellipsoid(q, gamma=gamma, phi=phi, phi_gamma=phi_gamma, x=0.2, y=-0.1)
    assert np.abs(1 / point_magnification(*critical_curves(lens, 50), lens)).max() < 1e-9


def test_cut_of_a_sphere_is_its_einstein_circle():
    assert np.hypot(*cut(_ellipsoid(1.0))) == pytest.approx(1.0)


@pytest.mark.parametrize(("q", "naked"), [(0.38, True), (0.41, False)])
def test_cusps_leave_the_cut_below_q_0_394(q, naked):
    lens = _ellipsoid(q)
    assert (caustics(lens, 4000)[0].max() > cut(lens, 4000)[0].max()) == naked


def test_bad_number_of_points_is_named():
    with pytest.raises(ValueError, match="n must"):
        caustics(_ellipsoid(0.5), 2)
