"""How well a grid will measure completeness: the half-width of its 95 % intervals, before it is run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.choice import LENS, PAIRED, Choice
from pipeline.errors import InputError
from pipeline.tier import Tier

_Z = 1.959963984540054  # 97.5 % quantile of the standard normal


def wilson_half_width(p: float, n: float) -> float:
    """Half-width of the Wilson 95 % interval of a fraction p of n."""
    zz = _Z * _Z / n
    return _Z * math.sqrt((p * (1.0 - p) + zz / 4.0) / n) / (1.0 + zz)


def rows_needed(half_width: float) -> int:
    """The least n whose interval is at most +- half_width at p = 0.5, the widest: there the width is
    z / (2 sqrt(n + z^2))."""
    return math.ceil((_Z / (2.0 * half_width)) ** 2 - _Z * _Z)


def check_precision(tier: Tier, choice: Choice) -> dict[str, Any]:
    """What plan.json says of a grid's cells; InputError if they cannot reach the precision that the tier
    wants.

    A cell is one combination; every lens host has one row in it, so its rows are independent. Its hosts are
    divided into `conditions` bins of seeing and depth, taken as equal.
    """
    if tier.grid is None:
        return {}
    hosts = int(np.isin(choice.roles, (LENS, PAIRED)).sum())
    conditions = tier.precision.conditions if tier.precision else 1
    per_cell = hosts / conditions
    cells: dict[str, Any] = {
        "combinations": tier.n_combinations,
        "rows_a_combination": hosts,
        "half_width_a_combination": round(wilson_half_width(0.5, hosts), 4),
        "conditions": conditions,
        "half_width_a_cell": round(wilson_half_width(0.5, per_cell), 4),
    }
    if tier.precision and wilson_half_width(0.5, per_cell) > tier.precision.half_width:
        need = rows_needed(tier.precision.half_width) * conditions
        raise InputError(
            f"tier {tier.name}: {hosts:,} lens hosts in {conditions} conditions give intervals of "
            f"+-{cells['half_width_a_cell']:.4f}, precision.half_width asks for "
            f"+-{tier.precision.half_width:g}; "
            f"give {need:,} lens hosts (n_bricks, hosts.per_brick), fewer conditions or a larger half_width"
        )
    return {"cells": cells}
