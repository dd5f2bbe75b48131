"""The gate: the checks' results become the verdict, stored beside the tables that it judges."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from typing import Any

from pipeline import catalogue
from pipeline.athena import fetch
from pipeline.checks import CheckResult, load_checks, result_from_error, result_from_row, verdict
from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.parquet import from_rows, to_bytes
from pipeline.schema import CHECK_RESULTS
from pipeline.store import Store, publish, publish_json


def judge(
    store: Store, athena: Any, glue: Any, request: RunRequest, results: list[dict[str, Any]],
    judged: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Read every check's answer, write `check_results` and verdict.json; the verdict.

    `results` are {"name", "query_execution_id"} or {"name", "error"}: a query that failed is a FAIL.
    judged: fingerprints of the tables from before the first query.
    """
    critical = set(tier_of(request).critical)
    checks = [_result(athena, item, item["name"] in critical) for item in results]
    return record(store, glue, request, checks, judged)


def record(
    store: Store, glue: Any, request: RunRequest, checks: list[CheckResult], judged: dict[str, str]
) -> dict[str, Any]:
    """Write the results of all checks and the verdict that follows; the verdict."""
    answer = verdict(checks, tier_of(request).critical, (check.name for check in load_checks()))
    plan = plan_of(store, request)
    reasons = [*_too_small(checks, plan["n_bricks"]), *answer.reasons]
    partition = request.layout.partition(CHECK_RESULTS.name)
    rows = [asdict(check) for check in checks]
    publish(store, partition.part(0), to_bytes(from_rows(CHECK_RESULTS, rows)))
    if glue is not None:
        catalogue.register(glue, store, [partition])
    stored = {
        "verdict": answer.verdict,
        "reasons": reasons,
        "run_id": request.run_id,
        "tier": request.tier,
        "config_hash": plan["config_hash"],
        "rows": plan["expected_rows"],
        "judged": judged,
        "checks": rows,
    }
    publish_json(store, request.layout.verdict, stored)
    return stored


def _too_small(checks: list[CheckResult], n_bricks: int) -> list[str]:
    """What to do about a NO-GO for want of rows alone: how many bricks would do, by the checks' `needs`."""
    if any(check.status == "FAIL" for check in checks):
        return []
    counts = ((check.name, re.match(r"[\d,]+", check.needs)) for check in load_checks())
    needs = {name: int(found[0].replace(",", "")) for name, found in counts if found}
    factors = [
        needs[check.name] / check.n
        for check in checks
        if check.critical
        and check.status == "INCONCLUSIVE"
        and check.n
        and check.n < needs.get(check.name, 0)
    ]
    if not factors:
        return []
    bricks = math.ceil(n_bricks * max(factors))
    return [
        f"too few rows to judge, though nothing failed: run at least {bricks} bricks; this has {n_bricks}"
    ]


def _result(athena: Any, item: dict[str, Any], critical: bool) -> CheckResult:
    if "query_execution_id" not in item:
        return result_from_error(item["name"], _cause(item.get("error", "no result")), critical)
    try:
        columns, rows = fetch(athena, item["query_execution_id"])
    except (ValueError, KeyError) as error:  # values that do not fit their declared types
        return result_from_error(item["name"], f"unreadable result: {error!r}", critical)
    return result_from_row(item["name"], columns, rows, critical)


def _cause(error: str) -> str:
    """Why a query failed: the engine's own words, out of the JSON in JSON that a Catch hands over."""
    try:
        caught = json.loads(error)
        cause = caught.get("Cause", "")
        status = json.loads(cause)["QueryExecution"]["Status"]
        return f"{caught['Error']}: {status['StateChangeReason']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return error
