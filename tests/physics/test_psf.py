import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from physics import Psf, Source, fwhm_over_psfsize, psf, render
from tests.physics.systems import untimed


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.720), (2.85, 0.760), (3.0, 0.775), (3.5, 0.810)])
def test_fwhm_over_psfsize(beta, ratio):
    assert fwhm_over_psfsize("moffat", beta) == pytest.approx(ratio, abs=2e-3)


def test_gaussian_psfsize_is_its_fwhm():
    assert Psf.from_psfsize((1.3, 1.2), kind="gaussian").fwhm == pytest.approx((1.3, 1.2))


@untimed
@given(st.floats(1.6, 10.0), st.floats(0.5, 3.0))
def test_noise_equivalent_area_is_that_of_the_profile(beta, fwhm):
    a = psf.moffat_scale(fwhm, beta)
    power = integrate.quad(
        lambda r: 2 * np.pi * r * ((beta - 1) / (np.pi * a**2) * (1 + (r / a) ** 2) ** -beta) ** 2, 0, np.inf
    )[0]
    assert Psf((fwhm,), beta=beta).noise_equivalent_area[0] == pytest.approx(1 / power, rel=1e-6)


@untimed
@given(st.floats(0.5, 15.0), st.floats(1e-3, 60.0))
def test_bessel_k(nu, x):
    assert psf.bessel_k(nu, np.array([x]))[0] == pytest.approx(special.kv(nu, x), rel=1e-9)


@pytest.mark.parametrize("beta", [1.5, 2.5, 3.7, 20.0])
def test_fourier_table_is_the_transform_of_the_profile(beta):
    table = psf.fourier_table("moffat", beta)
    nu = beta - 1
    w = np.linspace(0.01, 20, 700)
    linear = np.interp(w, np.arange(table.size) / psf.TABLE_STEPS, table)
    truth = 2 ** (1 - nu) / special.gamma(nu) * w**nu * special.kv(nu, w)
    assert table[0] == 1.0
    np.testing.assert_allclose(linear, truth, atol=3e-6)


@pytest.mark.parametrize("kind", ["moffat", "gaussian"])
@pytest.mark.parametrize("psfsize", [1.1, 1.5])
def test_rendered_star_has_the_surveys_psfsize(kind, psfsize):
    """The pixel is in the PSF once: 1 / sum(p^2) of a rendered star is the survey's noise-equivalent area."""
    star = Source((1.0,), 1e-3, 1.0, 1.0, 0.0, 0.07, -0.11)
    stamp = render(None, star, Psf.from_psfsize((psfsize,), kind=kind)).image[0].astype(float)
    area = 0.262**2 / np.sum(stamp**2)
    assert 2.3548 / (2 * np.sqrt(np.pi)) * np.sqrt(area) == pytest.approx(psfsize, rel=1e-3)


@pytest.mark.parametrize("psfsize", [0.0, -1.0, float("nan")])
def test_no_coverage_is_refused(psfsize):
    with pytest.raises(ValueError, match=r"psfsize\[1\]"):
        Psf.from_psfsize((1.2, psfsize))


@pytest.mark.parametrize(("arguments", "name"), [
    (((0.0,),), "fwhm"), (((1.0, float("inf")),), "fwhm"), ((1.0,), "fwhm"), (((1.0,), "airy"), "kind"),
    (((1.0,), "moffat", 1.0), "beta"), (((1.0,), "moffat", float("nan")), "beta"),
])  # fmt: skip
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        Psf(*arguments)


@pytest.mark.parametrize("kind", ["moffat", "gaussian"])
def test_wrapped_flux_is_the_flux_beyond_the_circle(kind):
    beta, scale, period = 2.5, 1.3, 6.0
    radius = period / np.sqrt(np.pi)
    if kind == "gaussian":
        truth = integrate.quad(lambda r: r / scale**2 * np.exp(-0.5 * (r / scale) ** 2), radius, np.inf)[0]
    else:
        truth = integrate.quad(
            lambda r: 2 * r * (beta - 1) / scale**2 * (1 + (r / scale) ** 2) ** -beta, radius, np.inf
        )[0]
    assert psf.wrapped_flux(kind, np.array([scale]), beta, period)[0] == pytest.approx(truth, rel=1e-6)
