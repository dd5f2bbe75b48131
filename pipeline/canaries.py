"""The gate shows, in each run and on the engine that judges it, that every check can fail.

A canary is a check's own SQL, asked of the sick rows (pipeline/sick_rows.py) that the run brings along: they
lie in the same tables, below `tier=canary`. A canary that does not refuse them is an outage of the gate,
whatever the check says of the run.
"""

from __future__ import annotations

from typing import Any

from pipeline.checks import CheckResult, load_checks, render, schema_columns
from pipeline.parquet import from_rows, to_bytes
from pipeline.promises import promises
from pipeline.schema import BY_NAME, CLOSURE, METRICS, SKY, Column, Table
from pipeline.sick_rows import N_ROWS, sick
from pipeline.storage import CANARY, NO_SPLIT, Partition, RunLayout
from pipeline.store import Store, publish
from pipeline.tier import Tier

REFUSALS = {"realism": "WARN"}
"""What a check says of its defect, where that is not FAIL: the most that it ever says."""

_LACKING = Table(METRICS.name, "", (Column("canary", "string", "a column that no table has"),), ())


def canary_of(layout: RunLayout) -> RunLayout:
    """Where a run's canary lies."""
    return RunLayout(CANARY, layout.run_id)


def write_canary(store: Store, layout: RunLayout) -> list[Partition]:
    """Write the sick rows of a run, one part a partition; the partitions."""
    parts: dict[Partition, list[dict[str, Any]]] = {}
    for table, rows in sick().items():
        for row in rows:
            split = NO_SPLIT if table in (CLOSURE.name, SKY.name) else row["region_split"]
            parts.setdefault(canary_of(layout).partition(table, split), []).append(row)
    for partition, rows in parts.items():
        publish(store, partition.part(0), to_bytes(from_rows(BY_NAME[partition.table], rows)))
    return list(parts)


def canaries_sql(layout: RunLayout, tier: Tier) -> dict[str, str]:
    """Every check's SQL by name, asked of the canary of a run of this tier.

    The run that `reruns` compares with is the canary itself, which has a row twice; `schema`, whose subject
    no row can spoil, is asked for a column too many.
    """
    own = promises(tier, layout.run_id) | {"schema_columns": schema_columns(_LACKING)}
    return {check.name: render(check, canary_of(layout), N_ROWS, own) for check in load_checks()}


def outages(results: list[CheckResult]) -> list[str]:
    """A sentence for each check that has not shown that it can refuse."""
    told = {result.name: result for result in results}
    return [
        f"{check.name} {_said(told.get(check.name))} of a canary that it must refuse"
        for check in load_checks()
        if not _refused(told.get(check.name))
    ]


def _refused(result: CheckResult | None) -> bool:
    """A query that broke, or that found no row, has refused nothing."""
    if result is None or result.statistic is None or not result.n:
        return False
    return result.status == REFUSALS.get(result.name, "FAIL")


def _said(result: CheckResult | None) -> str:
    return "says nothing" if result is None else f"says {result.status} ({result.message})"
