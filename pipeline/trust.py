"""Whether a stored verdict is to be believed: the one reader of verdict.json for whoever acts on a GO.

A verdict holds if it follows from the results that are stored beside it, if those are of this run and its
code, and if the plan and the tables are still the ones that were judged. It is no signature: who can write
every file of a folder can make one that holds together. The bucket's policy, and the engine's own record of
its queries (`confirm`), keep such a hand out of a run on AWS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.canaries import canaries_sql, outages
from pipeline.checks import CheckResult, load_checks, verdict
from pipeline.code_version import code_version
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.fingerprints import changed, fingerprints
from pipeline.gate import Answer, Asked, answers_of, canary_records, refuse_other_code
from pipeline.manifest import config_hash, tier_of
from pipeline.parquet import read
from pipeline.queries import checks_sql, sql_sha256
from pipeline.schema import CHECK_RESULTS
from pipeline.storage import RunLayout
from pipeline.store import FolderStore, RunFolder, Store, get_json

_RESULT = tuple(CheckResult.__dataclass_fields__)


@dataclass(frozen=True)
class Standing:
    """A run's stored verdict, its plan, its results, and a sentence for each reason not to believe it."""

    verdict: dict[str, Any]
    plan: dict[str, Any]
    results: tuple[Answer, ...]
    doubts: tuple[str, ...]

    @property
    def go(self) -> bool:
        return self.verdict["verdict"] == "GO" and not self.doubts


def standing(store: Store, layout: RunLayout, published: bool = False) -> Standing:
    """The run's verdict and what speaks against it. published: it must have been published, too.

    InputError where there is no verdict that could be read.
    """
    stored = get_json(store, layout.verdict)
    if not isinstance(stored, dict) or stored.get("verdict") not in ("GO", "NO-GO"):
        raise InputError(f"{store.uri(layout.verdict)}: not a verdict; run the gate again")
    doubts: list[str] = []
    rows: list[dict[str, Any]] = []
    plan: dict[str, Any] = {}
    try:
        rows = _results(store, layout)
        plan = get_json(store, layout.plan)
    except InputError as error:
        doubts.append(str(error))
    results = _answers(rows)
    questions = [_of_plan(stored, plan, layout), _of_results(stored, results, plan)]
    questions += [_of_tables(store, stored, layout), _of_sql(stored, rows, plan)]
    questions.append(_of_canaries(stored, plan))
    if published or store.exists(layout.success):
        questions.append(_of_success(store, stored, layout))
    doubts += [doubt for question in questions for doubt in _answered(question)]
    return Standing(stored, plan, results, tuple(doubts))


def _answered(question: Iterable[str]) -> list[str]:
    """The doubts that a question raises; a record that cannot answer it is one."""
    try:
        return list(question)
    except InputError as error:
        return [str(error)]
    except (KeyError, TypeError, AttributeError) as error:
        return [f"a record is not of the shape that the gate writes ({error!r})"]


def run_folder(folder: Path) -> tuple[RunFolder, RunLayout]:
    """A run's folder, whatever its name, as a store of its keys; InputError if its verdict names no run."""
    path = folder / "verdict.json"
    stored = get_json(FolderStore(folder), path.name)
    if not isinstance(stored, dict) or not all(isinstance(stored.get(k), str) for k in ("tier", "run_id")):
        raise InputError(f"{path}: names no tier and run_id; give the folder of a run that was judged")
    layout = RunLayout(stored["tier"], stored["run_id"])
    return RunFolder(folder, layout), layout


def confirmed_go(store: Store, layout: RunLayout, purpose: str, published: bool = False) -> Standing:
    """The standing of a run whose verdict is GO and holds; InputError that says why not otherwise.

    purpose: what a GO is asked for, as it stands in the message.
    """
    found = standing(store, layout, published)
    if found.verdict["verdict"] != "GO":
        raise InputError(f"run {layout.run_id}: verdict is {found.verdict['verdict']}; {purpose}")
    if found.doubts:
        more = f" (and {len(found.doubts) - 1} more)" if len(found.doubts) > 1 else ""
        raise InputError(f"run {layout.run_id}: its GO does not hold: {found.doubts[0]}{more}; {purpose}")
    return found


def confirm(athena: Any, request: RunRequest, found: Standing, asked: Asked) -> None:
    """InputError unless the engine gave the stored results to the queries of this execution and this code."""
    refuse_other_code(request, found.plan)
    answers = answers_of(athena, request, found.plan, asked)
    if canary_records(answers.canaries) != found.verdict["canaries"]:
        raise InputError(
            f"run {request.run_id}: verdict.json does not hold the engine's answers of the canaries; "
            "run the gate again under another run id"
        )
    theirs = {one.result.name: one for one in answers.checks}
    for answer in found.results:
        name = answer.result.name
        if theirs.get(name) != answer:
            said = (
                f"{theirs[name].result.status}: {theirs[name].result.message}" if name in theirs else "none"
            )
            raise InputError(
                f"run {request.run_id}: check_results does not hold the engine's answer of {name} ({said}); "
                "run the gate again under another run id"
            )


def _results(store: Store, layout: RunLayout) -> list[dict[str, Any]]:
    key = layout.partition(CHECK_RESULTS.name).part(0)
    rows: list[dict[str, Any]] = read(store.get(key), CHECK_RESULTS, store.uri(key)).to_pylist()
    return rows


def _answers(rows: list[dict[str, Any]]) -> tuple[Answer, ...]:
    return tuple(
        Answer(CheckResult(**{name: row[name] for name in _RESULT}), row["sql_sha256"]) for row in rows
    )


def _of_plan(stored: dict[str, Any], plan: dict[str, Any], layout: RunLayout) -> Iterable[str]:
    """Are verdict and plan of this run, and the plan's settings those of its request?"""
    request = RunRequest.from_event(plan["request"])
    for what, names in (("verdict.json", stored), ("plan.json", plan["request"])):
        if (names.get("tier"), names.get("run_id")) != (layout.tier, layout.run_id):
            yield f"{what} is of run {names.get('run_id')}, not of {layout.run_id}"
    if stored.get("config_hash") != plan["config_hash"]:
        yield "verdict.json and plan.json are of two configurations"
    if _same_code(plan) and config_hash(tier_of(request), request) != plan["config_hash"]:
        yield "plan.json is not what its request and this code make"


def _of_results(stored: dict[str, Any], answers: tuple[Answer, ...], plan: dict[str, Any]) -> Iterable[str]:
    """Does the verdict follow from the results, by the tier's list of critical checks?"""
    results = [answer.result for answer in answers]
    told = [{name: check.get(name) for name in _RESULT} for check in stored["checks"]]
    if told != [{name: getattr(check, name) for name in _RESULT} for check in results]:
        yield "verdict.json and the table check_results do not hold the same results"
    critical, asked = _demanded(plan, [result.name for result in results])
    ours = verdict(results, critical, asked)
    if ours.verdict != stored["verdict"]:
        yield (
            f"verdict.json says {stored['verdict']}, its results say {ours.verdict}: "
            f"{(ours.reasons or ('nothing is against it',))[0]}"
        )


def _demanded(plan: dict[str, Any], told: list[str]) -> tuple[list[str], list[str]]:
    """(critical checks, all checks) of the run: this code's, or of a run of other code what it tells."""
    if _same_code(plan):
        return list(tier_of(RunRequest.from_event(plan["request"])).critical), [c.name for c in load_checks()]
    return list(plan["tier"]["gate"]["critical"]), told


def _of_sql(stored: dict[str, Any], rows: list[dict[str, Any]], plan: dict[str, Any]) -> Iterable[str]:
    """Are the results of this run's code, and of the SQL that it holds for this run?"""
    if others := {row["code_version"] for row in rows} - {plan["code_version"]}:
        yield f"check_results is of code {min(others)[:8]}, the run of {plan['code_version'][:8]}"
    if not _same_code(plan):
        return  # this code does not hold the SQL of that one
    request = RunRequest.from_event(plan["request"])
    asked = checks_sql(request, plan["expected_rows"], stored["earlier_run"])
    for row in rows:
        unanswered = row["status"] == "FAIL" and row["sql_sha256"] is None
        if not unanswered and row["sql_sha256"] != sql_sha256(asked.get(row["name"], "")):
            yield f"{row['name']} was not answered by the SQL that this code holds for this run"


def _of_canaries(stored: dict[str, Any], plan: dict[str, Any]) -> Iterable[str]:
    """Has every check shown, by the SQL that this code holds for this run, that it can refuse?"""
    if not _same_code(plan):
        return
    request = RunRequest.from_event(plan["request"])
    asked = canaries_sql(request.layout, tier_of(request))
    told = stored["canaries"]
    for one in told:
        if one["sql_sha256"] != sql_sha256(asked.get(one["name"], "")):
            yield f"the canary of {one['name']} was not asked by the SQL that this code holds for this run"
    kept = ("name", "status", "statistic", "bound", "n")
    yield from outages(
        [CheckResult(critical=False, message="", **{name: one[name] for name in kept}) for one in told]
    )


def _same_code(plan: dict[str, Any]) -> bool:
    return bool(plan["code_version"] == code_version())


def _of_tables(store: Store, stored: dict[str, Any], layout: RunLayout) -> Iterable[str]:
    """Are the tables and the plan those that were judged?"""
    off = changed(stored["judged"], fingerprints(store, layout))
    if off:
        yield f"changed since the verdict: {', '.join(off)}"


def _of_success(store: Store, stored: dict[str, Any], layout: RunLayout) -> Iterable[str]:
    """Is `_SUCCESS.json` there, and that of this verdict?"""
    success = get_json(store, layout.success)
    if not isinstance(success, dict) or success != success_of(store, stored, layout):
        yield "_SUCCESS.json is not the one that publishing this verdict writes"


def success_of(store: Store, stored: dict[str, Any], layout: RunLayout) -> dict[str, Any]:
    """The content of `_SUCCESS.json` of a run with this verdict."""
    plan = get_json(store, layout.plan)
    success = {key: plan[key] for key in ("config_hash", "expected_rows", "n_bricks", "n_hosts")}
    own = {key: stored[key] for key in ("run_id", "tier", "verdict", "judged")}
    return {**success, **own, "verdict_sha256": hashlib.sha256(store.get(layout.verdict)).hexdigest()}
