"""How large the closure sample has to be, from the rates of error that the gate promises."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, comb, log

FALSE_ALARM = 1e-6  # a clean run is stopped
MISS = 1e-3  # a defect of WEAKEST is not
NULL_RATE = 0.002  # bad rows of a clean run: below this with 95 % confidence (docs/gate.md)
WEAKEST = (
    0.05  # a defect that spoils this share of the rows, or more, must be found; a tier may state another
)

# When a row is bad: what the renderer's stated errors (1e-3 of the peak, 5e-4 of the flux) stay well below.
# noise: of the light's own noise, the part of its variance that is not what the reference's light has.
BOUNDS = {
    "flux": 0.002, "l2": 0.01, "moment": 0.005, "centroid_arcsec": 0.005, "magnification": 0.002,
    "noise": 0.005, "core": 1e-5,
}  # fmt: skip


@lru_cache
def rows_needed(
    weakest: float = WEAKEST, false_alarm: float = FALSE_ALARM, miss: float = MISS, null: float = NULL_RATE
) -> tuple[int, int]:
    """(rows n, bad rows k that fail a run): the least n for which some k keeps both rates."""
    n = 1
    while True:
        k = least_bad_rows(n, false_alarm, null)
        if k <= n and _fewer(n, k, weakest) < miss:
            return n, k
        n += 1


def parts_needed(weakest: float = WEAKEST, miss: float = MISS) -> int:
    """The least parts among which one of a share `weakest` of all parts is, but for `miss` of the runs."""
    return ceil(log(miss) / log(1 - weakest))


def least_bad_rows(n: int, false_alarm: float = FALSE_ALARM, null: float = NULL_RATE) -> int:
    """The least k with P(k or more bad rows of n) < false_alarm in a clean run; n + 1 if there is none."""
    return next((k for k in range(n + 1) if 1 - _fewer(n, k, null) < false_alarm), n + 1)


def _fewer(n: int, k: int, p: float) -> float:
    """P(fewer than k of n), binomial."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k))
