"""`darkhalo cache`."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli import exits, output, request
from cli.workspace import Workspace
from pipeline.events import ChunkRecord, RunRequest
from pipeline.progress import Progress, say
from pipeline.store import FolderStore, get_json


@click.command()
@click.argument("tier")
@request.staging_option
@request.sky_options
def cache(
    tier: str, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None, psf: str | None,
    staging: str, workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Phase 4b alone: fetch and verify the bricks that a tier needs, into <workspace>/staged.

    TIER is a tier's name, or the path of a .toml file. Needs no GO of other tiers.

    A later run of the same sky in this workspace finds them there. Stopped or failed, start it again: what is
    cached stays, and only the rest is fetched. A brick that cannot be used is listed with its reason, and
    asked for again by this command alone; if none can be used, the exit code is 2.
    """
    from pipeline.manifest import plan_run

    started = time.monotonic()
    where = Workspace(workspace)
    store = FolderStore(where.staged)
    chosen = request.tier_named(tier, bricks)
    given = request.SkyAsked(sky, brick_pixels, hosts, psf)
    with request.prepare(chosen, given, where) as prepared:
        asked = _named(prepared.request(None, staging))
        store.publish_file(asked.hosts_key, prepared.catalogue)
    planned = plan_run(store, asked)
    result = {"tier": asked.tier, "sky": asked.sky, **_stage(store, asked, planned["chunks_key"])}
    result |= {name: planned[name] for name in ("n_hosts", "hosts_of_the_catalogue", "hosts_left_out")}
    result |= {"seconds": round(time.monotonic() - started, 1), "folder": str(where.staged.resolve())}
    if as_json:
        output.emit_json(result)
    else:
        output.print_hosts(planned)
        _print(result)
    return exits.DONE


def _named(asked: RunRequest) -> RunRequest:
    """One plan for each sky and way of staging."""
    own = hashlib.sha256(f"{asked.sky} {asked.staging}".encode()).hexdigest()[:8]
    return replace(asked, run_id=f"{asked.run_id}-{own}")


def _stage(store: FolderStore, asked: RunRequest, chunks_key: str) -> dict[str, Any]:
    from pipeline.staging import Tally, stage_catalogues, stage_chunk
    from pipeline.usable import refuse_unusable
    from survey.sources import open_source

    source = open_source(asked.sky, note=say)
    chunks = [ChunkRecord.from_event(event) for event in get_json(store, chunks_key)]
    tally = Tally(Progress("4b", sum(len(chunk.bricks) for chunk in chunks), "bricks"))
    found = [stage_chunk(store, source, asked, chunk, tally, retry_bad=True) for chunk in chunks]
    refuse_unusable(asked.sky, found)
    for bricks in found:
        stage_catalogues(store, source, asked, bricks, retry=True)
    return {**tally.counts(), "quarantined": sorted(tally.quarantined, key=lambda row: row["brick"])}


def _print(result: dict[str, Any]) -> None:
    verified = ", ".join(f"{n:,} by {check}" for check, n in result["files_verified_by"].items())
    print(f"bricks       {result['bricks']:,} ({result['cached_before']:,} cached before)")
    print(f"verified     {verified or 'nothing'}")
    print(f"fetched      {result['fetched_bytes'] / 1e6:,.1f} MB")
    print(f"saved        {result['saved_bytes'] / 1e6:,.1f} MB by ranges")
    if result["negative_invvar_pixels"]:
        print(f"invvar       {result['negative_invvar_pixels']:,} pixels below 0, taken as 0: no weight")
    print(f"quarantined  {result['quarantined_bricks']:,}")
    for row in result["quarantined"]:
        print(f"  {row['brick']} {row['file']}: {row.get('message', row['reason'])}")
    print(f"folder       {result['folder']}")
