"""Measuring sections: parameters, flux and SNR against theta_E, completeness, PSF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.schema import BANDS
from report.charts import Chart, Line, distribution, intervals
from report.folder import Frame, TableRead, Verdict
from report.maps import fractions
from report.stats import (
    Codes,
    Estimate,
    Floats,
    Groups,
    change_within_hosts,
    five_sigma,
    format_value,
    group_values,
    host_log_mean,
    host_mean,
    wilson,
)
from report.words import HtmlTable, number, share

SNR_BOUND = 5.0
THETA_AXIS = "θ_E (arcsec)"


@dataclass(frozen=True)
class Section:
    """Charts, tables and sentences."""

    charts: tuple[Chart, ...] = ()
    tables: tuple[HtmlTable, ...] = ()
    notes: tuple[str, ...] = ()


# (column, title, axis, logarithmic, marked values); psfsize_r has its own section
PARAMETERS: tuple[tuple[str, str, str, bool, tuple[tuple[float, str], ...]], ...] = (
    ("theta_e_arcsec", "Einstein radius", THETA_AXIS, False, ()),
    ("src_dmag", "Source minus host magnitude", "src_dmag (mag)", False, ()),
    ("src_reff_arcsec", "Source half-light radius", "src_reff_arcsec", False, ()),
    ("src_n_sersic", "Source Sersic index", "src_n_sersic", False, ()),
    ("src_e", "Source ellipticity", "src_e", False, ()),
    ("shear", "External shear", "shear", False, ()),
    ("lens_e", "Ellipticity of the mass", "lens_e", False, ()),
    ("src_x_arcsec", "Source position, x", "src_x_arcsec", False, ()),
    ("src_y_arcsec", "Source position, y", "src_y_arcsec", False, ()),
    ("magnification", "Magnification", "magnification (log)", True, ((1.0, "1"),)),
    ("arc_snr", "SNR of the arcs", "arc_snr (log)", True, ((SNR_BOUND, "5"),)),
    ("flux_in_stamp", "Part of the flux inside the stamp", "flux_in_stamp", False, ()),
    ("psfsize_r", "PSF size", "psfsize_r (arcsec)", False, ()),
    ("bad_pixel_frac", "Bad pixels", "bad_pixel_frac", False, ((0.2, "0.2"),)),
)


#: What was found, and not asked for: drawn first.
MEASURED = ("magnification", "arc_snr", "flux_in_stamp", "bad_pixel_frac")
#: The same in every row of a host.
OF_HOSTS = ("psfsize_r", "bad_pixel_frac")


def one_row_a_host(frame: Frame) -> Frame:
    """The first row with a stamp of every host: what is the host's is counted once."""
    stamped = frame.where(frame.flags("cutout_ok")) if frame.has("cutout_ok") else frame
    hosts = stamped.codes("host_id")[0]
    first = np.zeros(len(stamped), dtype=bool)
    first[np.unique(hosts, return_index=True)[1]] = True
    return stamped.where(first & (hosts >= 0))


def parameters(frame: Frame) -> Section:
    """A small chart of every parameter and measurement; those of the lens and source from injections only."""
    injected, hosts = frame.where(~frame.flags("is_control")), one_row_a_host(frame)
    charts, missing = [], []
    for column, title, axis, log, marks in PARAMETERS:
        of_hosts = column in OF_HOSTS
        values = (hosts if of_hosts else injected).numbers(column)
        unit = "hosts" if of_hosts else "rows"
        chart = distribution(title, values, axis, log=log, marks=marks, unit=unit)
        if chart is None:
            missing.append(column)
        else:
            charts.append(replace(chart, measured=column in MEASURED))
    notes = (f"Nothing to draw for {', '.join(missing)}: no value in this run.",) if missing else ()
    return Section(tuple(charts), notes=notes)


def against_theta(frame: Frame, theta: Groups) -> Section:
    """Flux and SNR against theta_E, means by host first."""
    hosts = frame.codes("host_id")[0]
    flux, snr = frame.numbers("total_injected_flux"), frame.numbers("arc_snr")
    specs: tuple[tuple[str, str, Floats, Callable[[Floats, Codes], Estimate | None], bool], ...] = (
        ("Flux added in r", "mean flux (nmgy)", flux, host_mean, False),
        ("SNR of the arcs", "geometric mean of arc_snr", snr, host_log_mean, True),
    )
    charts = tuple(
        chart for title, axis, values, mean, log in specs
        if (chart := _theta_chart(title, axis, values, hosts, theta, mean, log)) is not None
    )  # fmt: skip
    if not charts:
        return Section(notes=("No row has a flux or an SNR.",))
    return Section(charts, notes=_snr_note(snr))


def _theta_chart(
    title: str, axis: str, values: Floats, hosts: Codes, theta: Groups,
    mean: Callable[[Floats, Codes], Estimate | None], log: bool,
) -> Chart | None:  # fmt: skip
    found = [mean(values[theta.rows(i)], hosts[theta.rows(i)]) for i in range(len(theta))]
    rows = tuple(
        (f"{label}″", *_estimate_cells(estimate), _change(values, hosts, theta, i))
        for i, (label, estimate) in enumerate(zip(theta.labels, found, strict=True))
    )
    header = ("θ_E", axis, "95 % interval", "rows", "hosts", "ratio to the row above, within hosts")
    n_hosts = max((e.n_hosts for e in found if e), default=0)
    caption = f"Means by host first; bars are 95 % intervals from the scatter of up to {n_hosts:,} hosts."
    return intervals(
        title, caption, _ticks(theta), [_line(title, theta, found)],
        (THETA_AXIS, axis), log=log, table=(header, rows),
    )  # fmt: skip


def _estimate_cells(estimate: Estimate | None) -> tuple[str, str, str, str]:
    if estimate is None:
        return "–", "–", "0", "0"
    interval = f"{number(estimate.low)} to {number(estimate.high)}" if estimate.low == estimate.low else "–"
    return number(estimate.value), interval, f"{estimate.n_rows:,}", f"{estimate.n_hosts:,}"


def _change(values: Floats, hosts: Codes, theta: Groups, i: int) -> str:
    if i == 0:
        return "–"
    before, after = theta.rows(i - 1), theta.rows(i)
    ratio = change_within_hosts(values[before], hosts[before], values[after], hosts[after])
    if ratio is None:
        return "too few hosts have both"
    return f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def _line(name: str, theta: Groups, found: list[Estimate | None]) -> Line:
    return Line(name, tuple(zip(theta.centres, found, strict=True)), theta.spans)


def _ticks(theta: Groups) -> list[tuple[float, str]]:
    return list(zip(theta.centres, (format_value(c) for c in theta.centres), strict=True))


def _snr_note(snr: Floats) -> tuple[str, ...]:
    known = snr[np.isfinite(snr)]
    if not len(known):
        return ("No row has an SNR.",)
    low = float((known < SNR_BOUND).mean())
    return (
        f"The median SNR is {number(float(np.median(known)))}; {100 * low:.3g} % of injections lie below 5. "
        "Real arcs of the survey lie near the noise: a run whose arcs are all bright trains a network on the "
        "wrong sky.",
    )


def completeness(table: TableRead, verdict: Verdict, lenses: Frame) -> Section:
    """Detected and recovered fractions against theta_E, with Wilson intervals, and what is detected over two
    parameters; or why there are none. lenses: the run's injections.
    """
    if not table.there:
        return Section(notes=(_why_no_completeness(table, verdict),))
    frame = table.frame
    cut, cuts = frame.codes("cut")
    theta = group_values(frame.numbers("theta_e_arcsec"), most_values=15)
    parts = [(name, frame.where(cut == i), theta.index[cut == i]) for i, name in enumerate(cuts)]
    parts = parts or [("all rows", frame, theta.index)]
    charts = tuple(c for name, part, index in parts if (c := _completeness_chart(name, part, index, theta)))
    notes = [table.note] if table.note else []
    return Section((*maps_of(lenses), *charts), notes=(*notes, *_threshold_note(frame, theta), INDEPENDENCE))


def maps_of(lenses: Frame) -> tuple[Chart, ...]:
    """What is detected (arc_snr >= 5), over theta_E x source magnitude and theta_E x depth."""
    stamped = lenses.where(lenses.flags("cutout_ok"))
    found = stamped.numbers("arc_snr") >= SNR_BOUND
    hosts = stamped.codes("host_id")[0]
    theta = group_values(stamped.numbers("theta_e_arcsec"), most_values=8, bins=6)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = 22.5 - 2.5 * np.log10(stamped.numbers("src_flux_r_nmgy"))
    depth = five_sigma(stamped.numbers("psfdepth_r"))
    told = "Fraction with arc_snr ≥ 5; its 95 % interval and the hosts behind it stand in the table."
    charts = (
        fractions(
            f"Detected, θ_E × {name}",
            told,
            found,
            hosts,
            theta,
            group_values(values, 5, 5),
            (THETA_AXIS, axis),
        )
        for name, values, axis in (
            ("source magnitude", magnitude, "unlensed source, r (mag)"),
            ("depth", depth, "5 sigma depth, r (mag)"),
        )
    )
    return tuple(chart for chart in charts if chart is not None)


INDEPENDENCE = (
    "The bars of the curves take rows as independent. A host carries several rows, so the true intervals are "
    "wider; those of the maps take each host as one trial, which is the widest that they can be."
)


def _why_no_completeness(table: TableRead, verdict: Verdict) -> str:
    if table.files and table.rows is None:
        return table.note
    if not verdict.go:
        return "Phase 4d was blocked by the NO-GO: there is no selection function, and none should be made."
    return f"{table.note} It has not been computed yet: `darkhalo select {verdict.run_id}`."


def _completeness_chart(cut: str, part: Frame, index: Codes, theta: Groups) -> Chart | None:
    n = _sums(part.numbers("n"), index, len(theta))
    kinds = [
        ("detected: arc_snr ≥ 5", "n_detected"),
        ("recovered: also θ_E / psfsize_r ≥ 0.8", "n_recovered"),
    ]
    lines, columns = [], []
    for name, column in kinds:
        if part.has(column):
            k = _sums(part.numbers(column), index, len(theta))
            found = [_fraction(int(a), int(b)) for a, b in zip(k, n, strict=True)]
            lines.append(_line(name, theta, found))
            columns.append([_fraction_cell(int(a), e) for a, e in zip(k, found, strict=True)])
    header = ("θ_E", "injections", *(line.name.split(":")[0] for line in lines))
    rows = tuple(zip([f"{t}″" for t in theta.labels], [number(v) for v in n], *columns, strict=True))
    return intervals(
        f"Completeness, cut “{cut}”", f"{number(n.sum())} injections; bars are Wilson 95 % intervals.",
        _ticks(theta), lines, (THETA_AXIS, "fraction"), y_range=(0.0, 1.04), table=(header, rows),
    )  # fmt: skip


def _sums(values: Floats, index: Codes, n: int) -> Floats:
    good = (index >= 0) & np.isfinite(values)
    return np.asarray(np.bincount(index[good], weights=values[good], minlength=n))


def _fraction(k: int, n: int) -> Estimate | None:
    return Estimate(k / n, *wilson(k, n), n, 0) if n else None


def _fraction_cell(k: int, e: Estimate | None) -> str:
    return f"{k:,}: {e.value:.3f} ({e.low:.3f} to {e.high:.3f})" if e else "–"


def _threshold_note(frame: Frame, theta: Groups) -> tuple[str, ...]:
    """Where nothing is recovered although arcs are detected, the threshold is what was measured."""
    if not (frame.has("n_detected") and frame.has("n_recovered")):
        return ()
    detected = _sums(frame.numbers("n_detected"), theta.index, len(theta))
    recovered = _sums(frame.numbers("n_recovered"), theta.index, len(theta))
    own = [label for label, d, r in zip(theta.labels, detected, recovered, strict=True) if d > 0 and r == 0]
    if not own:
        return ()
    return (
        f"At θ_E {', '.join(own)}″ arcs are detected but none is recovered: the resolution threshold "
        "alone gives the zero there, not the sky.",
    )


def psf(frame: Frame) -> Section:
    """psfsize and depth in r as histograms, where each band's PSF came from, FWHM used, depth by band."""
    size = (460, 290)
    hosts = one_row_a_host(frame)
    depth = five_sigma(hosts.numbers("psfdepth_r"))
    found = (
        distribution(
            "PSF size in r", hosts.numbers("psfsize_r"), "psfsize_r (arcsec)", unit="hosts", size=size
        ),
        distribution("Depth in r", depth, "5 sigma point-source depth (mag)", unit="hosts", size=size),
    )
    charts = tuple(chart for chart in found if chart is not None)
    tables = tuple(t for t in (_psf_sources(frame), _psf_widths(frame), _depths(frame)) if t.rows)
    notes = [] if found[0] else ["No row has a psfsize_r."]
    zero = int((frame.numbers("psfsize_r") <= 0).sum())
    if zero:
        notes.append(f"{zero:,} rows have a psfsize_r of 0 or less, which is never a valid PSF.")
    return Section(charts, tables, tuple(notes))


def _depths(frame: Frame) -> HtmlTable:
    rows = []
    for band in BANDS:
        known = _finite(five_sigma(frame.numbers(f"psfdepth_{band}")))
        if len(known):
            low, median, high = np.quantile(known, (0.05, 0.5, 0.95))
            rows.append((band, f"{median:.2f}", f"{low:.2f} to {high:.2f}"))
    return HtmlTable("Depth, 5 sigma, point source", ("band", "median (mag)", "90 % of rows"), tuple(rows))


def _psf_sources(frame: Frame) -> HtmlTable:
    rows = []
    for band in BANDS:
        code, names = frame.codes(f"psf_source_{band}")
        parts = [(name, int((code == i).sum())) for i, name in enumerate(names)]
        parts.append(("NULL", int((code < 0).sum())))
        told = ", ".join(f"{name} {n:,} ({share(n, len(frame))})" for name, n in parts if n)
        rows.append((band, told))
    return HtmlTable("Where psfsize came from", ("band", "rows by source"), tuple(rows), numeric=False)


def _psf_widths(frame: Frame) -> HtmlTable:
    rows = []
    for band in BANDS:
        size, fwhm = frame.numbers(f"psfsize_{band}"), frame.numbers(f"psf_fwhm_used_{band}")
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = [size, fwhm, fwhm / size]
        rows.append((band, *(_median(c) for c in columns)))
    kinds = ", ".join(frame.codes("psf_kind")[1]) or "not recorded"
    betas = ", ".join(format_value(b) for b in np.unique(_finite(frame.numbers("psf_beta")))[:6])
    caption = f"PSF used for the arcs: {kinds}" + (f", beta {betas}" if betas else "")
    return HtmlTable(
        caption, ("band", "median psfsize (arcsec)", "median FWHM used", "FWHM / psfsize"), tuple(rows)
    )


def _finite(values: Floats) -> Floats:
    return np.asarray(values[np.isfinite(values)])


def _median(values: Floats) -> str:
    known = _finite(values)
    return number(float(np.median(known))) if len(known) else "–"
