"""Which rows the closure test renders again: spread over bricks, hosts and parameters, fixed by hashes."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np

PARAMETERS = ("theta_e_arcsec", "src_dmag", "src_reff_arcsec", "src_e", "shear")
_MOST_LEVELS = 4  # more values than these are a distribution: thirds of it stand for the grid's levels
_LEVELS = 3


def sample(rows: list[dict[str, Any]], n: int, seed: str) -> list[dict[str, Any]]:
    """n of the rows, or all; each gets `stratum`. The order of `rows` does not matter.

    The next row is always one of the brick sampled least so far, then of the parameter cell sampled least,
    then of the host sampled least; ties are broken by the hash of seed and task_id.
    """
    rows = sorted(rows, key=lambda row: _hash(seed, row["task_id"]))
    strata = _strata(rows)
    used = {"brickname": Counter[str](), "stratum": Counter[str](), "host_id": Counter[str]()}
    by_brick: dict[str, list[dict[str, Any]]] = {}
    for row, stratum in zip(rows, strata, strict=True):
        by_brick.setdefault(row["brickname"], []).append({**row, "stratum": stratum})
    chosen: list[dict[str, Any]] = []
    while by_brick and len(chosen) < n:
        brick = min(by_brick, key=lambda name: (used["brickname"][name], _hash(seed, name)))
        left = by_brick[brick]
        row = min(left, key=lambda row: (used["stratum"][row["stratum"]], used["host_id"][row["host_id"]]))
        left.remove(row)
        if not left:
            del by_brick[brick]
        for name, counter in used.items():
            counter[row[name]] += 1
        chosen.append(row)
    return chosen


def _strata(rows: list[dict[str, Any]]) -> list[str]:
    """The cell of each row: the level of each parameter, joined."""
    levels = [_levels(np.array([row[name] for row in rows], dtype=np.float64)) for name in PARAMETERS]
    return ["-".join(str(one) for one in cell) for cell in zip(*levels, strict=True)]


def _levels(values: np.ndarray) -> list[int]:
    distinct, index = np.unique(values, return_inverse=True)
    if len(distinct) <= _MOST_LEVELS:
        return [int(i) for i in index]
    edges = np.quantile(values, np.arange(1, _LEVELS) / _LEVELS)
    return [int(i) for i in np.searchsorted(edges, values)]


def _hash(seed: str, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
