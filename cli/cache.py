"""`darkhalo cache`."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli import exits, output
from cli.run import make_request, sky_options, staging_option, with_staging
from cli.workspace import Workspace
from pipeline.events import ChunkRecord, RunRequest
from pipeline.progress import Progress
from pipeline.store import FolderStore, get_json, publish


@click.command()
@click.argument("tier")
@staging_option
@sky_options
def cache(
    tier: str, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None, staging: str,
    workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Phase 4b alone: fetch and verify the bricks that a tier needs, into <workspace>/staged.

    A later run of the same sky in this workspace finds them there. Stopped or failed, start it again: what is
    cached stays, and only the rest is fetched. A brick that cannot be used is listed with its reason, and
    asked for again by this command alone.
    """
    started = time.monotonic()
    where = Workspace(workspace)
    request, catalogue = make_request(tier, None, bricks, sky, brick_pixels, hosts, where, stamp="")
    request = _named(with_staging(request, staging))
    store = FolderStore(where.staged)
    publish(store, request.hosts_key, catalogue)
    result = {"tier": tier, "sky": request.sky, **_stage(store, request)}
    result |= {"seconds": round(time.monotonic() - started, 1), "folder": str(where.staged.resolve())}
    if as_json:
        output.emit_json(result)
    else:
        _print(result)
    return exits.DONE


def _named(request: RunRequest) -> RunRequest:
    """One plan for each sky and way of staging."""
    own = hashlib.sha256(f"{request.sky} {request.staging}".encode()).hexdigest()[:8]
    return replace(request, run_id=f"{request.run_id}-{own}")


def _stage(store: FolderStore, request: RunRequest) -> dict[str, Any]:
    from pipeline.manifest import plan_run
    from pipeline.staging import Tally, stage_chunk
    from survey.sources import open_source

    planned = plan_run(store, request)
    source = open_source(request.sky)
    tally = Tally(Progress("4b", planned["n_bricks"], "bricks"))
    for event in get_json(store, planned["chunks_key"]):
        stage_chunk(store, source, request, ChunkRecord.from_event(event), tally, retry_bad=True)
    return {**tally.counts(), "quarantined": sorted(tally.quarantined, key=lambda row: row["brick"])}


def _print(result: dict[str, Any]) -> None:
    verified = ", ".join(f"{n:,} by {check}" for check, n in result["files_verified_by"].items())
    print(f"bricks       {result['bricks']:,} ({result['cached_before']:,} cached before)")
    print(f"verified     {verified or 'nothing'}")
    print(f"fetched      {result['fetched_bytes'] / 1e6:,.1f} MB")
    print(f"saved        {result['saved_bytes'] / 1e6:,.1f} MB by ranges")
    print(f"quarantined  {result['quarantined_bricks']:,}")
    for row in result["quarantined"]:
        print(f"  {row['brick']} {row['reason']}: {row['file']}")
    print(f"folder       {result['folder']}")
