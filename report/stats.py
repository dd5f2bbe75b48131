"""Numbers of the page: groups labelled by the values in them, errors by host, Wilson intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

Z95 = 1.959964  # two-sided 95 % of the normal distribution
MIN_PAIRED_HOSTS = 10  # below this a change within hosts is not printed


@dataclass(frozen=True)
class Groups:
    """Rows sorted into groups of one parameter.

    labels: one a group, from the values in it; centres: median value of each; index: each row's group, -1
    where the value is not known; exact: a group is one value, not a range; spans: the ends of each.
    """

    labels: tuple[str, ...]
    centres: tuple[float, ...]
    index: Codes
    exact: bool
    spans: tuple[tuple[float, float], ...]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, group: int) -> NDArray[np.bool_]:
        return np.asarray(self.index == group)


def format_value(value: float) -> str:
    """Up to four significant digits, without trailing zeros: 0.3, 1, 0.08, 23.46."""
    return f"{value:.4g}"


def group_values(values: Floats, most_values: int = 12, bins: int = 6) -> Groups:
    """One group a distinct value; where there are more than `most_values`, `bins` groups of like size."""
    rounded = np.full(len(values), np.nan)
    known = np.isfinite(values)
    rounded[known] = np.array([float(f"{v:.6g}") for v in np.unique(values[known])])[
        np.unique(values[known], return_inverse=True)[1]
    ]
    distinct = np.unique(rounded[known])
    if len(distinct) <= most_values:
        index = np.where(known, np.searchsorted(distinct, rounded), -1)
        spans = tuple((float(value), float(value)) for value in distinct)
        return Groups(tuple(map(format_value, distinct)), tuple(map(float, distinct)), index, True, spans)
    return _quantile_groups(rounded, known, bins)


def _quantile_groups(values: Floats, known: NDArray[np.bool_], bins: int) -> Groups:
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)))
    index = np.where(known, np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2), -1)
    inside = [values[index == i] for i in range(len(edges) - 1)]
    labels = tuple(f"{v.min():.3g}–{v.max():.3g}" for v in inside)
    spans = tuple((float(a), float(b)) for a, b in pairwise(edges))
    return Groups(labels, tuple(float(f"{np.median(v):.3g}") for v in inside), index, False, spans)


def five_sigma(psfdepth: Floats) -> Floats:
    """The AB magnitude of a point source at 5 sigma; psfdepth in 1/nmgy^2, NaN where it is not positive."""
    good = psfdepth > 0
    return np.where(good, 22.5 - 2.5 * np.log10(5 / np.sqrt(np.where(good, psfdepth, 1.0))), np.nan)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, and what stands behind it."""

    value: float
    low: float
    high: float
    n_rows: int
    n_hosts: int


def host_mean(values: Floats, hosts: Codes) -> Estimate | None:
    """Mean over hosts of each host's mean; the interval from the scatter of hosts, not of rows.

    None where no value is finite. One host alone has no interval: low and high are NaN.
    """
    means, _, n_rows = _means_by_host(values, hosts)
    if not len(means):
        return None
    centre = float(means.mean())
    half = Z95 * float(means.std(ddof=1)) / len(means) ** 0.5 if len(means) > 1 else float("nan")
    return Estimate(centre, centre - half, centre + half, n_rows, len(means))


def host_log_mean(values: Floats, hosts: Codes) -> Estimate | None:
    """The same on logarithms: the geometric mean, which heavy tails do not carry away. Zeros are left out."""
    positive = values > 0
    log = host_mean(np.log(values[positive]), hosts[positive])
    if log is None:
        return None
    value, low, high = (float(np.exp(v)) for v in (log.value, log.low, log.high))
    return Estimate(value, low, high, log.n_rows, log.n_hosts)


def change_within_hosts(
    before: Floats, before_hosts: Codes, after: Floats, after_hosts: Codes
) -> Estimate | None:
    """Ratio after / before, host by host (mean of logarithms): hosts' own brightness drops out.

    None where fewer than MIN_PAIRED_HOSTS hosts have both.
    """
    old, old_ids, _ = _means_by_host(before, before_hosts)
    new, new_ids, _ = _means_by_host(after, after_hosts)
    both, at_old, at_new = np.intersect1d(old_ids, new_ids, return_indices=True)
    if len(both) < MIN_PAIRED_HOSTS:
        return None
    return host_log_mean(new[at_new] / np.where(old[at_old] > 0, old[at_old], np.nan), both)


def _means_by_host(values: Floats, hosts: Codes) -> tuple[Floats, Codes, int]:
    """(mean of each host, its code, rows used)."""
    good = np.isfinite(values) & (hosts >= 0)
    ids, inverse = np.unique(hosts[good], return_inverse=True)
    sums = np.bincount(inverse, weights=values[good], minlength=len(ids))
    return sums / np.bincount(inverse, minlength=len(ids)), ids, int(good.sum())


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction; (0, 1) where nothing was tried."""
    if n <= 0:
        return 0.0, 1.0
    share, z2 = successes / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def host_fraction(found: NDArray[np.bool_], hosts: Codes) -> Estimate | None:
    """Part of rows for which `found`, with Wilson's interval of as many trials as there are hosts.

    Rows of a host share its pixels; to count each host as one trial is the widest that the interval can be.
    None where there is no row.
    """
    if not len(found):
        return None
    share, n_hosts = float(found.mean()), len(np.unique(hosts))
    return Estimate(share, *wilson(share * n_hosts, n_hosts), len(found), n_hosts)


def cross_table(a: Codes, n_a: int, b: Codes, n_b: int) -> NDArray[np.int64]:
    """Rows counted by two codes; negative codes are left out."""
    table = np.zeros((n_a, n_b), dtype=np.int64)
    both = (a >= 0) & (b >= 0)
    np.add.at(table, (a[both], b[both]), 1)
    return table
