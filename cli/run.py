"""`darkhalo run`."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import disk, exits, output, request
from cli.workspace import LATEST, Workspace
from local_cloud.signals import sigterm_exits
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.storage import check_run_id


@click.command()
@click.argument("tier")
@click.option(
    "--run-id", help="Name of the run; by default tier, settings and time. One that was stopped goes on."
)
@request.staging_option
@request.sky_options
@click.pass_context
def run(
    context: click.Context, tier: str, run_id: str | None, bricks: int | None, sky: str, brick_pixels: int,
    hosts: Path | None, psf: str | None, staging: str, workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Run a tier on this machine, through the state machine that `cdk deploy` deploys.

    TIER is a tier's name, or the path of a .toml file (docs/tiers.md).

    Says the run's id first, and when it is stopped the command with which it goes on. Prints every check, the
    verdict and where the review page lies. Exit codes: 0 GO, 3 NO-GO, 2 bad input.
    """
    from pipeline.prerequisites import require_go

    where = Workspace(workspace)
    chosen = request.tier_named(tier, bricks)
    name = _name(chosen, run_id)
    require_go(where.store, chosen.tier)
    given = request.SkyAsked(sky, brick_pixels, hosts, psf)
    request.refuse(chosen, given, where)
    disk.require(workspace, _bytes_to_write(chosen, where, name), f"run {name}")
    with where.starts.alone(name, chosen.tier.name), _resumable(name, context.obj), disk.watched(workspace):
        result = _run(name, request.prepare(chosen, given, where), staging, where)
    if as_json:
        output.emit_json(result)
    else:
        _print_run(result)
    return exits.of_verdict(result["verdict"])


def _run(name: str, preparing: Any, staging: str, where: Workspace) -> dict[str, Any]:
    """Sky, hosts, state machine, review page."""
    started = time.monotonic()
    with preparing as prepared:
        asked = prepared.request(name, staging)
        _refuse_other_request(where, asked)
        ready = time.monotonic() - started
        from cli.local_run import LocalRun

        result = LocalRun(where, Path(__file__).resolve().parent.parent).execute(asked, prepared.catalogue)
    result["seconds"] = {"sky and hosts": round(ready, 1), **result["seconds"]}
    result["seconds"]["total"] = round(time.monotonic() - started, 1)
    return result


def _name(chosen: request.Chosen, run_id: str | None) -> str:
    """The run's id, known before anything is made; InputError for one that cannot be."""
    from pipeline.code_version import code_version

    if run_id == LATEST:
        raise InputError(f"--run-id {LATEST}: is the name of the last run started; give another id")
    if run_id is not None:
        return check_run_id(run_id)
    tier = chosen.tier
    settings = hashlib.sha256(f"{tier.config_hash()} {code_version()}".encode()).hexdigest()[:8]
    return f"{tier.name.replace('_', '-')}-{settings}-{datetime.now(UTC):%Y%m%dt%H%M%S}"


def _bytes_to_write(chosen: request.Chosen, where: Workspace, name: str) -> float:
    """What the run's tables take, less those of it that are there; 0 where the catalogue decides."""
    from pipeline import cost

    tier = chosen.tier
    rows = tier.expected_rows or 0
    planned = cost.estimate(rows, rows // tier.injections_per_host, tier.n_bricks, tier.n_pix, []).bytes
    there = sum(path.stat().st_size for path in (where.runs / name).rglob("*.parquet"))
    return max(0, sum(planned.values()) - there)


@contextmanager
def _resumable(name: str, arguments: Sequence[str]) -> Iterator[None]:
    """Say the run's id, and how it goes on if it is stopped or breaks; bad input would end it again."""
    try:
        with sigterm_exits():
            output.note(f"run {name}")
            yield
    except BaseException as error:
        if isinstance(error, exits.DiskError) or not isinstance(error, exits.bad_input_errors()):
            output.note(f"run {name} is not done; it goes on with\n  {resume_command(name, arguments)}")
        raise


def resume_command(name: str, arguments: Sequence[str]) -> str:
    """The command as it was given, and the run's id."""
    given = any(word == "--run-id" or word.startswith("--run-id=") for word in arguments)
    return shlex.join([_program(), *arguments, *([] if given else ["--run-id", name])])


def _program() -> str:
    """How this command was started: by the launcher's name, by its own on the PATH, or by its path."""
    own = sys.argv[0]
    on_path = shutil.which("darkhalo")
    bare = on_path is not None and Path(on_path).resolve() == Path(own).resolve()
    return os.environ.get("DARKHALO_COMMAND") or ("darkhalo" if bare else own)


def _refuse_other_request(where: Workspace, asked: RunRequest) -> None:
    """A run that exists is repeated or resumed only with what it was planned from."""
    plan = where.runs / asked.run_id / "plan.json"
    if plan.is_file() and json.loads(plan.read_text())["request"] != asked.to_event():
        raise InputError(f"--run-id {asked.run_id}: used before with other options; give another id")


def _print_run(result: dict[str, Any]) -> None:
    output.print_verdict(result, sys.stdout)
    reasons = "".join(f", {reason} {n:,}" for reason, n in result["quarantined_by_reason"].items())
    rate = result["rows_per_second_4c"]
    print(f"\nrows      {result['rows']:,} ({result['quarantined']:,} quarantined{reasons})")
    print(f"run       {result['run_dir']}")
    print(f"review    {result['review']}")
    print(f"4c        {'all rows were there' if rate is None else f'{rate:,} rows/s'}; bytes a row "
          f"{result['bytes_a_row']}")  # fmt: skip
    print(f"memory    MB at most {result['peak_memory_mb']}")
    print("seconds   " + ", ".join(f"{name} {value}" for name, value in result["seconds"].items()))
