"""Charts as geometry: what the SVG macros of templates/_charts.html.j2 draw. Units are viewBox pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from report.stats import Estimate, Floats, Groups, format_value, group_values

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 38
LABEL_ROOM = 30  # two tick labels closer than this overlap


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Series:
    """Points with error bars; `style` picks colour and marker."""

    name: str
    style: int
    points: tuple[Point, ...]
    joined: bool = True

    @property
    def line(self) -> str:
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True)
class Chart:
    """One chart: its words, its axes and its marks. `rows` is the same as a table, for those who read it."""

    title: str
    caption: str
    x_label: str
    y_label: str
    width: int
    height: int
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    bars: tuple[Bar, ...] = ()
    series: tuple[Series, ...] = ()
    marks: tuple[Tick, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    left, top = LEFT, TOP

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


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


def distribution(
    title: str,
    values: Floats,
    x_label: str,
    *,
    log: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    size: tuple[int, int] = (300, 190),
) -> Chart | None:
    """Bars for a parameter of few values, a histogram for a continuous one; None where nothing is known."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    groups = group_values(known, most_values=12, bins=1)
    if groups.exact:
        return _value_bars(title, groups, x_label, size)
    return _histogram(title, known, x_label, log, marks, size)


def _value_bars(title: str, groups: Groups, x_label: str, size: tuple[int, int]) -> Chart:
    counts = np.bincount(groups.index[groups.index >= 0], minlength=len(groups))
    step = (size[0] - LEFT - RIGHT) / len(groups)
    y, y_ticks = _count_axis(counts, size)
    middles = [LEFT + step * (i + 0.5) for i in range(len(groups))]
    bars = tuple(
        _bar(x, min(step * 0.7, 56), y, n, f"{label}: {thousands(n)} rows")
        for x, n, label in zip(middles, counts, groups.labels, strict=True)
    )
    listed = ", ".join(groups.labels)
    noun = "value" if len(groups) == 1 else "values"
    caption = f"{len(groups)} {noun} ({listed}) in {thousands(counts.sum())} rows"
    return Chart(
        title, caption, x_label, "rows", *size,
        x_ticks=_thin([Tick(x, label) for x, label in zip(middles, groups.labels, strict=True)]),
        y_ticks=y_ticks, bars=bars, header=(x_label, "rows"),
        rows=tuple((label, thousands(n)) for label, n in zip(groups.labels, counts, strict=True)),
    )  # fmt: skip


def _histogram(
    title: str,
    known: Floats,
    x_label: str,
    log: bool,
    marks: Sequence[tuple[float, str]],
    size: tuple[int, int],
) -> Chart:
    used = known[known > 0] if log else known
    shown = np.log10(used) if log else used
    counts, edges = np.histogram(shown, bins=28)
    x = linear(edges[0], edges[-1], LEFT, size[0] - RIGHT)
    y, y_ticks = _count_axis(counts, size)
    spans = [(10**a, 10**b) if log else (a, b) for a, b in pairwise(edges)]
    names = tuple(f"{format_value(a)} to {format_value(b)}" for a, b in spans)
    half = (x(edges[1]) - x(edges[0])) / 2
    bars = tuple(
        _bar(x(edge) + half, 2 * half - 0.8, y, n, f"{name}: {thousands(n)} rows")
        for edge, n, name in zip(edges, counts, names, strict=False)
    )
    place: Axis = (lambda v: x(math.log10(v))) if log else x
    low, high = (
        (float(10 ** edges[0]), float(10 ** edges[-1])) if log else (float(edges[0]), float(edges[-1]))
    )
    ticks = log_ticks(low, high) if log else round_ticks(low, high)
    return Chart(
        title, _summary(known, len(known) - len(used)), x_label, "rows", *size,
        x_ticks=_thin([Tick(place(t), _signed(t)) for t in ticks]), y_ticks=y_ticks, bars=bars,
        marks=tuple(Tick(place(at), label) for at, label in marks if low <= at <= high),
        header=(x_label, "rows"),
        rows=tuple((name, thousands(n)) for name, n in zip(names, counts, strict=True)),
    )  # fmt: skip


def _summary(values: Floats, left_out: int) -> str:
    quantiles = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    low, p5, p50, p95, high = (_three_digits(q) for q in quantiles)
    zeros = f"; {thousands(left_out)} at 0 or below not drawn" if left_out else ""
    return (
        f"median {p50}; 90 % in {p5} to {p95}; all in {low} to {high}; {thousands(len(values))} rows{zeros}"
    )


def _three_digits(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _count_axis(counts: Sequence[int] | np.ndarray, size: tuple[int, int]) -> tuple[Axis, tuple[Tick, ...]]:
    most = max(1.0, float(np.max(counts)))
    y = linear(0, most * 1.06, size[1] - BOTTOM, TOP)
    ticks = [t for t in round_ticks(0, most, 4) if t == int(t)]
    return y, tuple(Tick(y(t), _short(t)) for t in ticks)


def _signed(value: float) -> str:
    return format_value(value).replace("-", "−")


def _short(n: float) -> str:
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / (1e6 if letter == 'M' else 1e3):g}{letter}"
    return thousands(n)


def _bar(middle: float, width: float, y: Axis, n: int, label: str) -> Bar:
    return Bar(middle - width / 2, y(n), width, max(0.0, y(0) - y(n)), label)


def _thin(ticks: list[Tick]) -> tuple[Tick, ...]:
    """Leaves out the labels that would overlap the one before."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.at - kept[-1].at >= max(LABEL_ROOM, 6.5 * len(tick.label)):
            kept.append(tick)
    return tuple(kept)


@dataclass(frozen=True)
class Line:
    """One series before it is drawn: (x, estimate or None) for each group."""

    name: str
    points: tuple[tuple[float, Estimate | None], ...]


def intervals(
    title: str,
    caption: str,
    x_ticks: Sequence[tuple[float, str]],
    lines: Sequence[Line],
    labels: tuple[str, str],
    *,
    log: bool = False,
    y_range: tuple[float, float] | None = None,
    table: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] = ((), ()),
    size: tuple[int, int] = (460, 290),
) -> Chart | None:
    """Points with 95 % bars against a parameter; None where no group has a point."""
    kept = [p for line in lines for p in line.points if p[1] is not None]
    if not kept:
        return None
    ends = np.array([[e.value, e.low, e.high] for _, e in kept if e is not None])
    low, high = y_range or _room(ends, log)
    y, ticks = _value_axis(low, high, log, size)
    xs = [x for x, _ in x_ticks]
    pad = (max(xs) - min(xs)) * 0.08 or 1.0
    x = linear(min(xs) - pad, max(xs) + pad, LEFT, size[0] - RIGHT)
    return Chart(
        title, caption, *labels, *size,
        x_ticks=_thin([Tick(x(at), label) for at, label in x_ticks]), y_ticks=ticks,
        series=tuple(_series(i, line, x, y, len(lines)) for i, line in enumerate(lines)),
        header=table[0], rows=table[1],
    )  # fmt: skip


def _room(ends: Floats, log: bool) -> tuple[float, float]:
    finite = ends[np.isfinite(ends)]
    if log:
        positive = finite[finite > 0]
        return float(positive.min()) / 1.3, float(positive.max()) * 1.3
    return min(0.0, float(finite.min())), float(finite.max()) * 1.1 or 1.0


def _value_axis(low: float, high: float, log: bool, size: tuple[int, int]) -> tuple[Axis, tuple[Tick, ...]]:
    start, end = size[1] - BOTTOM, TOP
    if not log:
        y = linear(low, high, start, end)
        return y, tuple(Tick(y(t), _signed(t)) for t in round_ticks(low, high))
    raw = linear(math.log10(low), math.log10(high), start, end)

    def place(value: float) -> float:
        return raw(math.log10(max(value, low)))

    return place, tuple(Tick(place(t), _signed(t)) for t in log_ticks(low, high))


def _series(style: int, line: Line, x: Axis, y: Axis, n_lines: int) -> Series:
    shift = (style - (n_lines - 1) / 2) * 5  # so that error bars of two series do not cover each other
    points = tuple(
        Point(x(at) + shift, y(e.value), y(e.low if e.low == e.low else e.value),
              y(e.high if e.high == e.high else e.value), f"{line.name}: {format_value(e.value)}")
        for at, e in line.points if e is not None
    )  # fmt: skip
    return Series(line.name, style, points)


def sky(
    title: str, told: str, ra: Floats, dec: Floats, split: np.ndarray, names: Sequence[str], total: int
) -> Chart | None:
    """One dot a brick, by its class; right ascension grows to the left, as on the sky. told: the caption."""
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        return None
    shift = 180.0 if np.ptp(ra[known]) > 300 else 0.0  # a patch across RA = 0 stays in one piece
    lon = (ra + shift) % 360 - shift
    size = (460, 290)
    (x_low, x_high), (y_low, y_high) = (_margin(v[known]) for v in (lon, dec))
    x, y = linear(x_high, x_low, LEFT, size[0] - RIGHT), linear(y_low, y_high, size[1] - BOTTOM, TOP)
    series = tuple(
        Series(f"{name} ({thousands((known & (split == i)).sum())})", i, joined=False, points=tuple(
            Point(x(a), y(d), y(d), y(d), f"{name}: {a % 360:.3f}, {d:+.3f}")
            for a, d in zip(lon[known & (split == i)], dec[known & (split == i)], strict=True)))
        for i, name in enumerate(names)
    )  # fmt: skip
    ticks = [Tick(x(t), format_value(t % 360)) for t in round_ticks(x_low, x_high)][::-1]
    shown = f"{thousands(known.sum())} of " if known.sum() < total else ""
    caption = f"{shown}{thousands(total)} bricks. {told}"
    return Chart(
        title, caption, "right ascension (deg)", "declination (deg)", *size, x_ticks=_thin(ticks),
        y_ticks=tuple(Tick(y(t), _signed(t)) for t in round_ticks(y_low, y_high)), series=series,
    )  # fmt: skip


def _margin(values: Floats) -> tuple[float, float]:
    pad = float(np.ptp(values)) * 0.06 or 0.2
    return float(values.min()) - pad, float(values.max()) + pad
