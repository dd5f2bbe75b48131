"""`darkhalo query`."""

from __future__ import annotations

import math
from pathlib import Path

import click

from cli import exits, output
from cli import workspace as workspaces
from cli.workspace import Workspace
from pipeline.errors import InputError


@click.command()
@click.argument("run")
@click.argument("sql")
@workspaces.option
@output.json_option
def query(run: str, sql: str, workspace: Path, as_json: bool) -> int:
    """Athena SQL over the tables of RUN: manifest, metrics, stamps, closure, check_results,
    selection_function."""
    from local_cloud.athena_engine import Engine, FolderCatalogue, QueryError

    engine = Engine(FolderCatalogue(Workspace(workspace).run_dir(run)))
    try:
        result = engine.execute(sql)
    except QueryError as error:
        raise InputError(f"SQL: {' '.join(str(error).split())}") from error
    names = [name for name, _ in result.columns]
    if as_json:
        rows = [dict(zip(names, map(_plain, row), strict=True)) for row in result.rows]
        output.emit_json(
            {"columns": dict(result.columns), "rows": rows, "bytes_scanned": result.bytes_scanned}
        )
    else:
        print("\t".join(names))
        for row in result.rows:
            print("\t".join("" if value is None else str(_plain(value)) for value in row))
    return exits.DONE


def _plain(value: object) -> object:
    """A value as JSON can hold it: bytes by their length; NaN, infinity, dates and decimals by their text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
