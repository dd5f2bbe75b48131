"""Poisson noise of known uniform numbers: what of an image it explains, and what it costs in signal to noise.

The convention (docs/conventions.md): a pixel of light s holds the least k electrons for which the Poisson
probability of at most k, at the mean s G, exceeds the pixel's uniform number. It is scipy's quantile here.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import poisson

# What the means may be off before an electron counts: the renderers' own difference.
_OF_PIXEL, _OF_PEAK = 1e-3, 1e-4


def uniforms(seed: int, n_bands: int, n_pix: int) -> np.ndarray:
    """A task's uniform numbers, shape (band, n_pix, n_pix): Philox keyed by seed and band, row by row."""
    streams = [np.random.Generator(np.random.Philox(key=[seed, band])) for band in range(n_bands)]
    return np.stack([stream.random((n_pix, n_pix)) for stream in streams])


def without_noise(
    added: np.ndarray, reference: np.ndarray, gain: float, u: np.ndarray, rounding: np.ndarray
) -> np.ndarray:
    """One band's reference and whatever of the added light its noise does not explain, nmgy, (n, n).

    rounding: how far a stored pixel may be from its value, nmgy. Equal light gives the reference itself;
    other light differs from it by as many electrons as the light does, in the mean.
    """
    if not gain > 0:
        raise ValueError(f"gain is {gain}")
    mean = np.maximum(reference, 0.0) * gain
    slack = _OF_PIXEL * mean + _OF_PEAK * mean.max()
    low = poisson.ppf(u, np.maximum(mean - slack, 0.0)) - rounding * gain
    high = poisson.ppf(u, mean + slack) + rounding * gain
    electrons = added * gain
    return np.asarray(reference + (electrons - np.clip(electrons, low, high)) / gain)


def arc_snr(reference: np.ndarray, invvar: float, sky: float | None) -> tuple[float, float]:
    """(SNR, SNR of the brightest pixel) of one band's light on an even sky without bad pixels.

    invvar: of a pixel without the light, 1/nmgy^2. sky: nmgy a pixel, where the light has its own noise.
    """
    light = np.maximum(reference, 0.0)
    signal = light * np.sqrt(invvar if sky is None else invvar / (1 + light / sky))
    return float(np.sqrt((signal**2).sum())), float(signal.max())


def snr_loss(reference: np.ndarray, sky: float) -> float:
    """ln of the SNR without over with the light's own noise: one band, sky-limited by `sky`, nmgy a pixel."""
    light = np.maximum(reference, 0.0)
    return 0.5 * math.log((light**2).sum() / (light**2 / (1 + light / sky)).sum())
