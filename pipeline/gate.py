"""The gate: the checks' results become the verdict, stored beside the tables that it judges."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import catalogue
from pipeline.athena import fetch
from pipeline.canaries import canaries_sql, outages
from pipeline.checks import CheckResult, load_checks, result_from_error, result_from_row, verdict
from pipeline.code_version import code_version
from pipeline.errors import GateError, InputError
from pipeline.events import RunRequest
from pipeline.manifest import plan_of, tier_of
from pipeline.parquet import from_rows, to_bytes
from pipeline.queries import checks_sql, sql_sha256
from pipeline.schema import CHECK_RESULTS
from pipeline.store import Store, publish, publish_json


@dataclass(frozen=True)
class Asked:
    """What the engine was asked of a run, by the state machine and not by storage.

    checks, canaries: {"name", "query_execution_id"} or {"name", "error"} a query; earlier_run: the run that
    `reruns` was told to compare with, or "".
    """

    checks: list[dict[str, Any]]
    canaries: list[dict[str, Any]]
    earlier_run: str


@dataclass(frozen=True)
class Answer:
    """A check's result, and the SHA-256 of the SQL that the engine answered so; None where it did not."""

    result: CheckResult
    sql_sha256: str | None = None


@dataclass(frozen=True)
class Answers:
    """What the engine says of a run, and of its canary."""

    checks: list[Answer]
    canaries: list[Answer]


def judge(
    store: Store, athena: Any, glue: Any, request: RunRequest, asked: Asked, judged: dict[str, str]
) -> dict[str, Any]:
    """Read every check's answer, write `check_results` and verdict.json; the verdict.

    A query that failed is a FAIL. judged: fingerprints of the tables from before the first query.
    InputError for a run that other code planned; GateError, and no verdict, if a canary is not refused.
    """
    plan = plan_of(store, request)
    refuse_other_code(request, plan)
    answers = answers_of(athena, request, plan, asked)
    prove([answer.result for answer in answers.canaries])
    return _record(store, glue, request, answers, judged, asked.earlier_run)


def refuse_other_code(request: RunRequest, plan: dict[str, Any]) -> None:
    """InputError for a run that other code planned: this code does not hold the SQL that judges it."""
    if plan["code_version"] != code_version():
        raise InputError(
            f"run {request.run_id}: planned by code {plan['code_version'][:8]}, and this is "
            f"{code_version()[:8]}; judge it with the code that made it, or run it again under another id"
        )


def answers_of(athena: Any, request: RunRequest, plan: dict[str, Any], asked: Asked) -> Answers:
    """What the engine says of the queries, in their order."""
    tier = tier_of(request)
    checks = checks_sql(request, plan["expected_rows"], asked.earlier_run)
    canaries = canaries_sql(request.layout, tier)

    def read(item: dict[str, Any], sql: dict[str, str]) -> Answer:
        return answer_to(athena, item, item["name"] in tier.critical, sql.get(item["name"], ""))

    return Answers([read(i, checks) for i in asked.checks], [read(i, canaries) for i in asked.canaries])


def prove(canaries: list[CheckResult]) -> None:
    """GateError unless every check has refused the canary, on the engine that judges the run."""
    if blind := outages(canaries):
        more = f"; and {len(blind) - 1} more" if len(blind) > 1 else ""
        raise GateError(f"the gate cannot fail, so it says nothing of the run: {blind[0]}{more}")


def canary_records(answers: list[Answer]) -> list[dict[str, Any]]:
    """What verdict.json keeps of the canaries' answers."""
    kept = ("name", "status", "statistic", "bound", "n")
    return [
        {**{name: getattr(one.result, name) for name in kept}, "sql_sha256": one.sql_sha256}
        for one in answers
    ]


def _record(
    store: Store, glue: Any, request: RunRequest, answers: Answers, judged: dict[str, str], earlier_run: str
) -> dict[str, Any]:
    """Write the results of all checks and the verdict that follows; the verdict."""
    checks = [answer.result for answer in answers.checks]
    answer = verdict(checks, tier_of(request).critical, (check.name for check in load_checks()))
    plan = plan_of(store, request)
    reasons = [*_too_small(checks, plan["n_bricks"]), *answer.reasons]
    rows = [
        {**asdict(one.result), "sql_sha256": one.sql_sha256, "code_version": plan["code_version"]}
        for one in answers.checks
    ]
    partition = request.layout.partition(CHECK_RESULTS.name)
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
        "earlier_run": earlier_run,
        "judged": judged,
        "checks": [asdict(check) for check in checks],
        "canaries": canary_records(answers.canaries),
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


def answer_to(athena: Any, item: dict[str, Any], critical: bool, sql: str) -> Answer:
    """What the engine says of a check's query. One that was asked anything but `sql` has failed."""
    name = item["name"]
    if "query_execution_id" not in item:
        return Answer(result_from_error(name, _cause(item.get("error", "no result")), critical))
    query = item["query_execution_id"]
    execution = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    told = sql_sha256(execution["Query"])
    if told != sql_sha256(sql):
        return Answer(
            result_from_error(name, "the engine was asked other SQL than the check's", critical), told
        )
    try:
        columns, rows = fetch(athena, query)
    except (ValueError, KeyError) as error:  # values that do not fit their declared types
        return Answer(result_from_error(name, f"unreadable result: {error!r}", critical), told)
    return Answer(result_from_row(name, columns, rows, critical), told)


def _cause(error: str) -> str:
    """Why a query failed: the engine's own words, out of the JSON in JSON that a Catch hands over."""
    try:
        caught = json.loads(error)
        cause = caught.get("Cause", "")
        status = json.loads(cause)["QueryExecution"]["Status"]
        return f"{caught['Error']}: {status['StateChangeReason']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return error
