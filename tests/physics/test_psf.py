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


def _moffat_transform(beta, w):
    nu = beta - 1
    return 2 ** (1 - nu) / special.gamma(nu) * w**nu * special.kv(nu, w)


@pytest.mark.parametrize("beta", [1.5, 1.9, 2.5, 2.85, 3.5, 4.0, 6.0, 11.0, 20.0])
def test_sum_of_gaussians_is_the_transform_of_the_profile(beta):
    w = np.concatenate([np.geomspace(1e-6, 0.1, 200), np.linspace(0.1, 25, 700)])
    got = psf.fourier_transform("moffat", beta, w)
    np.testing.assert_allclose(got, _moffat_transform(beta, w), atol=4e-6)
    assert psf.fourier_transform("moffat", beta, np.zeros(1)) == pytest.approx(1.0, abs=1e-12)
    assert beta < 2.5 or psf.fourier_gaussians("moffat", beta)[0].size <= 24


@pytest.mark.parametrize("beta", [2.5, 4.0])
def test_cutoffs_are_where_they_should_be(beta):
    step = 1 / 256
    w = psf.cutoff("moffat", beta, 1e-3)
    assert _moffat_transform(beta, w) < 1e-3 < _moffat_transform(beta, w - 2 * step)
    w = psf.cutoff_of_peak("moffat", beta, 1e-3)
    beyond = [integrate.quad(lambda t: t * _moffat_transform(beta, t), x, 60)[0] for x in (w, w - 2 * step)]
    peak = 2 * (beta - 1)  # 2 pi a^2 P(0)
    assert beyond[0] < 1.001e-3 * peak < beyond[1]
    assert psf.cutoff_of_peak("gaussian", 0.0, 1e-4) == pytest.approx(np.sqrt(2 * np.log(1e4)), abs=step)


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
