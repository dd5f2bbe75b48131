"""What a raw stamp shows of its host and its noise: numbers that the gate compares with the catalogue."""

from __future__ import annotations

import numpy as np

from survey.layout import PIXEL_SCALE

CORE_PIXELS = 10  # a square of 2.6 arcsec: most of a galaxy's light, and what a lazy network looks at
_WINDOW_ARCSEC = 0.8
_ROUNDS = 6
_SIGMA_OF_MAD = 1.4826


def core_flux(image: np.ndarray) -> float:
    """Flux of the central CORE_PIXELS x CORE_PIXELS pixels of one band, nmgy."""
    first = (image.shape[0] - CORE_PIXELS) // 2
    core = slice(first, first + CORE_PIXELS)
    return float(image[core, core].sum(dtype=np.float64))


def centroid(image: np.ndarray, center: tuple[float, float]) -> tuple[float, float]:
    """Where the host's light is, from its catalogue position, arcsec (+x, +y); NaN where there is none.

    A Gaussian window that follows the light: the weighted mean underestimates the step (by half for a galaxy
    of the window's own size), so it is doubled, and repeated.
    """
    n = image.shape[0]
    axis = (np.arange(n) - (n - 1) / 2) * PIXEL_SCALE
    x, y = axis[None, :] - center[0], axis[:, None] - center[1]
    at_x = at_y = 0.0
    for _ in range(_ROUNDS):
        weight = image * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * _WINDOW_ARCSEC**2))
        total = float(weight.sum(dtype=np.float64))
        if not total > 0:
            return np.nan, np.nan
        at_x += 2 * float((weight * (x - at_x)).sum(dtype=np.float64)) / total
        at_y += 2 * float((weight * (y - at_y)).sum(dtype=np.float64)) / total
    lost = max(abs(at_x), abs(at_y)) > 2 * _WINDOW_ARCSEC  # it ran off to a neighbour
    return (np.nan, np.nan) if lost else (at_x, at_y)


def noise_ratio(image: np.ndarray, invvar: np.ndarray) -> float:
    """Scatter of neighbouring pixels' differences over the one that invvar tells; NaN without good pixels.

    Differences take out galaxies and sky, the median their edges.
    """
    a, b = invvar[:, 1:], invvar[:, :-1]
    good = (a > 0) & (b > 0)
    if not good.any():
        return float("nan")
    difference = (image[:, 1:] - image[:, :-1])[good]
    sigma = np.sqrt(1 / a[good] + 1 / b[good])
    return float(_SIGMA_OF_MAD * np.median(np.abs(difference / sigma)))
