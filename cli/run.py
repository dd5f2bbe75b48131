"""`darkhalo run` and `darkhalo plan`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import defaults, exits, output
from cli import workspace as workspaces
from cli.workspace import Workspace
from pipeline.errors import InputError
from pipeline.events import STAGING, RunRequest
from pipeline.storage import check_run_id, hosts_key
from pipeline.store import FolderStore, publish


def sky_options(command: Any) -> Any:
    for option in (
        click.option("--bricks", type=click.IntRange(min=1), help="Bricks, instead of the tier's number."),
        click.option("--sky", default=defaults.SYNTHETIC, show_default=True,
                     help="synthetic; dr9-north, dr9-south, dr10-south: the survey's portal; or a folder, "
                     "s3://bucket/prefix or https://host/folder in the survey's layout."),
        click.option("--brick-pixels", type=int, default=defaults.BRICK_PIXELS, show_default=True,
                     help="Side of the synthetic bricks; the survey's is 3600."),
        click.option("--hosts", type=click.Path(path_type=Path),
                     help="Host catalogue (a Parquet file, or a folder of `darkhalo hosts`), instead of a "
                     "selection from the sky's tractor files."),
        workspaces.option,
        output.json_option,
    ):  # fmt: skip
        command = option(command)
    return command


staging_option: Callable[[Any], Any] = click.option(
    "--staging", type=click.Choice(STAGING), default=STAGING[0], show_default=True,
    help="auto: over a network, only the tiles that the stamps touch where that halves the cost; whole: "
    "whole files, each compared with the survey's hash; ranges: tiles wherever that is cheaper at all.",
)  # fmt: skip


@click.command()
@click.argument("tier")
@click.option("--run-id", help="Name of the run; by default tier, configuration and time.")
@staging_option
@sky_options
def run(
    tier: str, run_id: str | None, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None,
    staging: str, workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Run a tier on this machine, through the state machine that `cdk deploy` deploys.

    Prints every check, the verdict and where the review page lies. Exit code 0 is GO, 3 is NO-GO.
    """
    from cli.local_run import LocalRun

    started = time.monotonic()
    where = Workspace(workspace)
    request, catalogue = make_request(tier, run_id, bricks, sky, brick_pixels, hosts, where)
    request = with_staging(request, staging)
    _refuse_other_request(where, request)
    prepared = time.monotonic() - started
    result = LocalRun(where, Path(__file__).resolve().parent.parent).execute(request, catalogue)
    result["seconds"] = {"sky and hosts": round(prepared, 1), **result["seconds"]}
    result["seconds"]["total"] = round(time.monotonic() - started, 1)
    if as_json:
        output.emit_json(result)
    else:
        _print_run(result)
    return exits.of_verdict(result["verdict"])


@click.command()
@click.argument("tier")
@sky_options
def plan(
    tier: str, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None, workspace: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Phase 4a alone: write a tier's manifest below <workspace>/plans and print what it holds."""
    from pipeline.manifest import plan_run

    where = Workspace(workspace)
    request, catalogue = make_request(tier, None, bricks, sky, brick_pixels, hosts, where, stamp="")
    store = FolderStore(workspace / "plans")
    publish(store, request.hosts_key, catalogue)
    planned = plan_run(store, request)
    planned["folder"] = str((store.root / request.layout.prefix).resolve())
    if as_json:
        output.emit_json(planned)
    else:
        for key in ("n_bricks", "n_hosts", "expected_rows", "n_chunks", "config_hash", "folder"):
            print(f"{key:<14} {planned[key]}")
    return exits.DONE


def make_request(
    tier: str, run_id: str | None, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None,
    where: Workspace, stamp: str | None = None,
) -> tuple[RunRequest, bytes]:  # fmt: skip
    """The run's request and the bytes of its host catalogue; bad options are refused before any work."""
    from cli import skies
    from pipeline.manifest import check_hosts, choose_hosts, config_hash, tier_of
    from pipeline.parquet import content_hash

    if run_id is not None:
        check_run_id(run_id)
    settings = tier_of(RunRequest(tier, "unnamed", "-", "-", bricks))
    if hosts is not None and not hosts.exists():
        raise click.BadParameter(f"{hosts}: no such file; give a Parquet catalogue", param_hint="--hosts")
    address = skies.address_of(sky, settings, where, brick_pixels)
    catalogue = skies.given_hosts(hosts) if hosts is not None else skies.host_catalogue(address)
    chosen = choose_hosts(check_hosts(catalogue, str(hosts or address)), settings)
    own = sorted({brick for table in chosen.values() for brick in table["brickname"].to_pylist()})
    address = skies.mirror(address, own, where)
    request = RunRequest(tier, "unnamed", hosts_key(content_hash(catalogue)), address, bricks)
    if run_id is None:
        stamp = f"-{datetime.now(UTC):%Y%m%dt%H%M%S}" if stamp is None else stamp
        run_id = f"{tier.replace('_', '-')}-{config_hash(settings, request)[:8]}{stamp}"
    return RunRequest(tier, run_id, request.hosts_key, address, bricks), catalogue


def with_staging(request: RunRequest, staging: str) -> RunRequest:
    """The request with a way of staging; the default is left unsaid."""
    return replace(request, staging=None if staging == STAGING[0] else staging)


def _refuse_other_request(where: Workspace, request: RunRequest) -> None:
    """A run that exists is repeated or resumed only with what it was planned from."""
    plan = where.runs / request.run_id / "plan.json"
    if plan.is_file() and json.loads(plan.read_text())["request"] != request.to_event():
        raise InputError(f"--run-id {request.run_id}: used before with other options; give another id")


def _print_run(result: dict[str, Any]) -> None:
    output.print_verdict(result, sys.stdout)
    reasons = "".join(f", {reason} {n:,}" for reason, n in result["quarantined_by_reason"].items())
    print(f"\nrows      {result['rows']:,} ({result['quarantined']:,} quarantined{reasons})")
    print(f"run       {result['run_dir']}")
    print(f"review    {result['review']}")
    print(f"4c        {result['rows_per_second_4c']:,} rows/s; bytes a row {result['bytes_a_row']}")
    print(f"memory    MB at most {result['peak_memory_mb']}")
    print("seconds   " + ", ".join(f"{name} {value}" for name, value in result["seconds"].items()))
