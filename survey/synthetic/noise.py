"""Sky noise with the coadds' correlation between neighbouring pixels.

White noise is convolved along each axis with a short symmetric kernel whose autocorrelation at lags 1 and 2
is the camera's; resampling in the survey's coadds does the same.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, fsolve

DECAM_LAGS = (0.11, -0.075)
"""Autocorrelation at lags 1 and 2 of a DECam coadd."""

BASS_LAG = 0.59
"""Autocorrelation at lag 1 of a BASS (90prime) coadd."""


def correlated_noise(
    shape: tuple[int, int], kernel: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw correlated Gaussian noise of unit variance.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    kernel : tuple of float
        From `decam_kernel` or `bass_kernel`: symmetric, sum of squares 1.
    rng : Generator
        Random numbers.
    """
    reach = len(kernel) // 2
    rows, columns = shape
    white = rng.standard_normal((rows + 2 * reach, columns + 2 * reach), dtype=np.float32)
    along_rows = _slide(white, kernel, rows)
    return np.ascontiguousarray(_slide(along_rows.T, kernel, columns).T)


@cache
def decam_kernel() -> tuple[float, ...]:
    """Give the five-point kernel with the autocorrelation `DECAM_LAGS`."""

    def misfit(taps: NDArray[np.float64]) -> list[float]:
        lags = autocorrelation(_symmetric(taps.tolist()))
        return [lags[1] - DECAM_LAGS[0], lags[2] - DECAM_LAGS[1]]

    return _symmetric(fsolve(misfit, [0.07, -0.04]).tolist())


@cache
def bass_kernel() -> tuple[float, ...]:
    """Give the three-point kernel with the autocorrelation `BASS_LAG`."""
    tap = brentq(lambda side: autocorrelation(_symmetric([side]))[1] - BASS_LAG, 0.0, 0.7)
    return _symmetric([float(tap)])


def autocorrelation(kernel: tuple[float, ...]) -> list[float]:
    """Give the autocorrelation, by lag from 0, of white noise convolved with a kernel."""
    values = np.asarray(kernel)
    full = np.correlate(values, values, "full")[len(values) - 1 :]
    return [float(lag) for lag in full / full[0]]


def _symmetric(sides: list[float]) -> tuple[float, ...]:
    taps = np.array([*reversed(sides), 1.0, *sides])
    return tuple(float(tap) for tap in taps / np.sqrt((taps**2).sum()))


def _slide(field: NDArray[np.float32], kernel: tuple[float, ...], length: int) -> NDArray[np.float32]:
    total = np.float32(kernel[0]) * field[:length]
    for shift, tap in enumerate(kernel[1:], 1):
        total += np.float32(tap) * field[shift : shift + length]
    return np.asarray(total, dtype=np.float32)
