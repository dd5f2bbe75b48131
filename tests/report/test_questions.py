"""The reviewer's questions are answered by what the checks found, and by nothing else."""

from __future__ import annotations

from report.folder import Check, Verdict
from report.questions import PHYSICS, USE, answers
from tests.athena_sql.synthetic import CHECKS


def verdict(word: str, **statuses: str) -> Verdict:
    checks = tuple(
        Check(name, status, True, 1.0, 2.0, 3.0, f"finding of {name}.") for name, status in statuses.items()
    )
    return Verdict(word, "r1", "debug", (), checks, 10)


def test_every_check_that_is_named_exists() -> None:
    assert set(CHECKS) >= PHYSICS | USE


def test_a_clean_run() -> None:
    physics, data, use, proceed, before = answers(
        verdict("GO", closure="PASS", nulls="PASS", leakage="PASS", controls="NOT_EXERCISED")
    )
    assert (physics.short, data.short) == ("No", "No")
    assert use.short == "Yes, as far as it was tested"
    assert proceed.short == "Yes"
    assert before.short == "1 thing"
    assert before.sentences == ("controls had no subject in this run: exercise it in the next tier.",)


def test_a_failed_run_says_what_was_found_and_what_to_do() -> None:
    physics, data, use, proceed, before = answers(
        verdict(
            "NO-GO", closure="FAIL", nulls="PASS", leakage="FAIL", realism="WARN", maskbits="INCONCLUSIVE"
        )
    )
    assert physics.short == "Yes"
    assert physics.sentences[0] == "closure: finding of closure."
    assert data.short == "No, as far as it was tested"
    assert (use.short, proceed.short, before.short) == ("No", "No", "4 things")
    assert CHECKS["closure"].on_failure in before.sentences[0]
    assert any("it needs 30 hosts" in sentence for sentence in before.sentences)


def test_nothing_asked_is_not_known() -> None:
    physics, *_ = answers(verdict("NO-GO"))
    assert (physics.short, physics.sentences) == ("Not known", ("No check of this run asks it.",))
