"""train starts after a GO of debug and of pilot, with the same code and settings; never otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.code_version import CODE_VERSION, code_hash, code_version
from pipeline.errors import InputError
from pipeline.events import RunRequest
from pipeline.manifest import config_hash, plan_of, plan_or_defer, plan_run, tier_of
from pipeline.prerequisites import earlier_run, require_go
from pipeline.settings import HostChoice
from pipeline.store import publish_json
from pipeline.tier import load_tier
from tests.pipeline.conftest import make_hosts, store_hosts
from tests.pipeline.judged_run import judge_as
from tests.pipeline.test_manifest import PILOT

TRAIN = load_tier("train")


def go(store, tier, n_bricks=None, verdict="GO", run_id=None) -> None:
    """Judge and publish a run as the state machine does, from its plan.json; its tables are empty."""
    settings = json.dumps(tier.settings())
    request = RunRequest(
        tier.name, run_id or f"run-{tier.name}", "hosts/x", "file:///sky", n_bricks, settings=settings
    )
    plan = {
        "request": request.to_event(),
        "config_hash": config_hash(tier_of(request), request),
        "code_version": code_version(),
        "expected_rows": 1,
        "n_bricks": 1,
        "n_hosts": 1,
    }
    publish_json(store, request.layout.plan, plan)
    judge_as(store, request, nulls="PASS" if verdict == "GO" else "FAIL").publish(store)


def test_a_go_of_both_lets_train_start(store):
    go(store, load_tier("debug"))
    go(store, load_tier("pilot"))
    require_go(store, TRAIN)


def test_without_a_go_the_tier_that_lacks_one_is_named(store):
    with pytest.raises(
        InputError, match="train needs a GO of debug .* there is none: run debug whole, first"
    ):
        require_go(store, TRAIN)
    go(store, load_tier("debug"))
    with pytest.raises(InputError, match="train needs a GO of pilot .* there is none"):
        require_go(store, TRAIN)


def test_a_run_of_fewer_bricks_does_not_count(store):
    go(store, load_tier("debug"))
    go(store, load_tier("pilot"), n_bricks=30)
    with pytest.raises(InputError, match="needs a GO of pilot"):
        require_go(store, TRAIN)


def test_a_no_go_leaves_no_record(store):
    with pytest.raises(InputError, match="only a GO is published"):
        go(store, load_tier("debug"), verdict="NO-GO")
    assert not list(store.list("go/"))


@pytest.mark.parametrize(
    "other",
    [
        replace(load_tier("pilot"), n_pix=101),
        replace(load_tier("pilot"), hosts=HostChoice(per_brick=18, injections_per_host=1)),
        replace(load_tier("pilot"), psf=replace(load_tier("pilot").psf, beta=3.0)),
    ],
)
def test_a_go_with_other_settings_does_not_count(store, other):
    go(store, load_tier("debug"))
    go(store, other)
    with pytest.raises(InputError, match="those there are have other settings"):
        require_go(store, TRAIN)
    go(store, load_tier("pilot"), run_id="another")  # one that fits is enough, whatever else there is
    require_go(store, TRAIN)


def test_a_go_of_other_code_does_not_count(store, monkeypatch):
    go(store, load_tier("debug"))
    go(store, load_tier("pilot"))
    monkeypatch.setenv(CODE_VERSION, "f" * 64)
    with pytest.raises(InputError, match=r"needs a GO of debug with this code \(ffffffff\)"):
        require_go(store, TRAIN)


def test_the_code_version_follows_every_source_that_makes_or_judges_rows(tmp_path):
    for name in (
        "physics/lens.py",
        "closure/rays.py",
        "athena_sql/checks/a.sql",
        "survey/a.py",
        "report/page.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("one\n")
    hashes = [code_hash(tmp_path)]
    changes = (
        "physics/lens.py",
        "closure/rays.py",
        "athena_sql/checks/a.sql",
        "survey/new.py",
        "report/page.py",
    )
    for name in changes:
        (tmp_path / name).write_text("two\n")
        code_hash.cache_clear()
        hashes.append(code_hash(tmp_path))
    assert len(set(hashes[:5])) == 5
    assert hashes[4] == hashes[5]


def test_tier_hosts_and_code_are_in_the_configuration(monkeypatch):
    request = RunRequest("pilot", "r", "hosts/1.parquet", "s")
    hashes = {config_hash(PILOT, request), config_hash(replace(PILOT, seed=18), request)}
    hashes.add(config_hash(PILOT, replace(request, hosts_key="hosts/2.parquet")))
    monkeypatch.setenv(CODE_VERSION, "f" * 64)
    hashes.add(config_hash(PILOT, request))
    assert len(hashes) == 4


def user_request(store, tier) -> RunRequest:
    return RunRequest(
        tier.name, "r", store_hosts(store, make_hosts()), "s", settings=json.dumps(tier.settings())
    )


def test_the_lambda_plans_a_small_run_itself(store):
    request = user_request(store, replace(PILOT, name="mine"))
    answer = plan_or_defer(store, request)
    assert answer["planned"] is True
    assert answer["expected_rows"] == 720
    assert tier_of(request) == replace(PILOT, name="mine")


def test_a_large_run_is_left_to_the_task_and_then_read(store, monkeypatch):
    monkeypatch.setattr("pipeline.manifest.FUNCTION_ROWS", 100)
    request = user_request(store, replace(PILOT, name="mine"))
    assert plan_or_defer(store, request) == {"planned": False, "request": request.to_event()}
    assert not list(store.list("runs/"))
    plan_run(store, request)
    answer = plan_or_defer(store, request)
    assert answer["planned"] is True
    assert answer["n_chunks"] == plan_of(store, request)["n_chunks"]


def test_the_lambda_refuses_train_before_it_reads_a_host(store):
    with pytest.raises(InputError, match="train needs a GO of debug"):
        plan_or_defer(store, RunRequest("train", "r", "hosts/none.parquet", "s"))


def test_the_earlier_run_is_one_of_the_same_configuration(store):
    debug = load_tier("debug")
    same = config_hash(debug, request_of("run-now", debug))
    assert earlier_run(store, request_of("run-now", debug), plan(same)) == ""
    for run_id in ("run-a", "run-b", "run-now"):
        go(store, debug, run_id=run_id)
    assert earlier_run(store, request_of("run-now", debug), plan(same)) == "run-b"
    assert earlier_run(store, request_of("run-now", debug), plan("d")) == ""
    assert earlier_run(store, request_of("run-now", load_tier("pilot")), plan(same)) == ""


def plan(config_hash: str) -> dict:
    return {"config_hash": config_hash, "code_version": code_version()}


def request_of(run_id: str, tier) -> RunRequest:
    return RunRequest(tier.name, run_id, "hosts/x", "file:///sky", None)
