"""`darkhalo validate`, `select` and `report`: judge, count and show runs that lie on this machine."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pyarrow.parquet as pq

from cli import exits, foreign, output
from cli import workspace as workspaces
from cli.workspace import Workspace
from pipeline import checks
from pipeline.canaries import canaries_sql, write_canary
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.gate import prove
from pipeline.manifest import tier_of
from pipeline.promises import promises
from pipeline.schema import CLOSURE, MANIFEST, METRICS, STAMPS
from pipeline.selection import AFTER_A_GO, write_cells
from pipeline.storage import CANARY, RunLayout
from pipeline.store import FolderStore, get_json
from pipeline.tier import Tier, load_tier
from pipeline.trust import confirmed_go, run_folder

UNNAMED = "unnamed"
_OWN_PAGE = "RUN/review.html"  # --report without a file

if TYPE_CHECKING:
    from local_cloud.athena_engine import Engine


@click.command()
@click.argument("run")
@click.option("--tier", help="Whose critical checks apply; by default the one in the run's plan.json.")
@click.option(
    "--report",
    "page",
    is_flag=False,
    flag_value=_OWN_PAGE,
    type=click.Path(dir_okay=False),
    help="Write the review page of this verdict, too: to a file, or after RUN without one to RUN's "
    "review.html.",
)
@workspaces.option
@output.json_option
def validate(run: str, tier: str | None, page: str | None, workspace: Path, as_json: bool) -> int:
    """All checks on RUN: a run's id, or any folder that holds manifest/, metrics/ and stamps/ Parquet,
    or metrics/ alone, as another pipeline may have left it (docs/gate.md).

    The closure sample is rendered anew from its stamps; a closure/ in the folder is not read. Nothing is
    written but the page that is asked for. Exit code 0 is GO, 3 is NO-GO, 2 bad input, 1 a gate that
    cannot fail: first each check has to refuse rows with a defect.
    """
    from report import write_review

    folder = Workspace(workspace).run_dir(run)
    _prove_gate(_settings(folder, tier))
    judged = judge_folder(folder, tier)
    if page is not None:
        written = write_review(folder, None if page == _OWN_PAGE else Path(page), judged)
        judged["review"] = str(written.resolve())
        output.note(f"review page: {written}")
    if as_json:
        output.emit_json(judged)
    else:
        output.print_verdict(judged, sys.stdout)
    return exits.of_verdict(judged["verdict"])


def judge_folder(folder: Path, tier: str | None, anew: bool = True) -> dict[str, Any]:
    """Run every check on the tables of a folder; the verdict, its reasons and the checks.

    anew: render the closure sample from the stamps; else trust closure/, which knows the stamps of its time.
    """
    from local_cloud.athena_engine import Engine, FolderCatalogue

    if foreign.is_foreign(folder):
        return _judge_foreign(folder, tier or "debug")
    plan = _plan_in(folder)
    request, settings = plan.get("request", {}), _settings(folder, tier)
    # A folder without tier=/run_id= in its paths is one run: its rows are given the plan's names.
    given = {"tier": settings.name, "run_id": request.get("run_id", UNNAMED)}
    catalogue = FolderCatalogue(folder, constants=given)
    if not any(catalogue.present(table.name) for table in (MANIFEST, METRICS)):
        raise InputError(f"{folder}: holds neither manifest/ nor metrics/ Parquet; give a run's folder")
    engine = Engine(catalogue)
    layout = RunLayout(*_identity(engine, given))
    rows = _count(engine, MANIFEST.name) if catalogue.present(MANIFEST.name) else _count(engine, METRICS.name)
    expected = plan.get("expected_rows", rows)
    promised = promises(settings)
    with tempfile.TemporaryDirectory() as place:
        if anew and all(catalogue.present(table.name) for table in (MANIFEST, METRICS, STAMPS)):
            _close(folder, layout, settings.closure_share, Path(place))
            engine = Engine(FolderCatalogue(folder, constants=given, elsewhere={CLOSURE.name: Path(place)}))
        results = [
            _check(engine, check, layout, expected, settings.critical, promised)
            for check in checks.load_checks()
        ]
    return _answer(folder, layout, rows, results, settings.critical)


def _settings(folder: Path, tier: str | None) -> Tier:
    """The tier whose checks apply: the one that is asked for, or the plan's."""
    request = {} if foreign.is_foreign(folder) else _plan_in(folder).get("request", {})
    if tier is None and "settings" in request:
        return tier_of(RunRequest.from_event(request))
    return load_tier(tier or request.get("tier", "debug"))


def _prove_gate(settings: Tier) -> None:
    """GateError unless every check refuses the canary, on this machine's engine."""
    from local_cloud.athena_engine import Engine, FolderCatalogue

    layout = RunLayout(settings.name, UNNAMED)
    with tempfile.TemporaryDirectory() as place:
        write_canary(FolderStore(Path(place)), layout)
        engine = Engine(FolderCatalogue(Path(place) / layout.prefix / CANARY))
        prove([_ask(engine, name, sql, False) for name, sql in canaries_sql(layout, settings).items()])


def _plan_in(folder: Path) -> dict[str, Any]:
    """The folder's plan.json; {} if there is none. InputError if it is no plan."""
    path = folder / "plan.json"
    if not path.is_file():
        return {}
    plan = get_json(FolderStore(folder), path.name)
    request = plan.get("request", {}) if isinstance(plan, dict) else None
    names = [request.get(key, "") for key in ("tier", "run_id")] if isinstance(request, dict) else [None]
    rows = plan.get("expected_rows", 0) if isinstance(plan, dict) else None
    if not (all(isinstance(name, str) for name in names) and type(rows) is int):
        raise InputError(f"{path}: not a run's plan; write it again, or judge the folder without it")
    return dict(plan)


def _close(folder: Path, layout: RunLayout, share: float, place: Path) -> None:
    """Write the table `closure` of a folder to `place`, nothing if its tables do not allow it."""
    from pipeline.closure import close_folder

    try:
        table = close_folder(folder, layout.run_id, share)
    except Exception as error:  # whatever values a broken folder holds: its closure check then says FAIL
        output.note(f"closure could not be rendered: {type(error).__name__}: {error}")
        return
    part = place / f"tier={layout.tier}/run_id={layout.run_id}/part-00000.parquet"
    part.parent.mkdir(parents=True)
    pq.write_table(table, part)


def _judge_foreign(folder: Path, tier: str) -> dict[str, Any]:
    """The same for the metrics of another pipeline; controls are critical, whatever the tier."""
    from local_cloud.athena_engine import Engine, FolderCatalogue

    settings = load_tier(tier)
    critical, promised = (*settings.critical, "controls"), promises(settings)
    with foreign.brought_in(folder, settings.name) as found:
        engine = Engine(FolderCatalogue(found.folder))
        results = []
        for check in checks.load_checks():
            if lacks := found.lacks(check):
                message = f"these results do not have {lacks}, which the check reads."
                results.append(
                    checks.CheckResult(
                        check.name, "NOT_EXERCISED", check.name in critical, None, None, None, message
                    )
                )
            else:
                results.append(
                    _check(engine, check, found.layout, found.rows, critical, promised, found.present)
                )
        return _answer(folder, found.layout, found.rows, results, critical)


def _answer(
    folder: Path, layout: RunLayout, rows: int, results: list[checks.CheckResult], critical: tuple[str, ...]
) -> dict[str, Any]:
    answer = checks.verdict(results, critical, (check.name for check in checks.load_checks()))
    return {
        "verdict": answer.verdict,
        "reasons": list(answer.reasons),
        "run_id": layout.run_id,
        "tier": layout.tier,
        "run_dir": str(folder),
        "rows": rows,
        "checks": [asdict(result) for result in results],
    }


@click.command()
@click.argument("run")
@workspaces.option
@output.json_option
def select(run: str, workspace: Path, as_json: bool) -> int:
    """Phase 4d on a run whose verdict is GO: completeness with Wilson intervals."""
    from local_cloud.athena_engine import Engine, FolderCatalogue

    folder = Workspace(workspace).run_dir(run)
    store, layout = run_folder(folder)
    confirmed_go(store, layout, AFTER_A_GO, published=True)
    result = Engine(FolderCatalogue(folder)).execute(checks.selection_function_sql(layout))
    cells = write_cells(store, layout, [name for name, _ in result.columns], result.rows)
    where = str(folder / "selection_function")
    if as_json:
        output.emit_json({"run_id": layout.run_id, "cells": cells, "folder": where})
    else:
        print(f"{cells} cells: {where}")
    return exits.DONE


@click.command()
@click.argument("run")
@workspaces.option
@output.json_option
def report(run: str, workspace: Path, as_json: bool) -> int:
    """Write the review page of a run again."""
    from report import write_review

    page = write_review(Workspace(workspace).run_dir(run))
    if as_json:
        output.emit_json({"review": str(page), "bytes": page.stat().st_size})
    else:
        print(page)
    return exits.DONE


def _identity(engine: Engine, given: dict[str, str]) -> tuple[str, str]:
    """(tier, run_id) as the partitions say, or as given where the tables are empty."""
    from local_cloud.athena_engine import QueryError

    for table in (METRICS.name, MANIFEST.name):
        try:
            rows = engine.execute(f"SELECT DISTINCT tier, run_id FROM {table}").rows  # noqa: S608
        except QueryError:  # a broken table: the checks meet it too, and say FAIL and why
            continue
        found = [row for row in rows if all(row)]
        if len(found) > 1:
            raise InputError(f"the folder holds {len(found)} runs: {found}; give the folder of one")
        if found:
            return found[0][0], found[0][1]
    return given["tier"], given["run_id"]


def _count(engine: Engine, table: str) -> int:
    from local_cloud.athena_engine import QueryError

    try:
        return int(engine.execute(f"SELECT count(*) AS n FROM {table}").rows[0][0])  # noqa: S608
    except QueryError:
        return 0


def _check(
    engine: Engine, check: checks.Check, layout: RunLayout, expected: int, critical: tuple[str, ...],
    promised: dict[str, str], columns: frozenset[str] | None = None,
) -> checks.CheckResult:  # fmt: skip
    sql = checks.render(check, layout, expected, promised, columns)
    return _ask(engine, check.name, sql, check.name in critical)


def _ask(engine: Engine, name: str, sql: str, critical: bool) -> checks.CheckResult:
    from local_cloud.athena_engine import QueryError

    try:
        result = engine.execute(sql)
    except QueryError as error:
        return checks.result_from_error(name, str(error), critical)
    return checks.result_from_row(name, [column for column, _ in result.columns], result.rows, critical)
