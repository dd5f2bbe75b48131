"""The review page: reads the run's folder, fills the template, writes one file."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.schema import BANDS, CLOSURE, METRICS
from report import figures, findings, origins, questions, residuals, tallies, theory, words
from report.cards import build_gallery
from report.cost import cost
from report.folder import (
    VERDICT,
    Frame,
    TableRead,
    Verdict,
    count_table,
    load_plan,
    load_verdict,
    read_table,
    verdict_in,
)
from report.stats import Groups, group_values

METRICS_COLUMNS = (
    "task_id", "brickname", "host_id", "ra", "dec", "is_control", "cutout_ok", "quarantine_reason",
    "total_injected_flux", "offset_x_arcsec", "offset_y_arcsec", "psf_kind", "psf_beta",
    "src_flux_r_nmgy", *(f"psfdepth_{b}" for b in BANDS),
    *(column for column, *_ in findings.PARAMETERS if column != "psfsize_r"),
    *(f"{name}_{b}" for name in ("psfsize", "psf_source", "psf_fwhm_used") for b in BANDS),
)  # fmt: skip
TABLES = "cross_tables"  # of the plan: a section of its own shows them, as counted
SELECTION_COLUMNS = ("cut", "theta_e_arcsec", "n", "n_detected", "n_recovered")


def write_review(run_dir: Path, out: Path | None = None, judged: dict[str, Any] | None = None) -> Path:
    """Write the review page of the run in `run_dir`; its path (`run_dir`/review.html by default).

    judged: the verdict, where it was just given; by default the one in verdict.json, a GO only if it holds.
    What is missing from the folder is said on the page. Raises InputError where verdict.json is absent or
    cannot be understood. The file appears whole or not at all.
    """
    run_dir = Path(run_dir)
    out = Path(out) if out is not None else run_dir / "review.html"
    verdict = load_verdict(run_dir) if judged is None else verdict_in(judged, run_dir / VERDICT)
    _write_whole(out, render(run_dir, verdict))
    return out


def render(run_dir: Path, verdict: Verdict) -> str:
    """The page as text."""
    metrics = read_table(run_dir, METRICS.name, METRICS_COLUMNS)
    manifest, stamps = (count_table(run_dir, name) for name in ("manifest", "stamps"))
    selection = read_table(run_dir, "selection_function", SELECTION_COLUMNS)
    closure = read_table(run_dir, CLOSURE.name, residuals.COLUMNS)
    plan, plan_note = load_plan(run_dir)
    page = {
        "verdict": verdict,
        "plan_note": plan_note,
        "provenance": provenance(verdict, plan),
        "settings": settings(plan),
        "answers": questions.answers(verdict, plan),
        "closure": residuals.closure(closure),
        "cost": cost(run_dir, plan, verdict.rows),
        "survey_files": origins.survey_files(run_dir),
        "libraries": origins.task_libraries(run_dir),
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        **_verdict_words(verdict, plan),
        **_sections(verdict, metrics, [manifest, stamps], selection),
        "gallery": build_gallery(
            run_dir, metrics, _theta(metrics.frame), stamps, residuals.l2_of(metrics.frame, closure)
        ),
    }
    return _environment().get_template("review.html.j2").render(page)


def _verdict_words(verdict: Verdict, plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "reasons": words.sentences(verdict),
        "contradictions": verdict.doubts,
        "next_step": words.next_step(verdict, plan),
        "checks": words.check_rows(verdict),
        "status_words": words.STATUS_WORDS,
        "status_meaning": words.STATUS_MEANING,
    }


def _sections(
    verdict: Verdict, metrics: TableRead, others: list[TableRead], selection: TableRead
) -> dict[str, Any]:
    frame = metrics.frame
    theta = _theta(frame)
    lenses = frame.where(~frame.flags("is_control")) if len(frame) else frame
    fine = group_values(lenses.numbers("theta_e_arcsec"), most_values=15, bins=8)
    return {
        "counts": tallies.counts(metrics, others, verdict.rows),
        "cross": tallies.split_by_theta(frame, theta),
        "others": tallies.split_by_others(frame),
        "confounding": tallies.confounding(frame, theta) if len(theta) else "",
        "parameters": findings.parameters(frame) if len(frame) else None,
        "magnification": theory.magnification(lenses),
        "physics": findings.against_theta(lenses, fine) if len(frame) else None,
        "completeness": findings.completeness(selection, verdict, lenses),
        "psf": findings.psf(frame) if len(frame) else None,
    }


def _theta(frame: Frame) -> Groups:
    return group_values(frame.numbers("theta_e_arcsec"), most_values=6, bins=5)


def provenance(verdict: Verdict, plan: dict[str, Any]) -> list[tuple[str, str]]:
    """What the run was made of: the verdict's other keys, and the plan but for what stands elsewhere."""
    pairs = [("run_id", verdict.run_id), ("tier", verdict.tier), *words.flatten(verdict.rest)]
    known = dict(pairs)
    asked = words.flatten({k: v for k, v in plan.items() if not _is_settings(k, v) and k != TABLES})
    return pairs + [
        (f"{key} (plan.json)" if key in known else key, value)
        for key, value in asked
        if known.get(key) != value
    ]


def settings(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The tier's settings, as the plan froze them."""
    return words.flatten({key: value for key, value in plan.items() if _is_settings(key, value)})


def _is_settings(key: str, value: Any) -> bool:
    return key == "tier" and isinstance(value, dict)


def _environment() -> Environment:
    """Everything is escaped: messages and names come from data."""
    environment = Environment(
        loader=PackageLoader("report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rich"] = words.rich
    environment.filters["rich_svg"] = words.rich_svg
    environment.filters["svg_uri"] = figures.svg_uri
    return environment


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
