"""Maps: the sky with a dot a brick, and a fraction over two parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from report.axes import (
    BOTTOM,
    LEFT,
    LETTER,
    RIGHT,
    TOP,
    Tick,
    linear,
    margin,
    round_ticks,
    signed,
    thinned,
    thousands,
)
from report.charts import Cell, Chart, Point, Series
from report.stats import Codes, Estimate, Floats, Groups, format_value, host_fraction

#: A patch of sky of at most so many degrees is shown in one piece, across RA = 0, too.
PATCH_RA = 180.0
# Anchors of viridis (matplotlib, CC0): even steps of lightness, told apart by every kind of colour vision.
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def sky(
    title: str, told: str, ra: Floats, dec: Floats, split: np.ndarray, names: Sequence[str], total: int
) -> Chart | None:
    """One dot a brick, by its class; right ascension grows to the left, as on the sky. told: the caption."""
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        return None
    lon = unwrapped(ra)
    size = (460, 290)
    (x_low, x_high), (y_low, y_high) = (margin(v[known]) for v in (lon, dec))
    x, y = linear(x_high, x_low, LEFT, size[0] - RIGHT), linear(y_low, y_high, size[1] - BOTTOM, TOP)
    series = tuple(
        Series(f"{name} ({thousands((known & (split == i)).sum())})", i, joined=False, points=tuple(
            Point(x(a), y(d), y(d), y(d), f"{name}: {a % 360:.3f}, {d:+.3f}", x(a), x(a))
            for a, d in zip(lon[known & (split == i)], dec[known & (split == i)], strict=True)))
        for i, name in enumerate(names)
    )  # fmt: skip
    ticks = [Tick(x(t), format_value(t % 360)) for t in round_ticks(x_low, x_high)][::-1]
    shown = f"{thousands(known.sum())} of " if known.sum() < total else ""
    caption = f"{shown}{thousands(total)} bricks. {told}"
    return Chart(
        title, caption, "right ascension (deg)", "declination (deg)", *size, x_ticks=thinned(ticks),
        y_ticks=tuple(Tick(y(t), signed(t)) for t in round_ticks(y_low, y_high)), series=series,
    )  # fmt: skip


def unwrapped(ra: Floats) -> Floats:
    """Right ascension, deg, that grows through a patch across RA = 0; of a sky all round it is as given."""
    known = np.sort(ra[np.isfinite(ra)] % 360)
    gaps = np.diff(known, append=known[0] + 360)
    widest = int(np.argmax(gaps))
    start = known[(widest + 1) % len(known)] if 360 - gaps[widest] <= PATCH_RA else 0.0
    return np.asarray((ra - start) % 360 + start)


def fractions(
    title: str, told: str, found: np.ndarray, hosts: Codes, across: Groups, up: Groups,
    labels: tuple[str, str], size: tuple[int, int] = (460, 290),
) -> Chart | None:  # fmt: skip
    """The part of rows for which `found`, in cells of two parameters; None where no row is in a cell.

    A cell says its fraction and its number of hosts; its 95 % interval is in its label and in the table.
    """
    inside = (across.index >= 0) & (up.index >= 0)
    if not inside.any():
        return None
    cells, rows = [], []
    x0, y0 = max(LEFT, 26 + round(LETTER * max(map(len, up.labels)))), size[1] - BOTTOM
    width, height = (size[0] - RIGHT - x0) / len(across), (y0 - TOP) / len(up)
    for i, j in np.ndindex(len(across), len(up)):
        here = across.rows(i) & up.rows(j)
        estimate = host_fraction(found[here], hosts[here])
        if estimate is not None:
            where = f"{across.labels[i]}, {up.labels[j]}"
            box = (x0 + i * width, y0 - (j + 1) * height, width, height)
            cells.append(_cell(box, estimate, where))
            rows.append((across.labels[i], up.labels[j], *_told(estimate)))
    return Chart(
        title, told, *labels, *size,
        x_ticks=thinned([Tick(x0 + (i + 0.5) * width, label) for i, label in enumerate(across.labels)]),
        y_ticks=tuple(Tick(y0 - (j + 0.5) * height, label) for j, label in enumerate(up.labels)),
        cells=tuple(cells), header=(*labels, "fraction", "95 % interval", "rows", "hosts"),
        rows=tuple(rows), left=x0,
    )  # fmt: skip


def _cell(box: tuple[float, float, float, float], estimate: Estimate, where: str) -> Cell:
    fill = viridis(estimate.value)
    ink = "#000" if estimate.value > 0.55 else "#fff"
    fraction, interval, rows, hosts = _told(estimate)
    label = f"{where}: {fraction} ({interval}), {rows} rows, {hosts} hosts"
    return Cell(*box, fill, ink, f"{estimate.value:.2f}", label)


def _told(estimate: Estimate) -> tuple[str, str, str, str]:
    interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f}", interval, thousands(estimate.n_rows), thousands(estimate.n_hosts)


def viridis(value: float) -> str:
    """The colour of a fraction, #rrggbb."""
    at = min(max(value, 0.0), 1.0) * (len(VIRIDIS) - 1)
    channels = [np.interp(at, range(len(VIRIDIS)), [anchor[c] for anchor in VIRIDIS]) for c in range(3)]
    return "#" + "".join(f"{round(float(c)):02x}" for c in channels)
