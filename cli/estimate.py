"""`darkhalo estimate`."""

from __future__ import annotations

import math
from typing import Any

import click

from cli import exits, output, request


@click.command()
@click.argument("tier")
@click.option("--bricks", type=click.IntRange(min=3), help="Bricks, instead of the tier's number.")
@click.option("--rows", type=click.IntRange(min=1), help="Rows, instead of what the tier plans on them.")
@click.option(
    "--vcpu", type=click.IntRange(min=1), help="Tasks of 1 vCPU at once, instead of the stack's limit."
)
@output.json_option
def estimate(tier: str, bricks: int | None, rows: int | None, vcpu: int | None, as_json: bool) -> int:
    """Tasks, hours and dollars of a tier on AWS, by line, from its settings alone: no sky, no hosts.

    `darkhalo plan TIER` says the same of a catalogue, whose bricks differ. Prices: pipeline/cost.py.
    """
    from pipeline import cost
    from pipeline.errors import InputError

    chosen = request.tier_named(tier, bricks).tier
    rows = rows or chosen.expected_rows
    if rows is None:
        raise InputError(
            f"tier {chosen.name} takes all hosts of a brick, so its catalogue decides; give --rows"
        )
    n, own = chosen.n_bricks, rows * cost.ROW_SECONDS / chosen.n_bricks
    # Even bricks: whole ones up to task_seconds, or one in as many tasks as it takes.
    a_task = max(1, int(chosen.task_seconds // (cost.BRICK_SECONDS + own)))
    divided = math.ceil(own / max(chosen.task_seconds - cost.BRICK_SECONDS, cost.ROW_SECONDS))
    tasks = math.ceil(n / a_task) * max(1, divided)
    pieces = n * max(1, divided)
    seconds = [(pieces * cost.BRICK_SECONDS + rows * cost.ROW_SECONDS) / tasks] * tasks
    hosts = math.ceil(rows / chosen.injections_per_host)
    told = cost.estimate(rows, hosts, pieces, chosen.n_pix, seconds, vcpu or cost.CONCURRENCY)
    result = {"tier": chosen.name, "rows": rows, "bricks": n, "tasks": 2 * tasks, **told.as_json()}
    if as_json:
        output.emit_json(result)
    else:
        _print(result)
    return exits.DONE


def _print(told: dict[str, Any]) -> None:
    print(f"{told['tier']}: {told['rows']:,} rows in {told['bricks']:,} bricks")
    print(f"  {'tasks of 4b and 4c':<20} {told['tasks']:>12,}")
    print(f"  {'vCPU hours':<20} {told['task_hours']:>12,.2f}")
    print(f"  {'hours':<20} {told['hours']:>12,.2f}")
    for table, size in told["bytes"].items():
        unit, one = ("GB", 1e9) if size >= 1e9 else ("MB", 1e6)
        print(f"  {unit + ' of ' + table:<20} {size / one:>12,.2f}")
    for line, dollars in told["dollars"].items():
        print(f"  {'$ ' + line:<20} {dollars:>12,.2f}")
    print(f"  {'$ in all':<20} {told['dollars_total']:>12,.2f}")
    kept = f"{told['dollars_a_month']:>12,.2f}  (the tables; not the cached bricks)"
    print(f"  {'$ a month to keep it':<20} {kept}")
