"""Every check refuses the canary, for the defect planted for it and for no other reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline import canaries, sick_rows
from pipeline.canaries import REFUSALS, canaries_sql, outages, write_canary
from pipeline.checks import CheckResult, load_checks, result_from_row
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.queries import checks_sql
from pipeline.storage import RunLayout
from pipeline.store import FolderStore
from pipeline.tier import load_tier

LAYOUT = RunLayout("debug", "a-run")
CHECKS = [check.name for check in load_checks()]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], CheckResult]:
    """What the canary of a tier says, by (defect, check): "all", "none" or the check's own alone."""
    engines: dict[str, Engine] = {}

    def engine(planted: str) -> Engine:
        if planted not in engines:
            root = tmp_path_factory.mktemp(planted)
            with pytest.MonkeyPatch.context() as patch:
                if planted != "all":
                    patch.setattr(canaries, "sick", lambda: planted_alone(planted))
                write_canary(FolderStore(root), LAYOUT)
            engines[planted] = Engine(FolderCatalogue(root / LAYOUT.prefix / "canary"))
        return engines[planted]

    def asked(planted: str, name: str, tier: str = "debug", sql: str = "") -> CheckResult:
        return ask(engine(planted), name, sql or canaries_sql(LAYOUT, load_tier(tier))[name])

    return asked


def ask(engine: Engine, name: str, sql: str) -> CheckResult:
    result = engine.execute(sql)
    return result_from_row(name, [column for column, _ in result.columns], result.rows, False)


def planted_alone(name: str) -> sick_rows.Tables:
    tables = sick_rows.healthy()
    sick_rows.DEFECTS.get(name, lambda _: None)(tables)
    return tables


def test_every_check_has_a_defect() -> None:
    assert sorted(sick_rows.DEFECTS) == sorted(CHECKS)


def test_every_check_refuses_the_canary(asked: Callable[..., CheckResult]) -> None:
    assert outages([asked("all", name) for name in CHECKS]) == []


@pytest.mark.parametrize("name", ["prior", "split_fractions", "leakage", "closure", "controls"])
def test_so_it_is_by_the_settings_of_another_tier(asked: Callable[..., CheckResult], name: str) -> None:
    """debug has a grid and splits of equal size; pilot a prior, controls, and splits dealt by hash."""
    assert asked("all", name, "pilot").status == "FAIL"


@pytest.mark.parametrize("name", CHECKS)
def test_it_is_its_own_defect_that_a_check_refuses(asked: Callable[..., CheckResult], name: str) -> None:
    assert asked(name, name).status == REFUSALS.get(name, "FAIL")


@pytest.mark.parametrize("name", ["nulls", "ranges", "stamp_hashes", "success_rate"])
def test_without_its_defect_a_check_is_content(asked: Callable[..., CheckResult], name: str) -> None:
    """Those that tests/athena_sql/test_bounds.py does not ask within their bound."""
    assert asked("none", name).status == "PASS"


def test_a_canary_is_asked_by_the_checks_own_sql() -> None:
    """But for names of tier and run, the number of rows, and `schema`'s column too many."""
    own = checks_sql(RunRequest("debug", "a-run", "h", "s"), sick_rows.N_ROWS, "a-run")
    for name, sql in canaries_sql(LAYOUT, load_tier("debug")).items():
        asked = sql.replace(",\n    ('metrics', 'canary', 'varchar')", "")
        assert asked.replace("tier = 'canary'", "tier = 'debug'") == own[name]


CONSTANT = "SELECT 'PASS' AS status, 0e0 AS statistic, 1e0 AS bound, 5 AS n, 'fine.' AS message"


def test_a_check_that_became_a_constant_is_an_outage(asked: Callable[..., CheckResult]) -> None:
    result = asked("all", "nulls", sql=CONSTANT)
    assert "nulls says PASS (fine.) of a canary that it must refuse" in outages([result])


@pytest.mark.parametrize("table", ["manifest", "metrics", "stamps", "closure"])
def test_a_canary_table_that_is_missing_is_an_outage(tmp_path: Path, table: str) -> None:
    """Some check has nothing to refuse: the first of them is asked here."""
    write_canary(FolderStore(tmp_path), LAYOUT)
    folder = tmp_path / LAYOUT.prefix / "canary"
    shutil.rmtree(folder / table)
    first = {"manifest": "controls", "metrics": "nulls", "stamps": "reruns", "closure": "closure"}[table]
    result = ask(Engine(FolderCatalogue(folder)), first, canaries_sql(LAYOUT, load_tier("debug"))[first])
    assert any(one.startswith(f"{first} says") for one in outages([result]))


def test_the_name_of_the_canary_is_no_tiers() -> None:
    with pytest.raises(InputError, match="tier name 'canary': is that of the gate's own rows; give another"):
        replace(load_tier("debug"), name="canary")
