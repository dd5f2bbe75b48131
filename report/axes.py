"""Axes: from values to viewBox pixels, and ticks whose labels do not overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from report.stats import Floats, format_value

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 38
LABEL_ROOM = 30  # two tick labels closer than this overlap
LETTER = 8.5  # the widest of a label's, at the largest type of the page (14 px on a phone)


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


Axis = Callable[[float], float]


def linear(low: float, high: float, start: float, end: float) -> Axis:
    """Maps [low, high] to [start, end]."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 x 10^k inside [low, high]."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= about)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten inside [low, high], with 2 and 5 between them where the span is short."""
    factors = (1, 2, 5) if high / low < 200 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [f * 10.0**k for k in powers for f in factors]
    inside = [t for t in ticks if low * 0.999 <= t <= high * 1.001]
    return inside if len(inside) >= 3 else [t for t in round_ticks(low, high) if t > 0]


def thousands(n: float) -> str:
    return f"{n:,.0f}"


def signed(value: float) -> str:
    return format_value(value).replace("-", "−")


def short(n: float) -> str:
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / (1e6 if letter == 'M' else 1e3):g}{letter}"
    return thousands(n)


def thinned(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """Leaves out the labels that would overlap the one before."""
    kept: list[Tick] = []
    for tick in ticks:
        before = kept[-1] if kept else None
        if before is None or tick.at - before.at >= _apart(before.label, tick.label):
            kept.append(tick)
    return tuple(kept)


def _apart(one: str, other: str) -> float:
    """How far apart two labels' middles have to be."""
    return max(LABEL_ROOM, LETTER * (len(one) + len(other) + 1) / 2)


def margin(values: Floats) -> tuple[float, float]:
    pad = float(np.ptp(values)) * 0.06 or 0.2
    return float(values.min()) - pad, float(values.max()) + pad


def count_axis(counts: Sequence[int] | np.ndarray, size: tuple[int, int]) -> tuple[Axis, tuple[Tick, ...]]:
    most = max(1.0, float(np.max(counts)))
    y = linear(0, most * 1.06, size[1] - BOTTOM, TOP)
    ticks = [t for t in round_ticks(0, most, 4) if t == int(t)]
    return y, tuple(Tick(y(t), short(t)) for t in ticks)


def value_axis(low: float, high: float, log: bool, size: tuple[int, int]) -> tuple[Axis, tuple[Tick, ...]]:
    start, end = size[1] - BOTTOM, TOP
    if not log:
        y = linear(low, high, start, end)
        return y, tuple(Tick(y(t), signed(t)) for t in round_ticks(low, high))
    raw = linear(math.log10(low), math.log10(high), start, end)

    def place(value: float) -> float:
        return raw(math.log10(max(value, low)))

    return place, tuple(Tick(place(t), signed(t)) for t in log_ticks(low, high))


def room(ends: Floats, log: bool) -> tuple[float, float]:
    finite = ends[np.isfinite(ends)]
    if log:
        positive = finite[finite > 0]
        return float(positive.min()) / 1.3, float(positive.max()) * 1.3
    return min(0.0, float(finite.min())), float(finite.max()) * 1.1 or 1.0
