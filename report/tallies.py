"""Counting sections: what is in the folder, by split and theta_E, what was quarantined, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.schema import SPLITS
from report.axes import thousands
from report.charts import Chart
from report.folder import Frame, TableRead
from report.maps import sky
from report.stats import Groups, cross_table, five_sigma, group_values
from report.words import HtmlTable, number, share

WORST_BRICKS = 12
MISSING = "not given"
BAD_BRICK = 0.2  # mean share of bad pixels above which a brick's stamps would be cut from a clean sample
# Beside theta_E, which has a table of its own: column, word, unit
SPLIT_BY = (
    ("src_dmag", "dmag", " mag"), ("src_reff_arcsec", "reff", "″"), ("src_e", "e", ""),
    ("shear", "shear", ""), ("psfsize_r", "psfsize_r", "″"), ("psfdepth_r", "depth r", " mag"),
)  # fmt: skip
OUTCOMES = ("every row has its stamp", "many bad pixels", "some rows without a stamp", "no stamp at all")


@dataclass(frozen=True)
class Tile:
    """One big number."""

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """The section of counts."""

    tiles: tuple[Tile, ...]
    tables: tuple[HtmlTable, ...]
    skies: tuple[Chart, ...]
    notes: tuple[str, ...]


def splits_of(frame: Frame) -> tuple[NDArray[np.int64], list[str]]:
    """(code of each row's split, names) in the order train, val, test, then any other."""
    codes, names = frame.codes("region_split")
    order = [s for s in SPLITS if s in names] + [s for s in names if s not in SPLITS]
    renumber = np.array([order.index(name) for name in names], dtype=np.int64)
    out = np.full(len(codes), -1, dtype=np.int64)
    out[codes >= 0] = renumber[codes[codes >= 0]]
    if (out < 0).any() and len(out):
        out[out < 0] = len(order)
        order.append(MISSING)
    return out, order


def counts(metrics: TableRead, others: Sequence[TableRead], verdict_rows: int | None) -> Counts:
    """Tiles, tables and notes. `others`: manifest and stamps, of which only the number of rows is used."""
    frame = metrics.frame
    tables = (by_split(frame), quarantined(frame), worst_bricks(frame)) if len(frame) else ()
    return Counts(
        _tiles(metrics, others),
        tuple(table for table in tables if table.rows),
        _skies(frame) if len(frame) else (),
        tuple(_notes(metrics, others, verdict_rows)),
    )


def _tiles(metrics: TableRead, others: Sequence[TableRead]) -> tuple[Tile, ...]:
    frame = metrics.frame
    control = frame.flags("is_control")
    tiles = [Tile(number(t.rows), f"rows in {t.name}") for t in (*others, metrics)]
    if len(frame):
        tiles += [
            Tile(thousands((~control).sum()), "injections"),
            Tile(thousands(control.sum()), "controls", "" if control.any() else "none in this run"),
            Tile(thousands(len(frame.codes("host_id")[1])), "hosts"),
            Tile(thousands(len(frame.codes("brickname")[1])), "bricks"),
            Tile(thousands(_quarantine_mask(frame).sum()), "rows without a stamp"),
        ]
    return tuple(tiles)


def _notes(metrics: TableRead, others: Sequence[TableRead], verdict_rows: int | None) -> list[str]:
    notes = [table.note for table in (*others, metrics) if table.note]
    for table in others:
        if (
            table.name == "manifest"
            and table.there
            and metrics.rows is not None
            and table.rows != metrics.rows
        ):
            notes.append(
                f"The manifest planned {number(table.rows)} rows; metrics holds {number(metrics.rows)}."
            )
    if verdict_rows is not None and metrics.rows is not None and verdict_rows != metrics.rows:
        notes.append(f"verdict.json counts {verdict_rows:,} rows; metrics holds {metrics.rows:,} now.")
    if metrics.read and len(metrics.read) < metrics.files:
        notes.append(
            f"This page read {len(metrics.read):,} of {metrics.files:,} files of metrics, evenly spaced "
            f"({len(metrics.frame):,} rows): but for the rows in each table, its numbers are of those."
        )
    return notes


def _quarantine_mask(frame: Frame) -> NDArray[np.bool_]:
    if frame.has("cutout_ok"):
        return ~frame.flags("cutout_ok")
    return frame.codes("quarantine_reason")[0] >= 0


def by_split(frame: Frame) -> HtmlTable:
    """Rows, injections, controls, hosts and bricks of each split."""
    split, names = splits_of(frame)
    control, gone = frame.flags("is_control"), _quarantine_mask(frame)
    hosts, bricks = frame.codes("host_id")[0], frame.codes("brickname")[0]
    masks = [(name, split == i) for i, name in enumerate(names)] + [("all", np.ones(len(frame), bool))]
    rows = tuple(
        (
            name,
            thousands(m.sum()),
            share(m.sum(), len(frame)),
            *(thousands((m & kind).sum()) for kind in (~control, control, gone)),
            *(_distinct(codes[m]) for codes in (hosts, bricks)),
        )
        for name, m in masks
    )
    header = ("split", "rows", "share", "injections", "controls", "no stamp", "hosts", "bricks")
    return HtmlTable("Each split of the sky", header, rows)


def _distinct(codes: NDArray[np.int64]) -> str:
    return thousands(len(np.unique(codes[codes >= 0])))


def quarantined(frame: Frame) -> HtmlTable:
    """Why rows have no stamp, with the bricks they come from."""
    gone = _quarantine_mask(frame)
    reason, names = frame.codes("quarantine_reason")
    bricks = frame.codes("brickname")[0]
    masks = [(name, gone & (reason == i)) for i, name in enumerate(names)]
    masks.append(("no reason given", gone & (reason < 0)))
    rows = tuple(
        (name, thousands(m.sum()), share(m.sum(), len(frame)), _distinct(bricks[m]))
        for name, m in masks
        if m.any()
    )
    return HtmlTable("Rows without a stamp, by reason", ("reason", "rows", "share of all", "bricks"), rows)


def worst_bricks(frame: Frame) -> HtmlTable:
    """Bricks one by one: a mean over the run hides a failure that sits in one of them."""
    brick, names = frame.codes("brickname")
    if not names:
        return HtmlTable("", (), ())
    rows = np.bincount(brick[brick >= 0], minlength=len(names))
    gone = _mean_by(brick, _quarantine_mask(frame).astype(float), len(names))
    bad = _mean_by(brick, frame.numbers("bad_pixel_frac"), len(names))
    psf = _mean_by(brick, frame.numbers("psfsize_r"), len(names))
    order = np.lexsort((-np.nan_to_num(bad), -gone))[:WORST_BRICKS]
    lines = tuple(
        (names[i], thousands(rows[i]), f"{100 * gone[i]:.3g} %", number(float(bad[i])), number(float(psf[i])))
        for i in order
    )
    shown = f"{len(lines)} worst of {len(names):,} bricks" if len(lines) < len(names) else "All bricks"
    header = ("brick", "rows", "no stamp", "mean bad pixels", "mean psfsize_r (arcsec)")
    return HtmlTable(f"{shown}, worst first", header, lines)


def _mean_by(codes: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    good = (codes >= 0) & np.isfinite(values)
    sums = np.bincount(codes[good], weights=values[good], minlength=n)
    numbers = np.bincount(codes[good], minlength=n)
    return np.asarray(np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan))


def _skies(frame: Frame) -> tuple[Chart, ...]:
    """The bricks by split, and by what became of their rows."""
    brick, names = frame.codes("brickname")
    known = np.flatnonzero(brick >= 0)
    _, first = np.unique(brick[known], return_index=True)
    rows = known[first][:: max(1, len(names) // 3000)]
    ra, dec = frame.numbers("ra")[rows], frame.numbers("dec")[rows]
    split, split_names = splits_of(frame)
    outcome = _outcomes(frame, brick, len(names))[brick[rows]]
    maps = (
        (
            "Bricks by split",
            "Splits are regions of the sky: none may hold two colours.",
            split[rows],
            split_names,
        ),
        ("Bricks by outcome", "What became of each brick's rows.", outcome, list(OUTCOMES)),
    )
    drawn = (sky(title, told, ra, dec, code, labels, len(names)) for title, told, code, labels in maps)
    return tuple(chart for chart in drawn if chart is not None)


def _outcomes(frame: Frame, brick: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Of each brick, the place of its outcome in OUTCOMES."""
    gone = _mean_by(brick, _quarantine_mask(frame).astype(float), n)
    bad = np.nan_to_num(_mean_by(brick, frame.numbers("bad_pixel_frac"), n))
    return np.select([gone >= 1, gone > 0, bad > BAD_BRICK], [3, 2, 1], 0)


def split_by_theta(frame: Frame, theta: Groups) -> HtmlTable | None:
    """Rows of each split and theta_E: a confounded design shows here. Injections only."""
    if not len(frame) or not len(theta):
        return None
    split, names = splits_of(frame)
    split = np.where(frame.flags("is_control"), -1, split)
    table = cross_table(split, len(names), theta.index, len(theta))
    totals = table.sum(axis=1)
    rows = tuple(
        (name, *(f"{thousands(n)} ({share(n, total)})" for n in line), thousands(total))
        for name, line, total in zip(names, table, totals, strict=True)
    )
    foot = ("all", *(f"{thousands(n)} ({share(n, table.sum())})" for n in table.sum(axis=0)))
    caption = "Injections by split and θ_E; in brackets the share of the split"
    header = ("split", *(f"{label}″" for label in theta.labels), "all")
    return HtmlTable(caption, header, (*rows, (*foot, thousands(table.sum()))))


def split_by_others(frame: Frame) -> HtmlTable | None:
    """The same for the quantities of SPLIT_BY, in their values or in four groups of like size."""
    split, names = splits_of(frame)
    split = np.where(frame.flags("is_control"), -1, split)
    rows: list[tuple[str, ...]] = []
    for column, word, unit in SPLIT_BY:
        values = frame.numbers(column)
        values = np.where(split < 0, np.nan, five_sigma(values) if column == "psfdepth_r" else values)
        if np.isfinite(values).any():
            groups = group_values(values, most_values=6, bins=4)
            labels = [f"{word} {label}{unit}" for label in groups.labels]
            rows.extend(_shares(labels, split, len(names), groups))
    if not rows:
        return None
    caption = "Injections by other quantities and split; in brackets the share of the split"
    return HtmlTable(caption, ("quantity", *names, "all", "largest gap (points)"), tuple(rows))


def _shares(labels: list[str], split: NDArray[np.int64], n: int, groups: Groups) -> list[tuple[str, ...]]:
    """A row a group: rows of each split and of all; how far the share of a split is from that of all."""
    table = cross_table(split, n, groups.index, len(groups))
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    gaps = np.abs(shares - table.sum(axis=0) / table.sum())[table.sum(axis=1) > 0].max(axis=0)
    totals = (*table.sum(axis=1), table.sum())
    cells = [
        [f"{thousands(k)} ({share(k, total)})" for k, total in zip((*line, line.sum()), totals, strict=True)]
        for line in table.T
    ]
    return [(label, *line, f"{100 * gap:.2g}") for label, line, gap in zip(labels, cells, gaps, strict=True)]


def confounding(frame: Frame, theta: Groups) -> str:
    """The largest gap between a split's share of a theta_E and the whole run's, in a sentence."""
    split, names = splits_of(frame)
    split = np.where(frame.flags("is_control"), -1, split)
    table = cross_table(split, len(names), theta.index, len(theta))
    if table.shape[0] < 2 or not table.sum():
        return "There is only one split, so nothing can be confounded with it."
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    gaps = np.abs(shares - table.sum(axis=0) / table.sum())
    row, column = np.unravel_index(int(gaps.argmax()), gaps.shape)
    if gaps.max() < 1e-12:
        return "Every split holds the same share of each θ_E, exactly."
    return (
        f"The largest gap between a split and the whole run is {100 * gaps.max():.2g} percentage points "
        f"({names[row]}, θ_E {theta.labels[column]}″)."
    )
