"""A handful of the zoo's bugs, and a clean run: `python -m benchmarks.bug_zoo` plants them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bug_zoo import code_bugs, table_bugs
from benchmarks.bug_zoo.page import page
from benchmarks.bug_zoo.world import Tables, World, judge, judge_again, read_tables, stopped_by, write_tables

BRICKS = 3
CODE = {name: patch for _, name, patch in code_bugs.BUGS}
TABLES = {name: change for _, name, change, controls in table_bugs.BUGS if not controls}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.make(tmp_path_factory.mktemp("world"), BRICKS)


@pytest.fixture(scope="module")
def clean(world: World) -> Path:
    return world.run("clean", BRICKS)


@pytest.fixture(scope="module")
def tables(clean: Path) -> Tables:
    return read_tables(clean)


def test_there_are_enough_bugs_of_every_family() -> None:
    families = [family for family, *_ in (*code_bugs.BUGS, *table_bugs.BUGS)]
    assert len(families) >= 45
    assert set(families) == {
        "physics", "units", "geometry", "data", "splits", "controls", "masks", "noise", "storage",
    }  # fmt: skip
    names = [name for _, name, *_ in (*code_bugs.BUGS, *table_bugs.BUGS)]
    assert len(set(names)) == len(names)


def test_a_bug_in_code_that_nobody_calls_is_an_error() -> None:
    with pytest.raises(code_bugs.NotPlantedError, match="flagged was never called"), CODE["bits inverted"]():
        pass


def test_a_rerun_gives_the_same_bytes_and_a_clock_does_not(world: World, clean: Path, tmp_path: Path) -> None:
    ((_, _, seeded_by_the_clock),) = code_bugs.RERUN_BUGS
    assert judge_again(tmp_path / "a", clean, world.run("again", BRICKS))["checks"][0]["status"] == "PASS"
    with seeded_by_the_clock():
        other = world.run("other", BRICKS)
    assert stopped_by(judge_again(tmp_path / "b", clean, other)) == ["reruns"]


def test_the_page_counts_what_was_stopped() -> None:
    zoo = [
        {"family": "none", "bug": "no bug", "stopped_by": [], "rows": 5},
        {"family": "units", "bug": "x10", "stopped_by": ["closure"], "rows": 1000},
        {"family": "data", "bug": "lost", "stopped_by": [], "rows": 1000},
    ]
    run = {"seed": 1, "rows": 7, "stopped_by": [], "messages": {}, "checks": {"prior": ["PASS", 0.5, 3.0]}}
    text = page(zoo, [run] * 60)
    assert "**1 of 2 bugs stopped.** Got through: lost." in text
    assert "| closure | 1 | 1 |" in text
    assert "**0 of 60 were stopped**, so fewer than 4.9% are (95 %)" in text
    assert "| prior | 0.5 | 3 | 60 PASS |" in text


def test_a_clean_run_goes_through(clean: Path) -> None:
    judged = judge(clean)
    assert (judged["verdict"], stopped_by(judged)) == ("GO", [])


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("one band scaled by 2 %", "flux_identity"),
        ("a host in two splits", "leakage"),
        ("a write that stopped half-way", "success_rate"),
        ("no closure table", "closure"),
        ("a column missing", "schema"),
    ],
)
def test_a_bug_in_the_tables_is_stopped(tables: Tables, tmp_path: Path, name: str, check: str) -> None:
    judged = judge(write_tables(tmp_path, TABLES[name](tables)))
    assert judged["verdict"] == "NO-GO"
    assert check in stopped_by(judged)


def test_a_bug_in_the_physics_is_stopped_by_closure_alone(world: World) -> None:
    """Shear of 0.03 dropped: 1.7 % of an arc's shape in half of the rows, and nothing that records it."""
    with CODE["shear dropped"]():
        judged = judge(world.run("shear", BRICKS))
    assert stopped_by(judged) == ["closure"]
