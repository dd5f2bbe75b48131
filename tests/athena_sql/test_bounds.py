"""Every bound at 0.9 and at 1.1 of it: a bound that is moved by a tenth, let alone doubled, is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline import canaries
from pipeline.checks import CheckResult, load_checks, render, result_from_row
from pipeline.promises import promises
from pipeline.sick_rows import healthy
from pipeline.storage import RunLayout
from pipeline.store import FolderStore
from pipeline.tier import load_tier
from tests.athena_sql.bounds import BOUNDS, Bound

LAYOUT = RunLayout("canary", "a-run")
CHECKS = {check.name: check for check in load_checks()}
# Their bounds are counts of 0, whatever the tier.
EXACT = {"nulls", "ranges", "reruns", "schema", "stamp_hashes"}


def judged(folder: Path, monkeypatch: pytest.MonkeyPatch, bound: Bound, f: float) -> CheckResult:
    """The check's answer to a defect of f times its bound."""
    tables = healthy()
    bound.knob(tables, f)
    monkeypatch.setattr(canaries, "sick", lambda: tables)
    canaries.write_canary(FolderStore(folder), LAYOUT)
    promised = promises(load_tier(bound.tier)) | bound.promised(f)
    engine = Engine(FolderCatalogue(folder / LAYOUT.prefix / "canary"))
    result = engine.execute(render(CHECKS[bound.check], LAYOUT, len(tables["manifest"]), promised))
    return result_from_row(bound.check, [name for name, _ in result.columns], result.rows, False)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda one: f"{one.check}: {one.name}")
def test_a_check_refuses_beyond_its_bound_and_not_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: Bound
) -> None:
    within, beyond = (1.1, 0.9) if bound.below else (0.9, 1.1)
    inside = judged(tmp_path / "within", monkeypatch, bound, within)
    outside = judged(tmp_path / "beyond", monkeypatch, bound, beyond)
    assert inside.status not in ("FAIL", bound.refusal), inside.message
    assert outside.status == bound.refusal, outside.message


def test_every_check_with_a_bound_is_in_the_table() -> None:
    assert {bound.check for bound in BOUNDS} == set(CHECKS) - EXACT
