"""Fourier transforms of the profiles the sky is drawn with.

Moffat: I(r) ~ (1 + r^2/a^2)^-beta has the transform 2 (ka/2)^(beta-1) K_(beta-1)(ka) / Gamma(beta-1), unit
total (Trujillo et al. 2001, MNRAS 321, 269, gives the profile). Sersic: I(r) ~ exp(-b_n (r/r_e)^(1/n)); its
Hankel transform is tabulated once per index by quadrature in log r, to 1e-3.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

_LOG_RADII = np.linspace(np.log(1e-5), np.log(1.0e4), 8000)
_K_GRID = np.concatenate([[0.0], np.geomspace(3e-3, 400.0, 160)])


@cache
def sersic_b(n: float) -> float:
    """Give b_n: half of a Sersic profile's light lies within its r_eff (exact)."""
    return float(special.gammaincinv(2.0 * n, 0.5))


def sersic_transform(k2_reff2: NDArray[np.float32], n: float) -> NDArray[np.float32]:
    """Give the Fourier transform of a Sersic profile of unit flux.

    Parameters
    ----------
    k2_reff2 : ndarray
        (k r_eff)^2, k in radians per unit of r_eff; for an ellipse k is scaled along its axes.
    n : float
        Sersic index, 0.5 to 6.
    """
    if n == 1.0:  # closed form of the exponential disc
        return np.asarray((1.0 + k2_reff2 / np.float32(sersic_b(1.0) ** 2)) ** np.float32(-1.5))
    return np.interp(k2_reff2, _K_GRID**2, _sersic_table(n)).astype(np.float32)


@cache
def _sersic_table(n: float) -> NDArray[np.float64]:
    radii = np.exp(_LOG_RADII)
    weights = np.exp(-sersic_b(n) * radii ** (1.0 / n)) * radii**2
    weights /= weights.sum()
    return np.array([float((weights * special.j0(k * radii)).sum()) for k in _K_GRID])


def moffat_transform(k: NDArray[np.float64], fwhm: float, beta: float) -> NDArray[np.float64]:
    """Give the Fourier transform of a Moffat of unit flux.

    Parameters
    ----------
    k : ndarray
        Wave number, radians per unit of `fwhm`.
    fwhm : float
        Full width at half maximum.
    beta : float
        Exponent, above 1.
    """
    core = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    order = beta - 1.0
    scaled = np.maximum(k * core, 1e-9)
    value = 2.0 * (scaled / 2.0) ** order * special.kv(order, scaled) / special.gamma(order)
    return np.where(scaled < 1e-6, 1.0, value)


def moffat_core(fwhm: float, beta: float) -> float:
    """Give the core radius a of a Moffat, in the unit of its FWHM."""
    return float(fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0)))
