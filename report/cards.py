"""The gallery as the template shows it: cards of (raw, injected, difference) with captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from report.folder import Frame, TableRead
from report.gallery import WORST, Pick, StampIndex, choose, index_of, index_stamps, read_pairs
from report.pictures import Stamp, colours, data_uri, difference, gain_of, stretched_grey
from report.stats import Floats, Groups
from report.words import number
from survey.layout import PIXEL_SCALE

ROLE_ORDER = (WORST, "brightest", "median", "faintest detected", "faintest", "random", "control")
CONTROLS = 3
SCALE_BAR_ARCSEC = 5.0
AT_FIRST = "median"  # of each shelf; the others are folded
SCALE_FLUXES = (0.0, 0.01, 0.03, 0.1, 0.3)  # nmgy a pixel in r, at the marks of the intensity scale


@dataclass(frozen=True)
class Panel:
    """One picture of a card."""

    name: str
    uri: str
    alt: str


@dataclass(frozen=True)
class Card:
    """One system. ring: (x, y, radius) of theta_E in pixels of the difference panel, None in controls."""

    role: str
    panels: tuple[Panel, ...]
    facts: tuple[tuple[str, str], ...]
    task_id: str
    n_pix: int
    ring: tuple[float, float, float] | None

    @property
    def scale_bar(self) -> float:
        return SCALE_BAR_ARCSEC / PIXEL_SCALE


@dataclass(frozen=True)
class Shelf:
    """The cards of one theta_E. gain: of all its differences; more: the cards that are folded."""

    heading: str
    gain: float
    cards: tuple[Card, ...]
    more: tuple[Card, ...]


@dataclass(frozen=True)
class Gallery:
    """All shelves, and what is to be said about them."""

    shelves: tuple[Shelf, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> tuple[tuple[float, float], ...]:
        """(flux in r, nmgy a pixel; brightness it is shown with, 0 to 1) at the marks of the scale."""
        return tuple((flux, stretched_grey(flux)) for flux in SCALE_FLUXES)


def build_gallery(run_dir: Path, table: TableRead, theta: Groups, stamps: TableRead, l2: Floats) -> Gallery:
    """Chosen stamps of the run; an empty gallery that says why where there are none. l2: as in `choose`."""
    if not stamps.there:
        return Gallery(notes=(stamps.note,))
    metrics = table.frame
    try:
        index = index_stamps(run_dir, table.read)
        picks = choose(metrics, theta, index, l2) + _controls(metrics, index)
        pairs = read_pairs(index, (pick.place for pick in picks))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        return Gallery(notes=(f"The stamps cannot be shown: {str(error).splitlines()[0]}",))
    if not picks:
        return Gallery(
            notes=("No stamp belongs to a row of metrics that has an SNR: there is nothing to show.",)
        )
    shelves = []
    for group in (*range(len(theta)), -1):
        own = _in_order(picks, group)
        if own:
            gain = float(np.median([gain_of(*pairs[pick.place]) for pick in own]))
            cards = [_card(metrics, pick, *pairs[pick.place], gain, l2) for pick in own]
            heading = f"θ_E {theta.labels[group]}″" if group >= 0 else "Controls"
            shelves.append(_shelf(heading, gain, cards))
    return Gallery(tuple(shelves), _of_some(index, stamps.files))


def _shelf(heading: str, gain: float, cards: list[Card]) -> Shelf:
    first = next((card for card in cards if card.role == AT_FIRST), cards[0])
    return Shelf(heading, gain, (first,), tuple(card for card in cards if card is not first))


def _of_some(index: StampIndex, files: int) -> tuple[str, ...]:
    if len(index.files) >= files:
        return ()
    said = f"Stamps were looked for in {len(index.files):,} of {files:,} files, evenly spaced: "
    return (said + "the worst, brightest and faintest are those of them.",)


def _in_order(picks: list[Pick], group: int) -> list[Pick]:
    return sorted((p for p in picks if p.group == group), key=lambda p: ROLE_ORDER.index(p.role))


def _controls(metrics: Frame, index: StampIndex) -> list[Pick]:
    """A few controls: their difference must be black."""
    position = index_of(metrics, index)
    rows = np.flatnonzero((position >= 0) & metrics.flags("is_control"))
    spaced = rows[:: max(1, len(rows) // CONTROLS)][:CONTROLS]
    return [Pick(int(r), -1, "control", index.place(int(position[r]))) for r in spaced]


def _card(
    metrics: Frame, pick: Pick, injected: Stamp, raw: Stamp, gain: float, l2: Floats
) -> Card:  # fmt: skip
    row = Frame(metrics.table.slice(pick.metrics_row, 1))
    brick = _text(row, "brickname")
    what = f"of a host in brick {brick}"
    scaled = f", ×{gain:g}" if gain != 1 else ""
    panels = (
        Panel("raw", data_uri(colours(raw)), f"The untouched cutout {what}"),
        Panel("injected", data_uri(colours(injected)), f"The same cutout {what} as written to the tables"),
        Panel(
            f"difference{scaled}",
            data_uri(difference(injected, raw, gain)),
            f"Injected minus raw, {gain:g} times its brightness",
        ),
    )
    lens = (
        ("θ_E", _with_unit(row, "theta_e_arcsec", "″")),
        ("SNR", _with_unit(row, "arc_snr")),
        ("magnification", _with_unit(row, "magnification", "×")),
    )
    closed = () if np.isnan(l2[pick.metrics_row]) else (("closure", number(l2[pick.metrics_row])),)
    facts = (*(lens if pick.group >= 0 else ()), *closed, ("brick", brick))
    return Card(pick.role, panels, facts, _text(row, "task_id"), raw.shape[-1], ring_of(row, raw.shape[-1]))


def ring_of(row: Frame, n_pix: int) -> tuple[float, float, float] | None:
    """theta_E around the host, in pixels of the picture: y is counted from the northern edge."""
    theta = float(row.numbers("theta_e_arcsec")[0])
    if not np.isfinite(theta):
        return None
    x, y = np.nan_to_num([row.numbers(f"offset_{axis}_arcsec")[0] for axis in "xy"]) / PIXEL_SCALE
    return float(n_pix / 2 + x), float(n_pix / 2 - y), theta / PIXEL_SCALE


def _text(row: Frame, column: str) -> str:
    values = row.codes(column)[1]
    return values[0] if values else "–"


def _with_unit(row: Frame, column: str, unit: str = "") -> str:
    value = float(row.numbers(column)[0])
    return "–" if value != value else f"{number(float(f'{value:.3g}'))}{unit}"
