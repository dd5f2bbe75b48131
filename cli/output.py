"""What the commands print: JSON on stdout when asked, words otherwise; progress always on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TextIO

import click

from pipeline.progress import say

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on stdout; everything else on stderr."
)


note = say


def emit_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def print_hosts(planned: dict[str, Any]) -> None:
    """How many of a catalogue's hosts a plan takes, and why not the others. planned: as in plan.json."""
    per_split, per_brick = (planned["tier"]["hosts"][share] for share in ("per_split", "per_brick"))
    share = f"{per_split:,} hosts of each split" if per_split else f"{per_brick or 'all'} hosts of a brick"
    taken = f"{planned['n_bricks']:,} of {planned['bricks_of_the_catalogue']:,}"
    guard = planned["tier"]["splits"]["guard_arcsec"]
    why = {
        "in_bricks_with_too_few": f"in bricks with fewer than {per_brick}",
        "in_bricks_not_taken": f"in bricks that the tier does not take: it takes {taken}; see --bricks",
        "near_another_split": f"within {guard:g} arcsec of a brick of another split",
        "over_the_tiers_share": f"over the tier's share of {share}",
    }
    print(f"hosts          {planned['n_hosts']:,} of {planned['hosts_of_the_catalogue']:,}")
    for reason, count in planned["hosts_left_out"].items():
        if count:
            print(f"  left out     {count:,} {why[reason]}")


def print_checks(checks: list[dict[str, Any]], stream: TextIO) -> None:
    """The checks as an aligned table: status, name, statistic against bound, n, finding."""
    for check in checks:
        statistic, bound = (_number(check[key]) for key in ("statistic", "bound"))
        n = "-" if check["n"] is None else f"{check['n']:,}"
        print(
            f"  {check['status']:<13} {check['name']:<18} {statistic:>10} vs {bound:<9} n={n:<9} "
            f"{check['message']}",
            file=stream,
        )


def print_verdict(judged: dict[str, Any], stream: TextIO) -> None:
    """Checks, verdict, reasons, and the checks that neither passed nor are a reason."""
    print_checks(judged["checks"], stream)
    print(f"\n{judged['verdict']}", file=stream)
    for reason in judged["reasons"]:
        print(f"  because {reason}", file=stream)
    for status in ("WARN", "INCONCLUSIVE", "NOT_EXERCISED"):
        named = [c["name"] for c in judged["checks"] if c["status"] == status and not c["critical"]]
        if named:
            print(f"  {status}: {', '.join(named)}", file=stream)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
