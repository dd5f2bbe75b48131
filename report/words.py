"""Words and numbers as a reader meets them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from report.folder import STATUSES, Check, Verdict

STATUS_WORDS = {
    "FAIL": "fail",
    "INCONCLUSIVE": "inconclusive",
    "WARN": "warning",
    "NOT_EXERCISED": "not exercised",
    "PASS": "pass",
}
STATUS_MEANING = {
    "FAIL": "the finding breaks its bound",
    "INCONCLUSIVE": "too few rows for the check's stated power",
    "WARN": "to be looked at; does not block by itself",
    "NOT_EXERCISED": "what the check is about is absent from this run",
    "PASS": "the finding is within its bound",
}
# What the n of a check counts: the units that its error clusters by
UNITS = {
    **dict.fromkeys(("brick_outliers", "control_match", "host_pixels", "leakage", "psf_provenance"), "hosts"),
    **dict.fromkeys(("source_flux", "source_positions", "split_balance"), "hosts"),
    **dict.fromkeys(("host_record", "sky_closure"), "hosts"), "orientation": "hosts with neighbours",
    **dict.fromkeys(("controls", "maskbits", "reruns", "stamp_hashes"), "stamps"),
    **dict.fromkeys(("coverage", "flux_identity", "magnification", "prior", "realism", "snr_depth"), "rows"),
    **dict.fromkeys(("light_noise", "nulls", "ranges", "schema", "success_rate"), "rows"),
    **dict.fromkeys(("closure", "closure_snr"), "sampled rows"),
    "flux_theta_e": "rows, errors by host", "magnification_tail": "rows above 3",
    "split_fractions": "blocks of the sky",
}  # fmt: skip
# Fields that head a check's SQL file (athena_sql/checks), and the words of those that tell how it is judged
FIELDS = ("name", "asks", "statistic", "bound", "needs", "stops", "on failure")
HOW = (("statistic", "measures"), ("bound", "bound"), ("needs", "needs"), ("stops", "stops"))


@dataclass(frozen=True)
class HtmlTable:
    """A table of the page: the first column heads its row. `numeric`: all but the first are numbers."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True


@dataclass(frozen=True)
class CheckRow:
    """One line of the table of checks.

    question: what it asks; units: what n counts; how: (word, explanation) of how it is judged; mend: what to
    do, where it failed or warns.
    """

    check: Check
    status_words: str
    question: str
    statistic: str
    bound: str
    n: str
    units: str
    how: tuple[tuple[str, str], ...]
    mend: str


def number(value: float | None) -> str:
    """Whole numbers with separators, others with four significant digits, an en dash for none."""
    if value is None or value != value:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.3g} %" if whole else "–"


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def check_rows(verdict: Verdict) -> list[CheckRow]:
    """Worst status first, critical ones before the others, the order of the verdict otherwise."""
    ordered = sorted(verdict.checks, key=lambda c: (STATUSES.index(c.status), not c.critical))
    return [_check_row(check) for check in ordered]


def _check_row(check: Check) -> CheckRow:
    told = description(check.name)
    statistic, bound, n = (number(value) for value in (check.statistic, check.bound, check.n))
    how = tuple((words, told[field]) for field, words in HOW if field in told)
    mend = told.get("on failure", "") if check.status in ("FAIL", "WARN") else ""
    return CheckRow(
        check, STATUS_WORDS[check.status], told.get("asks", ""), statistic, bound, n,
        UNITS.get(check.name, ""), how, mend,
    )  # fmt: skip


def description(name: str) -> dict[str, str]:
    """What the head of the check's SQL file says of it, by field of FIELDS; empty where there is no file."""
    if not re.fullmatch(r"\w+", name):
        return {}
    path = Path(str(files("athena_sql"))) / "checks" / f"{name}.sql"
    return heading(path.read_text(encoding="utf-8")) if path.is_file() else {}


def heading(sql: str) -> dict[str, str]:
    """The fields of the comment that opens an SQL file; what follows a field goes on until the next one."""
    fields: dict[str, str] = {}
    last = ""
    for line in sql.splitlines():
        comment = re.match(r"--\s*(.*)", line)
        if not comment or not comment[1]:
            break
        start = re.match(rf"-- ({'|'.join(FIELDS)}): ?(.*)", line)
        if start:
            last = start[1]
            fields[last] = start[2].strip()
        elif last:
            fields[last] = f"{fields[last]} {comment[1].strip()}"
    return fields


def sentences(verdict: Verdict) -> list[str]:
    """Why GO or NO-GO: the verdict's own reasons, or what follows from its checks where it gives none."""
    if verdict.reasons:
        return list(verdict.reasons)
    critical = sum(c.critical for c in verdict.checks)
    if verdict.go:
        return [f"No check failed, and {plural(critical, 'critical check')} passed."]
    return ["The verdict gives no reason of its own; the checks below are all there is."]


def next_step(verdict: Verdict, plan: dict[str, Any]) -> str:
    if not verdict.go:
        return "The selection function (phase 4d) is blocked. Mend the causes and run the tier again."
    bricks = cut_to(plan)
    if bricks is not None:
        return (
            f"The run was cut to {plural(bricks, 'brick')}: its tables may be used, but its GO does not "
            f"count for a tier that requires one of {verdict.tier}. Run {verdict.tier} whole."
        )
    following = {
        "debug": "GO for debug is no GO for train: the pilot tier, with controls, lies between them.",
        "pilot": "The train tier may start with this same code and configuration, once debug has its GO too.",
    }
    return following.get(verdict.tier, "The tables may be used, and the selection function computed.")


def cut_to(plan: dict[str, Any]) -> int | None:
    """The bricks that were asked for instead of the tier's; None of a whole tier."""
    request = plan.get("request")
    bricks = request.get("n_bricks") if isinstance(request, dict) else None
    return bricks if isinstance(bricks, int) else None


def flatten(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """(dotted key, value) of a JSON object; long lists and texts are shortened, and say so."""
    pairs: list[tuple[str, str]] = []
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            pairs.extend(flatten(value, f"{name}."))
        else:
            pairs.append((name, _short(value)))
    return pairs


def _short(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_short(v) for v in value[:6])
        return f"{shown} … ({len(value):,} in all)" if len(value) > 6 else shown
    text = str(value)
    return text if len(text) <= 160 else f"{text[:160]} … ({len(text):,} characters)"


def rich(text: str) -> Markup:
    """The text, escaped; `x` becomes code, and the E of θ_E a subscript."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(marked.replace("θ_E", "θ<sub>E</sub>"))  # noqa: S704 (escaped just above)


def rich_svg(text: str) -> Markup:
    """The same for text inside an SVG drawing."""
    low = 'θ<tspan dy="3" font-size="8">E</tspan><tspan dy="-3">\u200a</tspan>'
    return Markup(str(escape(text)).replace("θ_E", low))  # noqa: S704 (escaped just here)
