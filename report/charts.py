"""Charts as geometry: what the SVG macros of templates/_charts.html.j2 draw. Units are viewBox pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from report.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Axis,
    Tick,
    count_axis,
    linear,
    log_ticks,
    room,
    round_ticks,
    signed,
    thinned,
    thousands,
    value_axis,
)
from report.stats import Estimate, Floats, Groups, format_value, group_values


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Point:
    """A point, its interval from low to high, and its bin from left to right."""

    x: float
    y: float
    low: float
    high: float
    label: str
    left: float
    right: float


@dataclass(frozen=True)
class Cell:
    """A rectangle of a map: what it is filled with, and what stands in it."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    ink: str
    text: str
    label: str


@dataclass(frozen=True)
class Series:
    """Points with error bars, and the width of the bin where it is one; `style` picks colour and marker."""

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
    cells: tuple[Cell, ...] = ()
    series: tuple[Series, ...] = ()
    marks: tuple[Tick, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left: int = LEFT
    measured: bool = False  # and not asked for

    top = TOP

    @property
    def file_name(self) -> str:
        """What the figure is called where it is kept as a file of its own."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower().replace("θ", "theta")).strip("-") + ".svg"

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


def distribution(
    title: str,
    values: Floats,
    x_label: str,
    *,
    log: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    unit: str = "rows",
    size: tuple[int, int] = (300, 190),
) -> Chart | None:
    """Bars for a parameter of few values, a histogram for a continuous one; None where nothing is known.

    unit: what is counted.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    groups = group_values(known, most_values=12, bins=1)
    if groups.exact:
        return _value_bars(title, groups, x_label, unit, size)
    return _histogram(title, known, x_label, log, marks, unit, size)


def _value_bars(
    title: str, groups: Groups, x_label: str, unit: str, size: tuple[int, int]
) -> Chart:  # fmt: skip
    counts = np.bincount(groups.index[groups.index >= 0], minlength=len(groups))
    step = (size[0] - LEFT - RIGHT) / len(groups)
    y, y_ticks = count_axis(counts, size)
    middles = [LEFT + step * (i + 0.5) for i in range(len(groups))]
    bars = tuple(
        _bar(x, min(step * 0.7, 56), y, n, f"{label}: {thousands(n)} {unit}")
        for x, n, label in zip(middles, counts, groups.labels, strict=True)
    )
    listed = ", ".join(groups.labels)
    noun = "value" if len(groups) == 1 else "values"
    caption = f"{len(groups)} {noun} ({listed}) in {thousands(counts.sum())} {unit}"
    return Chart(
        title, caption, x_label, unit, *size,
        x_ticks=thinned([Tick(x, label) for x, label in zip(middles, groups.labels, strict=True)]),
        y_ticks=y_ticks, bars=bars, header=(x_label, unit),
        rows=tuple((label, thousands(n)) for label, n in zip(groups.labels, counts, strict=True)),
    )  # fmt: skip


def _histogram(
    title: str,
    known: Floats,
    x_label: str,
    log: bool,
    marks: Sequence[tuple[float, str]],
    unit: str,
    size: tuple[int, int],
) -> Chart:
    used = known[known > 0] if log else known
    shown = np.log10(used) if log else used
    counts, edges = np.histogram(shown, bins=28)
    x = linear(edges[0], edges[-1], LEFT, size[0] - RIGHT)
    y, y_ticks = count_axis(counts, size)
    spans = [(10**a, 10**b) if log else (a, b) for a, b in pairwise(edges)]
    names = tuple(f"{format_value(a)} to {format_value(b)}" for a, b in spans)
    half = (x(edges[1]) - x(edges[0])) / 2
    bars = tuple(
        _bar(x(edge) + half, 2 * half - 0.8, y, n, f"{name}: {thousands(n)} {unit}")
        for edge, n, name in zip(edges, counts, names, strict=False)
    )
    place: Axis = (lambda v: x(math.log10(v))) if log else x
    low, high = (
        (float(10 ** edges[0]), float(10 ** edges[-1])) if log else (float(edges[0]), float(edges[-1]))
    )
    ticks = log_ticks(low, high) if log else round_ticks(low, high)
    return Chart(
        title, _summary(known, len(known) - len(used), unit), x_label, unit, *size,
        x_ticks=thinned([Tick(place(t), signed(t)) for t in ticks]), y_ticks=y_ticks, bars=bars,
        marks=tuple(Tick(place(at), label) for at, label in marks if low <= at <= high),
        header=(x_label, unit),
        rows=tuple((name, thousands(n)) for name, n in zip(names, counts, strict=True)),
    )  # fmt: skip


def _summary(values: Floats, left_out: int, unit: str) -> str:
    quantiles = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    low, p5, p50, p95, high = (_three_digits(q) for q in quantiles)
    zeros = f"; {thousands(left_out)} at 0 or below not drawn" if left_out else ""
    return (
        f"median {p50}; 90 % in {p5} to {p95}; all in {low} to {high}; {thousands(len(values))} {unit}{zeros}"
    )


def _three_digits(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _bar(middle: float, width: float, y: Axis, n: int, label: str) -> Bar:
    return Bar(middle - width / 2, y(n), width, max(0.0, y(0) - y(n)), label)


@dataclass(frozen=True)
class Line:
    """One series before it is drawn: (x, estimate or None) for each group, and the groups' ends."""

    name: str
    points: tuple[tuple[float, Estimate | None], ...]
    spans: tuple[tuple[float, float], ...] = ()


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
    """Points with 95 % bars and bin widths against a parameter; None where no group has a point."""
    kept = [p for line in lines for p in line.points if p[1] is not None]
    if not kept:
        return None
    ends = np.array([[e.value, e.low, e.high] for _, e in kept if e is not None])
    low, high = y_range or room(ends, log)
    y, ticks = value_axis(low, high, log, size)
    ends_x = [end for line in lines for span in line.spans for end in span] + [x for x, _ in x_ticks]
    pad = (max(ends_x) - min(ends_x)) * 0.08 or 1.0
    x = linear(min(ends_x) - pad, max(ends_x) + pad, LEFT, size[0] - RIGHT)
    return Chart(
        title, caption, *labels, *size,
        x_ticks=thinned([Tick(x(at), label) for at, label in x_ticks]), y_ticks=ticks,
        series=tuple(_series(i, line, x, y) for i, line in enumerate(lines)),
        header=table[0], rows=table[1],
    )  # fmt: skip


def _series(style: int, line: Line, x: Axis, y: Axis) -> Series:
    spans = line.spans or tuple((at, at) for at, _ in line.points)
    points = tuple(
        Point(x(at), y(e.value), y(e.low if e.low == e.low else e.value),
              y(e.high if e.high == e.high else e.value), f"{line.name}: {format_value(e.value)}",
              x(left), x(right))
        for (at, e), (left, right) in zip(line.points, spans, strict=True) if e is not None
    )  # fmt: skip
    return Series(line.name, style, points)
