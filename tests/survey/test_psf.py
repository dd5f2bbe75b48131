import numpy as np
import pytest

from survey.psf import (
    moffat_fwhm_per_psfsize,
    noise_equivalent_area,
    psfsize_of_area,
)


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.72), (3.0, 0.775), (3.5, 0.81), (1000.0, 1.0)])
def test_fwhm_per_psfsize_by_theory(beta, ratio):
    assert moffat_fwhm_per_psfsize(beta) == pytest.approx(ratio, abs=0.004)


def test_psfsize_is_the_fwhm_of_a_gaussian():
    sigma = 1.3 / 2.355
    assert noise_equivalent_area(1.3) == pytest.approx(4 * np.pi * sigma**2)
    assert psfsize_of_area(noise_equivalent_area(1.3)) == pytest.approx(1.3)


def test_a_moffat_without_finite_flux_is_refused():
    with pytest.raises(ValueError, match="beta > 1"):
        moffat_fwhm_per_psfsize(1.0)
