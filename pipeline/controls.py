"""Do unpaired controls stand on the same kind of host as injections? Two-sample statistics in bounded memory.

Hosts of both kinds are drawn from each brick by the same hash, so their distributions are equal by design;
this measures it. Paired controls stand on the injected hosts themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BINS = 2_000
# Feature -> (low, high) of its histogram; what lies beyond counts in the outermost bins.
FEATURES = {
    "mag_r": (14.0, 24.0),
    "color_g_r": (-1.0, 4.0),
    "color_r_z": (-1.0, 3.0),
    "psfsize_r_arcsec": (0.5, 3.0),
    "depth_r_mag": (20.0, 27.0),
}


class Match:
    """Histograms and moments of the features of two samples of hosts."""

    def __init__(self) -> None:
        self._counts = {name: np.zeros((2, _BINS), dtype=np.int64) for name in FEATURES}
        self._sums = {name: np.zeros((2, 3)) for name in FEATURES}

    def add(self, hosts: pa.Table, is_control: NDArray[np.bool_]) -> None:
        """Add hosts; is_control says which of them carry unpaired controls. NULLs are left out."""
        for name, values in _features(hosts).items():
            low, high = FEATURES[name]
            for sample, chosen in enumerate((~is_control, is_control)):
                own = values[chosen & np.isfinite(values)]
                bins = np.clip((own - low) / (high - low) * _BINS, 0, _BINS - 1).astype(np.int64)
                self._counts[name][sample] += np.bincount(bins, minlength=_BINS)
                self._sums[name][sample] += (len(own), own.sum(), (own * own).sum())

    def as_json(self) -> dict[str, Any]:
        """By feature: sizes, Kolmogorov-Smirnov distance and p-value, difference of means over their sd."""
        return {name: self._statistics(name) for name in FEATURES if self._counts[name].any(axis=1).all()}

    def _statistics(self, name: str) -> dict[str, float]:
        below = np.cumsum(self._counts[name], axis=1)
        n, m = (int(k) for k in below[:, -1])
        distance = float(np.abs(below[0] / n - below[1] / m).max())
        counts, sums, squares = self._sums[name].T
        means = sums / counts
        spread = math.sqrt(max(float((squares / counts - means**2).mean()), 1e-30))
        return {
            "n_injected": n,
            "n_control": m,
            "ks_distance": round(distance, 6),
            "ks_p": round(kolmogorov_p(distance * math.sqrt(n * m / (n + m))), 4),
            "mean_difference_sd": round(float(means[1] - means[0]) / spread, 5),
        }


def kolmogorov_p(x: float) -> float:
    """P(K > x) of the Kolmogorov distribution: the limit for large samples."""
    if x < 0.2:  # there the series converges slowly, and the answer is 1 to 1e-12
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2.0 * math.fsum(terms)))


def _features(hosts: pa.Table) -> dict[str, NDArray[np.float64]]:
    def column(name: str) -> NDArray[np.float64]:
        return np.asarray(hosts[name].to_numpy(), dtype=np.float64)

    with np.errstate(divide="ignore", invalid="ignore"):
        depth = 22.5 - 2.5 * np.log10(5.0 / np.sqrt(column("psfdepth_r")))
    return {
        "mag_r": column("mag_r"),
        "color_g_r": column("mag_g") - column("mag_r"),
        "color_r_z": column("mag_r") - column("mag_z"),
        "psfsize_r_arcsec": column("psfsize_r_arcsec"),
        "depth_r_mag": depth,
    }
