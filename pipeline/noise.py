"""Poisson noise of the light that is added; the sky and its noise are the survey's own and stay as they are.

A coadd's noise is that of its sky: with G electrons per nanomaggy and B nanomaggies of sky in a pixel, its
variance is B / G. So G = B invvar (of the band's median pixel: one number a band), and light s adds the
variance s / G. B: `pipeline.night_sky`.

The noise is a monotone function of one uniform number a pixel, so another renderer that finds nearly the same
light finds nearly the same electrons: that is how the closure test sees through the noise
(`pipeline.closure_noise`, which shares this convention and none of this code).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.night_sky import SKY
from pipeline.schema import BANDS

_SKY = np.array([SKY[band] for band in BANDS])
_SUMMED = 10.0  # electrons: below, the terms of the distribution are summed; above, its quantile is expanded

Pixels = NDArray[np.float32]
Floats = NDArray[np.float64]


def effective_gain(invvar: Pixels) -> Floats:
    """Electrons per nmgy in each band, from its median pixel with data; a band without any is an error."""
    return _SKY * np.array([np.median(band[band > 0.0]) for band in invvar], dtype=np.float64)


def noisy(light: Pixels, gain: Floats, task_seed64: int) -> Pixels:
    """Added light (band, y, x), nmgy, with its own Poisson noise: Philox keyed by task and band."""
    keyed = (np.random.Generator(np.random.Philox(key=[task_seed64, band])) for band in range(len(BANDS)))
    u = np.stack([generator.random(light.shape[1:]) for generator in keyed])
    per_band = gain[:, None, None]
    return (poisson_quantile(u, np.maximum(light, 0.0) * per_band) / per_band).astype(np.float32)


def updated_invvar(invvar: Pixels, light: Pixels, gain: float) -> Floats:
    """Inverse variance of one band's pixels with the light in them: 1 / (1 / invvar + s / G)."""
    return np.asarray(invvar / (1.0 + np.maximum(light, 0.0) * (invvar / gain)), dtype=np.float64)


def poisson_quantile(u: Floats, mean: Floats) -> Floats:
    """The least k whose Poisson probability P(at most k) exceeds u, for 0 <= u < 1.

    Expanded in the mean from `_SUMMED` on (Giles 2016, ACM TOMS 42, 7), where it is 1 off in some 1e-4 of the
    draws.
    """
    large = mean >= _SUMMED
    result = np.zeros(mean.shape)
    result[large] = _expanded(u[large], mean[large])
    none = np.exp(-mean)
    some = ~large & (u >= none)
    result[some] = _summed(u[some], mean[some], none[some])
    return result


def _summed(u: Floats, mean: Floats, none: Floats) -> Floats:
    """By the terms of the distribution, of which `none` is the first; u exceeds it."""
    result, left = np.ones(u.shape), np.arange(u.size)
    term = none * mean
    below = none + term
    for k in range(2, int(10 * _SUMMED)):
        more = u >= below
        if not more.any():
            break
        left, u, mean, term, below = left[more], u[more], mean[more], term[more] * mean[more] / k, below[more]
        below = below + term
        result[left] = k
    return result


def _expanded(u: Floats, mean: Floats) -> Floats:
    w = ndtri(np.maximum(u, 2**-53))
    root = np.sqrt(mean)
    terms = mean + root * w + (2 + w * w) / 6 - (2 * w + w**3) / (72 * root)
    terms += (-16 + 7 * w * w + 3 * w**4) / (810 * mean)
    return np.asarray(np.maximum(np.floor(terms), 0.0), dtype=np.float64)
