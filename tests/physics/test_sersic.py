import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from physics import Source, sersic
from tests.physics.systems import untimed

GOOD = {"flux": (1.0, 2.0), "r_eff": 0.3, "n_sersic": 2.0, "q": 0.7, "phi": 0.1, "x": 0.0, "y": 0.0}


@untimed
@given(st.floats(0.3, 10.0))
def test_b_n_is_exact(n):
    assert sersic.b_n(n) == pytest.approx(special.gammaincinv(2 * n, 0.5), rel=1e-10)


@untimed
@given(st.floats(0.3, 10.0), st.floats(0.01, 10.0))
def test_central_brightness_gives_unit_flux(n, r_eff):
    # total flux of I_0 exp(-b x^(1/n)): 2 pi n r_eff^2 b^(-2n) Gamma(2n) I_0
    b = special.gammaincinv(2 * n, 0.5)
    area = 2 * np.pi * n * r_eff**2 * b ** (-2 * n) * special.gamma(2 * n)
    assert sersic.central_brightness(n, r_eff, sersic.b_n(n)) * area == pytest.approx(1.0, rel=1e-9)


@untimed
@given(st.floats(0.3, 10.0), st.floats(1e-4, 0.1))
def test_core_joins_the_profile_and_keeps_its_flux(n, x_core):
    c0, c1, c2 = sersic.core_polynomial(n, x_core, sersic.b_n(n))
    b = special.gammaincinv(2 * n, 0.5)
    value = np.exp(-b * x_core ** (1 / n))
    assert c0 + c1 * x_core**2 + c2 * x_core**4 == pytest.approx(value, rel=1e-9)
    slope = -b / n * x_core ** (1 / n - 1) * value
    assert 2 * c1 * x_core + 4 * c2 * x_core**3 == pytest.approx(slope, rel=1e-6)
    flux = 2 * n * b ** (-2 * n) * special.gammainc(2 * n, b * x_core ** (1 / n)) * special.gamma(2 * n)
    assert c0 * x_core**2 + c1 * x_core**4 / 2 + c2 * x_core**6 / 3 == pytest.approx(flux, rel=1e-8)


@pytest.mark.parametrize("name", ["r_eff", "n_sersic", "q", "phi", "x", "y"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True])
def test_bad_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        Source(**{**GOOD, name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("r_eff", -0.1), ("r_eff", 0.0), ("n_sersic", 0.0), ("q", 0.0), ("q", 1.2),
    ("flux", (1.0, -1.0)), ("flux", (float("nan"),)), ("flux", ()), ("flux", 3.0), ("flux", "12"),
])  # fmt: skip
def test_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Source(**{**GOOD, name: value})


def test_flux_becomes_a_tuple():
    assert Source(**{**GOOD, "flux": np.array([1, 2])}).flux == (1.0, 2.0)
