"""What the run cost: what its plan estimated for AWS, and what was measured where it ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from report.folder import json_object
from report.words import HtmlTable, number

MEASURED = "measured.json"  # written beside verdict.json by whoever ran it
KEPT = (
    ("bytes_a_row", "stored", "B a row"),
    ("peak_memory_mb", "memory", "MB at most"),
    ("cpu_seconds", "CPU", "s"),
)


def write_measured(run_dir: Path, measured: dict[str, Any]) -> None:
    """Keep what was measured of a run (seconds by state, and other numbers by name) for its page."""
    (run_dir / MEASURED).write_text(json.dumps(measured, indent=1), encoding="utf-8")


def cost(
    run_dir: Path, plan: dict[str, Any], rows: int | None
) -> tuple[tuple[HtmlTable, ...], tuple[str, ...]]:
    """Tables, and sentences where something is not known."""
    tables, notes = [], []
    estimate = plan.get("estimate")
    if isinstance(estimate, dict) and isinstance(estimate.get("dollars"), dict):
        tables.append(_estimated(estimate))
        total = estimate.get("dollars_total")
        if rows and isinstance(total, int | float):
            notes.append(f"That is {number(1e6 * total / rows)} dollars a million rows, by the estimate.")
    else:
        notes.append("The plan holds no estimate of what the run costs on AWS.")
    try:
        measured = json_object(run_dir / MEASURED)
    except InputError:
        notes.append("No time was kept of this run: it has no measured.json.")
        return tuple(tables), tuple(notes)
    return (*tables, *_measured(measured)), tuple(notes)


def _estimated(estimate: dict[str, Any]) -> HtmlTable:
    rows = [(str(name), _dollars(value)) for name, value in estimate["dollars"].items()]
    rows.append(("all", _dollars(estimate.get("dollars_total"))))
    hours = (
        f"{number(_known(estimate.get('task_hours')))} vCPU hours, {number(_known(estimate.get('hours')))} h"
    )
    return HtmlTable(f"Estimated for AWS ({hours} by the clock)", ("line", "dollars"), tuple(rows))


def _measured(measured: dict[str, Any]) -> tuple[HtmlTable, ...]:
    tables = []
    seconds = measured.get("seconds")
    if isinstance(seconds, dict) and seconds:
        known = [(str(name), value) for name, value in seconds.items() if isinstance(value, int | float)]
        rows = tuple((name, number(value)) for name, value in known)
        total = ("all", number(sum(value for _, value in known)))
        tables.append(HtmlTable("Measured on this machine", ("state", "seconds"), (*rows, total)))
    others = tuple(
        (f"{what}, {part}", f"{number(value)} {unit}")
        for name, what, unit in KEPT
        if isinstance(measured.get(name), dict)
        for part, value in measured[name].items()
        if isinstance(value, int | float)
    )
    if others:
        tables.append(HtmlTable("Memory, CPU and bytes", ("what", "measured"), others))
    return tuple(tables)


def _known(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _dollars(value: Any) -> str:
    known = _known(value)
    if known is None:
        return "–"
    return "below 0.01" if 0 <= known < 0.005 else f"{known:,.2f}"
