"""`psfsize`, noise-equivalent area and FWHM.

psfsize = 2.355 / (2 sqrt(pi)) sqrt(NEA), where NEA = 1 / integral(P^2) is the noise-equivalent area of the
PSF P with unit integral, pixel included. For a Gaussian psfsize is the FWHM; for the Moffats of real coadds
the FWHM is about 0.76 psfsize.
"""

import math

GAUSSIAN_FWHM_PER_SIGMA = 2.355
"""The survey's rounding of 2 sqrt(2 ln 2), part of the definition of psfsize."""


def noise_equivalent_area(psfsize_arcsec: float) -> float:
    """Give the noise-equivalent area (arcsec^2) that a psfsize (arcsec) stands for."""
    return (psfsize_arcsec * 2.0 * math.sqrt(math.pi) / GAUSSIAN_FWHM_PER_SIGMA) ** 2


def psfsize_of_area(area_arcsec2: float) -> float:
    """Give the psfsize (arcsec) of a noise-equivalent area (arcsec^2)."""
    return GAUSSIAN_FWHM_PER_SIGMA / (2.0 * math.sqrt(math.pi)) * math.sqrt(area_arcsec2)


def moffat_fwhm_per_psfsize(beta: float) -> float:
    """Give FWHM / psfsize of a Moffat.

    I(r) ~ (1 + r^2/a^2)^-beta has FWHM = 2 a sqrt(2^(1/beta) - 1) and
    NEA = pi a^2 (2 beta - 1) / (beta - 1)^2.

    Parameters
    ----------
    beta : float
        Moffat exponent, above 1.

    Raises
    ------
    ValueError
        If beta <= 1: its flux is infinite.
    """
    if beta <= 1.0:
        raise ValueError(f"a Moffat of beta {beta} has no finite flux; give beta > 1")
    fwhm = 2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    return fwhm / psfsize_of_area(math.pi * (2.0 * beta - 1.0) / (beta - 1.0) ** 2)
