"""Signal-to-noise of an added arc, and the photon noise of its light.

The sky is never resampled: the coadd's own noise stays, only the noise of the added light is new.
"""

import math

import numpy as np

from physics import _validate

#: How far below zero a pixel without light may lie: a render's error, of the peak (render.py), or this many
#: electrons, for a stamp that holds next to nothing of a source whose light rings by 1e-7 of itself. A signal
#: without a positive pixel is no light that rings, but one of the wrong sign.
_RINGING, _RINGING_ELECTRONS = 1e-3, 1.0
#: Beyond this numpy refuses to draw from a Poisson distribution.
_MOST_ELECTRONS = 1e18


def _image(name: str, values: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = _validate.reals(name, values)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array


def _weights(invvar: np.ndarray, shape: tuple[int, ...], good: np.ndarray | None) -> np.ndarray:
    weights = _image("invvar", invvar, shape)
    if (weights < 0).any():
        raise ValueError(f"invvar must not be negative, got {float(weights.min())!r}")
    if good is None:
        return weights
    mask = np.asarray(good)
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise ValueError(f"good must be a boolean array of shape {shape}, got {mask.dtype} {mask.shape}")
    return np.where(mask, weights, 0.0)


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(_validate.integer("rng", seed, 0, 2**128 - 1)))


def matched_filter_snr(signal: np.ndarray, invvar: np.ndarray, good: np.ndarray | None = None) -> float:
    """sqrt(sum s^2 invvar): the S/N of a signal of known shape in uncorrelated noise.

    signal: nmgy per pixel. invvar: 1/nmgy^2, 0 where there is no data. good: True where a pixel counts.
    """
    s = _image("signal", signal)
    return math.sqrt(float(np.sum(s * s * _weights(invvar, s.shape, good))))


def peak_snr(signal: np.ndarray, invvar: np.ndarray, good: np.ndarray | None = None) -> float:
    """max(s sqrt(invvar)) over the pixels that count; 0 where none does. Units as in `matched_filter_snr`."""
    s = _image("signal", signal)
    return max(0.0, float(np.max(s * np.sqrt(_weights(invvar, s.shape, good)), initial=0.0)))


def add_poisson_noise(
    signal: np.ndarray, invvar: np.ndarray, gain: float, rng: np.random.Generator | int
) -> tuple[np.ndarray, np.ndarray]:
    """Photon noise of added light: (noisy signal, updated invvar), both float64.

    signal: nmgy per pixel, not negative. What rings below zero in a render, by less than 1e-3 of the peak
        or than an electron, is cut to 0.
    invvar: 1/nmgy^2 of the image it is added to; 0 stays 0.
    gain: effective gain, photo-electrons per nmgy over the whole exposure stack of the band.
    rng: a generator, or the seed of a counter-based Philox generator: the same seed gives the same noise
    anywhere.

    A pixel of signal s holds N ~ Poisson(s gain) electrons and becomes N / gain; its variance grows by s /
    gain.
    """
    s = _image("signal", signal)
    weights = _weights(invvar, s.shape, None)
    if _validate.number("gain", gain) <= 0:
        raise ValueError(f"gain must be positive, got {gain!r}")
    most = s.max(initial=0.0)
    least = -max(_RINGING * most, _RINGING_ELECTRONS / gain) if most > 0 else 0.0
    if s.min(initial=0.0) < least:
        raise ValueError(f"signal must not be negative (less than {least:.3g}), got {float(s.min())!r}")
    s = np.clip(s, 0.0, None)
    if s.max(initial=0.0) * gain > _MOST_ELECTRONS:
        raise ValueError(f"gain must leave at most {_MOST_ELECTRONS:g} electrons a pixel, got {gain!r}")
    generator = rng if isinstance(rng, np.random.Generator) else _generator(rng)
    noisy = generator.poisson(s * gain) / gain
    return noisy, weights / (1.0 + weights * s / gain)
