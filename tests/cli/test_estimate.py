"""`darkhalo estimate`: what a tier costs, from its settings alone."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.main import darkhalo as command
from pipeline import cost
from tests.cli.conftest import darkhalo


def told(*arguments: object) -> dict:
    answer = darkhalo("estimate", *arguments, "--json")
    assert answer.code == 0, answer.err
    return answer.json


def test_train_is_what_its_settings_multiply_to() -> None:
    train = told("train")
    assert (train["rows"], train["bricks"]) == (10_080_000, 280_000)
    seconds = 280_000 * (cost.BRICK_SECONDS + cost.CACHE_BRICK_SECONDS) + 10_080_000 * cost.ROW_SECONDS
    starts = train["tasks"] * cost.START_SECONDS
    assert train["task_hours"] == pytest.approx((seconds + starts) / 3600, rel=1e-3)
    assert 280_000 / (120 / (cost.BRICK_SECONDS + 36 * cost.ROW_SECONDS)) < train["tasks"] / 2 < 9_000
    assert train["dollars_total"] == pytest.approx(sum(train["dollars"].values()), abs=0.05)


def test_more_at_once_takes_less_time_and_the_same_work() -> None:
    few, many = told("train", "--vcpu", 6), told("train", "--vcpu", 600)
    assert few["task_hours"] == many["task_hours"]
    assert few["hours"] > 30 * many["hours"]


def test_bricks_and_rows_are_taken_and_a_rich_brick_is_divided() -> None:
    assert told("pilot", "--bricks", 70)["rows"] == 70 * 36
    rich = told("debug", "--bricks", 3, "--rows", 300_000)
    assert rich["rows"] == 300_000
    assert rich["tasks"] / 2 * 20 > 300_000 * cost.ROW_SECONDS


def test_the_lines_are_printed() -> None:
    out = CliRunner().invoke(command, ["estimate", "pilot"], standalone_mode=False).output
    assert "pilot: 25,200 rows in 700 bricks" in out
    assert "$ fargate" in out
    assert "GB of stamps" in out
    assert "MB of manifest" in out


def test_keeping_the_tables_costs_the_list_price_of_s3() -> None:
    """0.023 $ a GB and month of Standard storage."""
    train = told("train")
    assert train["dollars_a_month"] == pytest.approx(0.023e-9 * sum(train["bytes"].values()), abs=0.005)


def test_an_unknown_tier_is_refused() -> None:
    answer = darkhalo("estimate", "nothing")
    assert answer.code == 2
    assert "unknown tier 'nothing'" in answer.err
