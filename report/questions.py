"""The four questions of a reviewer, answered in sentences made from the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from report.folder import Check, Verdict
from report.words import STATUS_WORDS, cut_to, description, next_step, plural

PHYSICS = frozenset(
    {"closure", "magnification", "flux_theta_e", "flux_identity", "source_flux", "source_positions"}
    | {"brick_outliers", "snr_depth", "closure_snr", "magnification_tail"}
)
#: A check that is in none of the lists counts among the data.
USE = frozenset(
    {
        "leakage",
        "split_balance",
        "split_fractions",
        "coverage",
        "controls",
        "control_match",
        "realism",
        "prior",
    }
)


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a word or two, and the sentences behind it."""

    question: str
    short: str
    sentences: tuple[str, ...]


def answers(verdict: Verdict, plan: dict[str, Any]) -> tuple[Answer, ...]:
    """In the order in which a reviewer asks."""
    physics = [check for check in verdict.checks if check.name in PHYSICS]
    use = [check for check in verdict.checks if check.name in USE]
    data = [check for check in verdict.checks if check.name not in PHYSICS | USE]
    return (
        _of("Are there red flags in the physics?", physics),
        _of("Are there concerns about the quality of the data?", data),
        _of("Can a network be trained on it, and a selection function trusted?", use),
        _proceed(verdict, plan),
        _before(verdict),
    )


def _of(question: str, checks: list[Check]) -> Answer:
    """No, if all passed; yes, with the findings, if one failed; else what is not known.

    Where yes is the good answer, what is open is a reason against it.
    """
    failed = [check for check in checks if check.status == "FAIL"]
    open_ = [check for check in checks if check.status not in ("FAIL", "PASS")]
    passed = [check for check in checks if check.status == "PASS"]
    positive = question.startswith("Can")
    warned = any(check.status == "WARN" for check in open_)
    if failed:
        short = "No" if positive else "Yes"
    elif not passed and not warned:
        short = "Not known"
    elif positive:
        short = "Not yet" if open_ else "Yes"
    else:
        short = "To be looked at" if warned else "No" + (", as far as it was tested" if open_ else "")
    found = [f"{check.name}: {check.message}" for check in failed]
    names = ", ".join(check.name for check in passed)
    good = [f"{plural(len(passed), 'check')} passed: {names}."] if passed else []
    unknown = [f"{check.name} ({STATUS_WORDS[check.status]}): {check.message}" for check in open_]
    said = (*found, *unknown, *good) if positive or warned else (*found, *good, *unknown)
    return Answer(question, short, said or ("No check of this run asks it.",))


def _proceed(verdict: Verdict, plan: dict[str, Any]) -> Answer:
    go = "Yes" if cut_to(plan) is None else "Not yet"
    return Answer("Proceed to the next tier?", go if verdict.go else "No", (next_step(verdict, plan),))


def _before(verdict: Verdict) -> Answer:
    """What every check that is no pass asks for: mending where it failed, more where it is open."""
    todo = []
    for check in verdict.checks:
        told = description(check.name)
        if check.status == "FAIL":
            todo.append(f"{check.name}: {told.get('on failure', check.message)}")
        elif check.status == "WARN":
            todo.append(f"{check.name}, a warning: {told.get('on failure', check.message)}")
        elif check.status == "INCONCLUSIVE":
            todo.append(f"{check.name} saw too little; it needs {told.get('needs', 'more rows')}")
        elif check.status == "NOT_EXERCISED":
            todo.append(f"{check.name} had no subject in this run: exercise it in the next tier.")
    short = plural(len(todo), "thing") if todo else "Nothing"
    return Answer("What should be checked before?", short, tuple(todo) or ("Every check passed.",))
