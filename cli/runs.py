"""`darkhalo runs` and `darkhalo open`: the runs of a workspace, and the review page of one."""

from __future__ import annotations

import json
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import exits, output
from cli import workspace as workspaces
from cli.workspace import Workspace
from pipeline.errors import InputError
from pipeline.store import get_json
from pipeline.trust import run_folder, success_of

_RUNNING, _STOPPED = "running", "stopped"


@click.command()
@workspaces.option
@output.json_option
def runs(workspace: Path, as_json: bool) -> int:
    """The runs of a workspace, the last one started last: id, tier, time, rows as planned, and the state.

    The state is GO or NO-GO, `running`, or `stopped` (before its verdict, or before all of it was published).
    """
    found = list_runs(Workspace(workspace))
    if as_json:
        output.emit_json({"workspace": str(workspace.resolve()), "runs": found})
    else:
        _print(found, workspace)
    return exits.DONE


@click.command("open")
@click.argument("run")
@workspaces.option
@output.json_option
def open_review(run: str, workspace: Path, as_json: bool) -> int:
    """Open the review page of RUN in a browser, and print its path."""
    page = Workspace(workspace).run_dir(run) / "review.html"
    if not page.is_file():
        raise InputError(
            f"{page}: not there; a run writes it with its verdict, `darkhalo report` writes it again"
        )
    opened = _open(page)
    if as_json:
        output.emit_json({"review": str(page), "opened": opened})
    else:
        print(page)
        if not opened:
            output.note("there is no browser here; open that file in one")
    return exits.DONE


def list_runs(where: Workspace) -> list[dict[str, Any]]:
    """A record for each run, in the order of their last starts."""
    starts = {start.run_id: start for start in where.starts.all()}
    at_work = where.starts.at_work()
    found = []
    for name in {*where.run_ids(), *starts}:
        folder = where.runs / name
        plan = _json(folder / "plan.json")
        request = plan.get("request", {})
        started = starts[name].started if name in starts else _time_of(folder)
        tier = starts[name].tier if name in starts else request.get("tier")
        state = _RUNNING if name == at_work else _state(folder)
        rows = plan.get("expected_rows")
        found.append({"run_id": name, "tier": tier, "started": started, "rows": rows, "state": state})
    return sorted(found, key=lambda record: (record["started"], record["run_id"]))


def _state(folder: Path) -> str:
    judged = _json(folder / "verdict.json").get("verdict")
    if judged == "GO" and _published(folder):
        return "GO"
    return "NO-GO" if judged == "NO-GO" else _STOPPED


def _published(folder: Path) -> bool:
    """Whether its `_SUCCESS.json` is that of its verdict; the tables, which `report` sums, are not read."""
    try:
        store, layout = run_folder(folder)
        stored = get_json(store, layout.verdict)
        return bool(get_json(store, layout.success) == success_of(store, stored, layout))
    except (InputError, KeyError, TypeError):
        return False


def _time_of(folder: Path) -> str:
    """When a run that was not started in this workspace was last planned or copied here."""
    return f"{datetime.fromtimestamp(folder.stat().st_mtime, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; {} where there is none: a list of runs is no place to fail for one of them."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _print(found: list[dict[str, Any]], workspace: Path) -> None:
    if not found:
        output.note(f"no run was started in {workspace}")
        return
    width = max(len(record["run_id"]) for record in found)
    print(f"{'run':<{width}}  {'tier':<12} {'started (UTC)':<20} {'rows':>12}  state")
    for record in found:
        rows = "-" if record["rows"] is None else f"{record['rows']:,}"
        print(
            f"{record['run_id']:<{width}}  {record['tier'] or '-':<12} {record['started']:<20} {rows:>12}  "
            f"{record['state']}"
        )


def _open(page: Path) -> bool:
    try:
        return webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False
