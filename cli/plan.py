"""`darkhalo plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli import exits, output, request
from cli.workspace import Workspace
from pipeline.store import FolderStore


@click.command()
@click.argument("tier")
@request.sky_options
def plan(
    tier: str, bricks: int | None, sky: str, brick_pixels: int, hosts: Path | None, psf: str | None,
    workspace: Path, as_json: bool,
) -> int:  # fmt: skip
    """Phase 4a alone: write a tier's manifest below <workspace>/plans and print what it holds.

    TIER is a tier's name, or the path of a .toml file. Needs no GO of other tiers: nothing is spent.
    """
    from pipeline.manifest import plan_run

    given = request.SkyAsked(sky, brick_pixels, hosts, psf)
    with request.prepare(request.tier_named(tier, bricks), given, Workspace(workspace)) as prepared:
        asked = prepared.request(None)
        store = FolderStore(workspace / "plans")
        store.publish_file(asked.hosts_key, prepared.catalogue)
        planned = plan_run(store, asked)
    planned["folder"] = str((store.root / asked.layout.prefix).resolve())
    if as_json:
        output.emit_json(planned)
    else:
        _print(planned)
    return exits.DONE


def _print(planned: dict[str, Any]) -> None:
    output.print_hosts(planned)
    for key in ("n_bricks", "expected_rows", "n_chunks", "config_hash", "folder"):
        print(f"{key:<14} {planned[key]}")
    print("\nrows")
    for split, kinds in planned["rows_by_kind"].items():
        print(f"  {split:<6} " + "  ".join(f"{kind} {n:,}" for kind, n in kinds.items()))
    for name, table in planned["cross_tables"].items():
        print(name)
        for split, cells in table.items():
            print(f"  {split:<6} " + "  ".join(f"{value}: {n:,}" for value, n in cells.items()))
    for name, match in planned["control_match"].items():
        print(f"match  {name:<17} KS distance {match['ks_distance']:.4f}, p {match['ks_p']:.3f}")
    if cells := planned.get("cells"):
        print(
            f"cells  95 % intervals +-{cells['half_width_a_cell']} in {cells['conditions']} conditions each"
        )
    cost = planned["estimate"]
    size = sum(cost["bytes"].values()) / 1e9
    print(f"cost   {size:,.1f} GB, {cost['hours']:.2f} h, ${cost['dollars_total']:.2f}")
