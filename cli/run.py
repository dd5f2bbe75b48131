"""`darkhalo run`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import exits, output, request
from cli.workspace import Workspace
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.storage import check_run_id


@click.command()
@click.argument("tier")
@click.option(
    "--run-id", help="Name of the run; by default tier, configuration and time. One that was stopped goes on."
)
@request.staging_option
@request.sky_options
def run(
    tier: str, run_id: str | None, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None,
    staging: str, workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Run a tier on this machine, through the state machine that `cdk deploy` deploys.

    TIER is a tier's name, or the path of a .toml file (docs/tiers.md).

    Prints every check, the verdict and where the review page lies. Exit codes: 0 GO, 3 NO-GO, 2 bad input.
    """
    from cli.local_run import LocalRun
    from pipeline.prerequisites import require_go

    started = time.monotonic()
    if run_id is not None:
        check_run_id(run_id)
    where = Workspace(workspace)
    chosen = request.tier_named(tier, bricks)
    require_go(where.store, chosen.tier)
    with request.prepare(chosen, sky, brick_pixels, hosts, where) as prepared:
        asked = prepared.request(run_id, f"-{datetime.now(UTC):%Y%m%dt%H%M%S}", staging)
        _refuse_other_request(where, asked)
        ready = time.monotonic() - started
        result = LocalRun(where, Path(__file__).resolve().parent.parent).execute(asked, prepared.catalogue)
    result["seconds"] = {"sky and hosts": round(ready, 1), **result["seconds"]}
    result["seconds"]["total"] = round(time.monotonic() - started, 1)
    if as_json:
        output.emit_json(result)
    else:
        _print_run(result)
    return exits.of_verdict(result["verdict"])


def _refuse_other_request(where: Workspace, asked: RunRequest) -> None:
    """A run that exists is repeated or resumed only with what it was planned from."""
    plan = where.runs / asked.run_id / "plan.json"
    if plan.is_file() and json.loads(plan.read_text())["request"] != asked.to_event():
        raise InputError(f"--run-id {asked.run_id}: used before with other options; give another id")


def _print_run(result: dict[str, Any]) -> None:
    output.print_verdict(result, sys.stdout)
    reasons = "".join(f", {reason} {n:,}" for reason, n in result["quarantined_by_reason"].items())
    print(f"\nrows      {result['rows']:,} ({result['quarantined']:,} quarantined{reasons})")
    print(f"run       {result['run_dir']}")
    print(f"review    {result['review']}")
    print(f"4c        {result['rows_per_second_4c']:,} rows/s; bytes a row {result['bytes_a_row']}")
    print(f"memory    MB at most {result['peak_memory_mb']}")
    print("seconds   " + ", ".join(f"{name} {value}" for name, value in result["seconds"].items()))
