import numpy as np
import pytest

from survey.psf import (
    moffat_fwhm_per_psfsize,
    noise_equivalent_area,
    point_source_depth,
    psfsize_of_area,
)


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.72), (3.0, 0.775), (3.5, 0.81), (1000.0, 1.0)])
def test_fwhm_per_psfsize_by_theory(beta, ratio):
    assert moffat_fwhm_per_psfsize(beta) == pytest.approx(ratio, abs=0.004)


def test_psfsize_is_the_fwhm_of_a_gaussian():
    sigma = 1.3 / 2.355
    assert noise_equivalent_area(1.3) == pytest.approx(4 * np.pi * sigma**2)
    assert psfsize_of_area(noise_equivalent_area(1.3)) == pytest.approx(1.3)


def test_depth_is_that_of_the_best_weighted_flux():
    y, x = np.mgrid[-30:31, -30:31] * 0.262
    sigma = 1.25 / 2.355
    star = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    star /= star.sum()
    flux_error = 0.0025 / np.sqrt((star**2).sum())
    assert point_source_depth(0.0025**-2, 1.25) == pytest.approx(
        22.5 - 2.5 * np.log10(5 * flux_error), abs=1e-3
    )


def test_a_moffat_without_finite_flux_is_refused():
    with pytest.raises(ValueError, match="beta > 1"):
        moffat_fwhm_per_psfsize(1.0)
