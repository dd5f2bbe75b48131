"""Poisson noise of the light that is added; the sky and its noise are the survey's own and stay as they are.

A coadd's noise is that of its sky: with G electrons per nanomaggy and B nanomaggies of sky in a pixel, its
variance is B / G. So G = B invvar, and light s adds the variance s / G = (s / B) / invvar. B is the sky of a
dark night: 22.04, 20.91 and 18.46 mag/arcsec^2 in g, r, z at the DECam (Burleigh et al. 2020, AJ 160, 61).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.schema import BANDS
from survey.layout import PIXEL_SCALE

SKY_MAG = {"g": 22.04, "r": 20.91, "z": 18.46}
# Sky in a pixel, nmgy, shape (band, 1, 1).
SKY = np.array([10 ** (-0.4 * (SKY_MAG[b] - 22.5)) * PIXEL_SCALE**2 for b in BANDS])[:, None, None]

Pixels = NDArray[np.float32]


def noisy(light: Pixels, invvar: Pixels, task_seed64: int) -> Pixels:
    """Added light (band, y, x), nmgy, with its own Poisson noise: Philox keyed by task and band.

    A pixel without invvar has the gain of the band's median pixel that has one; a band without any stays
    clean.
    """
    result = light.astype(np.float64)
    for band in range(len(BANDS)):
        gain = SKY[band] * _filled(invvar[band])
        if np.all(gain > 0.0):
            rng = np.random.Generator(np.random.Philox(key=[task_seed64, band]))
            result[band] = rng.poisson(np.maximum(result[band], 0.0) * gain) / gain
    return result.astype(np.float32)


def updated_invvar(invvar: Pixels, light: Pixels) -> NDArray[np.float64]:
    """Inverse variance of the pixels with the light in them: invvar / (1 + s / B), shape (band, y, x)."""
    return np.asarray(invvar / (1.0 + np.maximum(light, 0.0) / SKY), dtype=np.float64)


def _filled(invvar: Pixels) -> NDArray[np.float64]:
    good = invvar > 0.0
    typical = float(np.median(invvar[good])) if good.any() else 0.0
    return np.where(good, invvar, typical).astype(np.float64)
