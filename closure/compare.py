"""How far a stamp's added light is from the reference, band by band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Deviation:
    """One band. NaN where the added light has no positive flux: it then has no moments.

    flux, moment: added over reference, minus 1 (second moment: trace about the own centroid).
    l2: norm of the difference over the norm of the reference. centroid: distance, unit of `scale`.
    """

    flux: float
    l2: float
    moment: float
    centroid: float


def deviation(added: np.ndarray, reference: np.ndarray, scale: float) -> Deviation:
    """Compare two images of shape (n, n); scale: arcsec a pixel."""
    flux, x, y, moment = _moments(added)
    flux_0, x_0, y_0, moment_0 = _moments(reference)
    return Deviation(
        flux=flux / flux_0 - 1,
        l2=float(np.linalg.norm(added - reference) / np.linalg.norm(reference)),
        moment=moment / moment_0 - 1,
        centroid=scale * float(np.hypot(x - x_0, y - y_0)),
    )


def _moments(image: np.ndarray) -> tuple[float, float, float, float]:
    """(flux, x, y, second moment), pixels; NaN but for the flux where it is not above 0."""
    flux = float(image.sum())
    if not flux > 0:
        return flux, np.nan, np.nan, np.nan
    j, i = np.indices(image.shape)
    x, y = float((image * i).sum() / flux), float((image * j).sum() / flux)
    moment = float((image * ((i - x) ** 2 + (j - y) ** 2)).sum() / flux)
    return flux, x, y, moment if moment > 0 else np.nan
