"""Flux ratios by brute quadrature in polar coordinates about the lens: neither lenstronomy's code nor cells.

An SIE's deflection depends on the direction alone (Kormann et al. 1994), so in these coordinates nothing is
singular at its centre.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import gammaincinv

from closure import Lens, Source

_REACH = 10.0  # half-light radii beyond the outermost image


@lru_cache
def magnification(lens: Lens, source: Source, radial: int = 500, directions: int = 1000) -> float:
    """Flux in the image plane over the source's, of a round source whose light is smooth (n_sersic 0.5)."""
    outer = lens.theta_e + math.hypot(source.x, source.y) + _REACH * source.r_eff
    nodes, weights = leggauss(radial)
    r = (outer * (nodes + 1) / 2)[:, None]
    t = np.arange(directions) * 2 * math.pi / directions
    x, y = _traced(lens, r, t)
    rho = np.hypot(x - source.x, y - source.y) / source.r_eff
    n, b = source.n_sersic, gammaincinv(2 * source.n_sersic, 0.5)
    central = b ** (2 * n) / (2 * math.pi * n * source.r_eff**2 * math.gamma(2 * n))
    light = central * np.exp(-np.minimum(b * rho ** (1 / n), 100)) * r
    return float(weights @ light.sum(axis=1)) * outer / 2 * 2 * math.pi / directions


def _traced(lens: Lens, r: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Source-plane positions of image-plane radii r and directions t."""
    q = (1 - lens.e) / (1 + lens.e)
    own = t - lens.phi
    if lens.e:
        f = math.sqrt(1 - q * q)
        w = np.sqrt((q * np.cos(own)) ** 2 + np.sin(own) ** 2)
        along = math.sqrt(q) / f * np.arctan(f * np.cos(own) / w)
        across = math.sqrt(q) / f * np.arctanh(f * np.sin(own) / w)
    else:
        along, across = np.cos(own), np.sin(own)
    ax = lens.theta_e * (along * math.cos(lens.phi) - across * math.sin(lens.phi))
    ay = lens.theta_e * (along * math.sin(lens.phi) + across * math.cos(lens.phi))
    g1, g2 = lens.shear * math.cos(2 * lens.shear_phi), lens.shear * math.sin(2 * lens.shear_phi)
    x, y = r * np.cos(t), r * np.sin(t)
    return x - ax - g1 * x - g2 * y, y - ay - g2 * x + g1 * y
