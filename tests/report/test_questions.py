"""The reviewer's questions are answered by what the checks found, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from report.folder import Check, Verdict
from report.questions import PHYSICS, USE, answers
from report.words import check_rows
from tests.athena_sql.synthetic import CHECKS

WHOLE: dict[str, Any] = {"request": {"tier": "debug"}}


def verdict(word: str, tier: str = "debug", **statuses: str) -> Verdict:
    checks = tuple(
        Check(name, status, True, 1.0, 2.0, 3.0, f"finding of {name}.") for name, status in statuses.items()
    )
    return Verdict(word, "r1", tier, (), checks, 10)


def test_every_check_that_is_named_exists() -> None:
    assert set(CHECKS) >= PHYSICS | USE


def test_a_clean_run() -> None:
    physics, data, use, proceed, before = answers(
        verdict("GO", closure="PASS", nulls="PASS", leakage="PASS", controls="NOT_EXERCISED"), WHOLE
    )
    assert (physics.short, data.short) == ("No", "No")
    assert use.short == "Not yet"
    assert use.sentences[0] == "controls (not exercised): finding of controls."
    assert proceed.short == "Yes"
    assert before.short == "1 thing"
    assert before.sentences == ("controls had no subject in this run: exercise it in the next tier.",)


def test_a_failed_run_says_what_was_found_and_what_to_do() -> None:
    physics, data, use, proceed, before = answers(
        verdict(
            "NO-GO", closure="FAIL", nulls="PASS", leakage="FAIL", realism="WARN", maskbits="INCONCLUSIVE"
        ),
        WHOLE,
    )
    assert physics.short == "Yes"
    assert physics.sentences[0] == "closure: finding of closure."
    assert data.short == "No, as far as it was tested"
    assert (use.short, proceed.short, before.short) == ("No", "No", "4 things")
    assert CHECKS["closure"].on_failure in before.sentences[0]
    assert any("it needs 30 hosts" in sentence for sentence in before.sentences)


def test_nothing_asked_is_not_known() -> None:
    physics, *_ = answers(verdict("NO-GO"), WHOLE)
    assert (physics.short, physics.sentences) == ("Not known", ("No check of this run asks it.",))


@pytest.mark.parametrize("status", ["WARN", "NOT_EXERCISED", "INCONCLUSIVE"])
def test_what_is_open_keeps_a_network_from_being_trained_on_it(status: str) -> None:
    use = answers(verdict("GO", leakage="PASS", split_balance="PASS", realism=status), WHOLE)[2]
    assert use.short == "Not yet"
    assert use.sentences[0].endswith("finding of realism.")
    assert answers(verdict("GO", leakage="PASS", realism="PASS"), WHOLE)[2].short == "Yes"


def test_a_warning_is_to_be_looked_at_even_if_nothing_else_was_tested() -> None:
    physics, *_ = answers(verdict("GO", magnification_tail="WARN"), WHOLE)
    assert physics.short == "To be looked at"


@pytest.mark.parametrize("tier", ["debug", "pilot"])
def test_a_go_of_fewer_bricks_does_not_count(tier: str) -> None:
    cut: dict[str, Any] = {"request": {"tier": tier, "n_bricks": 56}}
    proceed = answers(verdict("GO", tier, closure="PASS"), cut)[3]
    assert proceed.short == "Not yet"
    assert "cut to 56 bricks: its tables may be used, but its GO does not count" in proceed.sentences[0]
    assert answers(verdict("GO", tier, closure="PASS"), WHOLE)[3].short == "Yes"
    assert answers(verdict("NO-GO", tier, closure="FAIL"), cut)[3].short == "No"


@pytest.mark.parametrize(("status", "told"), [("FAIL", True), ("WARN", True), ("PASS", False)])
def test_a_failure_and_a_warning_say_what_to_do(status: str, told: bool) -> None:
    (row,) = check_rows(verdict("GO", realism=status))
    assert row.mend == (CHECKS["realism"].on_failure if told else "")
