"""Magnification against theory: by the source's place behind the lens, and how rare the large ones are."""

from __future__ import annotations

import numpy as np

from report.charts import Chart, Line, intervals
from report.folder import Frame
from report.stats import Codes, Estimate, Floats, format_value, host_log_mean

COLUMNS = ("src_x_arcsec", "src_y_arcsec", "theta_e_arcsec", "src_reff_arcsec", "lens_e", "shear")
OFFSETS = np.arange(0.05, 1.5, 0.1)  # middles of bins of a tenth of theta_E
LEVELS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0)
MIN_ROWS = 10
NAN = float("nan")


def magnification(frame: Frame) -> tuple[tuple[Chart, ...], tuple[str, ...]]:
    """Charts of the injections in `frame`, and a sentence on how to read them."""
    mu, theta_e = frame.numbers("magnification"), frame.numbers("theta_e_arcsec")
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.hypot(frame.numbers("src_x_arcsec"), frame.numbers("src_y_arcsec")) / theta_e
        size = frame.numbers("src_reff_arcsec") / theta_e
    round_ = (frame.numbers("lens_e") <= 0.15) & (frame.numbers("shear") <= 0.05)
    hosts = frame.codes("host_id")[0]
    small = round_ & (size >= 0.05) & (size <= 0.25) & np.isfinite(mu)
    charts = (_by_offset(mu, offset, hosts), _tail(mu[small]))
    shown = tuple(chart for chart in charts if chart is not None)
    if not shown:
        return (), ("No row has a magnification and a source position.",)
    return shown, (
        "The lines are those of a point source behind a singular isothermal sphere: 2 θ_E/β inside θ_E, "
        "1 + θ_E/β outside, and P(> μ) falling as μ⁻². Ellipticity and the size of the sources move the "
        "points off them near the caustics and where μ is large, not elsewhere. This is for the eye; what "
        "judges are the checks `magnification`, `magnification_tail` and `closure`.",
    )


def point_source(offset: float) -> float:
    """Magnification behind a singular isothermal sphere; offset in theta_E."""
    return 2 / offset if offset < 1 else 1 + 1 / offset


def _by_offset(mu: Floats, offset: Floats, hosts: Codes) -> Chart | None:
    """Geometric means over hosts, in bins of the source's offset."""
    bins = [np.isfinite(mu) & (np.abs(offset - middle) <= 0.05) for middle in OFFSETS]
    found = [host_log_mean(mu[rows], hosts[rows]) if rows.sum() >= MIN_ROWS else None for rows in bins]
    kept = [(float(x), e) for x, e in zip(OFFSETS, found, strict=True) if e is not None]
    if not kept:
        return None
    theory = [(x, _theory(point_source(x))) for x, _ in kept]
    bins_of = tuple((x - 0.05, x + 0.05) for x, _ in kept)
    rows = tuple(
        (f"{x - 0.05:.1f} to {x + 0.05:.1f}", format_value(e.value), format_value(t.value), f"{e.n_rows:,}")
        for (x, e), (_, t) in zip(kept, theory, strict=True)
    )
    return intervals(
        "Magnification by the source's offset", "Geometric means by host first, with 95 % intervals.",
        [(x, f"{x:.2f}") for x, _ in kept],
        [
            Line("this run", tuple(kept), bins_of),
            Line("point source behind an isothermal sphere", tuple(theory)),
        ],
        ("source offset β / θ_E", "magnification (log)"), log=True,
        table=(("β / θ_E", "this run", "theory", "rows"), rows),
    )  # fmt: skip


def _tail(mu: Floats) -> Chart | None:
    """P(> mu) of small sources behind round lenses, over P(> 3) (3 / mu)^2."""
    n = int((mu > LEVELS[0]).sum())
    if n < MIN_ROWS:
        return None
    found = []
    for level in LEVELS:
        k = int((mu > level).sum())
        if k:
            half = 1.96 * np.sqrt(k * max(n - k, 0) / n) / n
            found.append((float(np.log10(level)), Estimate(k / n, k / n - half, k / n + half, k, 0)))
    theory = [(x, _theory((LEVELS[0] / 10**x) ** 2)) for x, _ in found]
    rows = tuple(
        (f"{10**x:.3g}", f"{e.n_rows:,}", f"{e.value:.4f}", f"{t.value:.4f}")
        for (x, e), (_, t) in zip(found, theory, strict=True)
    )
    return intervals(
        "How rare large magnifications are",
        f"{n:,} small sources (0.05 to 0.25 θ_E) magnified over 3 times behind round lenses.",
        [(x, f"{10**x:.3g}") for x, _ in found],
        [Line("this run", tuple(found)), Line("P(> μ) ~ μ⁻²", tuple(theory))],
        ("magnification μ (log)", "P(> μ) / P(> 3) (log)"), log=True,
        table=(("μ", "rows above", "this run", "theory"), rows),
    )  # fmt: skip


def _theory(value: float) -> Estimate:
    return Estimate(value, NAN, NAN, 0, 0)
