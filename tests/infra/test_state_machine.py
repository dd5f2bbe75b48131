"""The definition: its order, its gate, its timeouts and its retries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.events import BAD_INPUT, TASK_CHUNK, TASK_PHASE, TASK_RUN

pytestmark = pytest.mark.xdist_group("infra")
FIRST_TRIES = ("PlanTask", "CacheChunk", "InjectChunk", "Closure")


def successors(state: dict[str, Any]) -> set[str]:
    """Where a state may lead: next, choices, default and catches."""
    rules = [*state.get("Choices", []), *state.get("Catch", [])]
    names = {state.get("Next"), state.get("Default"), *(rule["Next"] for rule in rules)}
    return {name for name in names if name}


def reachable(machine: dict[str, Any], start: str, without: str = "") -> set[str]:
    """The states on any path from `start` that does not pass `without`."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen and name != without:
            seen.add(name)
            todo += successors(machine["States"][name])
    return seen


def every_state(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states, those inside Maps too."""
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from every_state(state["ItemProcessor"])


@pytest.fixture
def states(definition: dict[str, Any]) -> dict[str, Any]:
    return dict(every_state(definition))


def test_closure_is_one_task_for_the_run(states: dict[str, Any]) -> None:
    closure = states["Closure"]
    assert closure["Resource"].endswith(":states:::ecs:runTask.sync")
    (override,) = closure["Parameters"]["Overrides"]["ContainerOverrides"]
    assert {entry["Name"]: entry.get("Value", entry.get("Value.$")) for entry in override["Environment"]} == {
        TASK_PHASE: "closure",
        TASK_RUN: "States.JsonToString($.plan.request)",
    }


def test_order(definition: dict[str, Any]) -> None:
    name, path = definition["StartAt"], []
    while True:
        path.append(name)
        state = definition["States"][name]
        if state["Type"] == "Choice" and name != "Gate":
            name = state["Default"]
        elif "Next" in state:
            name = state["Next"]
        else:
            break
    assert path == [
        "Plan",
        "PlanSize",
        "CacheBricks",
        "InjectBricks",
        "Closure",
        "Reconcile",
        "ListCanaries",
        "RunCanaries",
        "ListQueries",
        "RunChecks",
        "Verdict",
        "Gate",
    ]


def test_a_plan_too_large_for_the_lambda_is_made_by_a_task(states: dict[str, Any]) -> None:
    rule = {"Variable": "$.plan.planned", "BooleanEquals": False, "Next": "PlanTask"}
    assert states["PlanSize"]["Choices"] == [rule]
    task = states["PlanTask"]
    assert task["Resource"].endswith(":states:::ecs:runTask.sync")
    (override,) = task["Parameters"]["Overrides"]["ContainerOverrides"]
    assert {entry["Name"]: entry.get("Value", entry.get("Value.$")) for entry in override["Environment"]} == {
        TASK_PHASE: "plan",
        TASK_RUN: "States.JsonToString($.plan.request)",
    }
    assert (task["Next"], task["ResultPath"]) == ("ReadPlan", None)
    assert states["ReadPlan"]["Next"] == states["PlanSize"]["Default"] == "CacheBricks"
    assert states["ReadPlan"]["Resource"] == states["Plan"]["Resource"]


def test_gate_opens_for_go_alone(states: dict[str, Any]) -> None:
    gate = states["Gate"]
    assert gate["Choices"] == [
        {"Variable": "$.verdict.verdict", "StringEquals": "GO", "Next": "SelectionFunction"}
    ]
    assert gate["Default"] == "Refusal"


def test_selection_function_and_publish_are_behind_the_gate(definition: dict[str, Any]) -> None:
    guarded = {"SelectionFunction", "WriteSelection", "Publish", "Summary", "Done"}
    assert not guarded & reachable(definition, definition["StartAt"], without="Gate")
    assert reachable(definition, "Refusal") == {"Refusal", "Blocked"}
    assert reachable(definition, "SelectionFunction") == guarded


def test_both_ends_succeed_and_say_what_they_mean(states: dict[str, Any]) -> None:
    assert states["Blocked"]["Type"] == states["Done"]["Type"] == "Succeed"
    blocked, done = states["Refusal"]["Parameters"], states["Summary"]["Parameters"]
    assert (blocked["status"], blocked["verdict"]) == ("BLOCKED", "NO-GO")
    assert (done["status"], done["verdict"]) == ("PUBLISHED", "GO")
    for outcome in (blocked, done):
        assert {"reasons.$", "checks.$", "counts.$", "request.$"} <= set(outcome)


def test_no_state_hides_a_failure(states: dict[str, Any]) -> None:
    """Only a check's query may fail and be recorded; a task that fails is tried again or ends in Fail."""
    assert {name for name, state in states.items() if "Catch" in state} == {
        "RunCheck",
        "RunCanary",
        *FIRST_TRIES,
    }
    failing = {name for name, state in states.items() if state["Type"] == "Fail"}
    assert failing == {f"{name}BadInput" for name in FIRST_TRIES}


@pytest.mark.parametrize("name", FIRST_TRIES)
def test_bad_input_is_not_tried_again_and_every_other_failure_is(states: dict[str, Any], name: str) -> None:
    """The first try's failure goes by its exit code; the other tries are the same task, and end in it."""
    catch = {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": f"{name}Failure"}
    assert states[name]["Catch"] == [catch]
    assert all("States.TaskFailed" not in rule["ErrorEquals"] for rule in states[name]["Retry"])
    judge, refused, again = (states[f"{name}{what}"] for what in ("Failure", "BadInput", "Again"))
    (rule,) = judge["Choices"]
    assert (rule["Variable"], rule["Next"]) == ("$.failure.Cause", f"{name}BadInput")
    assert rule["StringMatches"] == f'*"ExitCode":{BAD_INPUT},*'
    assert judge["Default"] == f"{name}Again"
    assert (refused["Error"], refused["CausePath"]) == ("InputError", "$.failure.Cause")
    assert again["Parameters"] == states[name]["Parameters"]
    assert again.get("Next") == states[name].get("Next")
    assert again["Retry"][-1]["ErrorEquals"] == ["States.TaskFailed"]
    assert "Catch" not in again


@pytest.mark.parametrize(("bricks", "chunk", "phase"), [
    ("CacheBricks", "CacheChunk", "cache"),
    ("InjectBricks", "InjectChunk", "inject"),
])  # fmt: skip
def test_chunks_run_as_tasks_of_a_distributed_map(
    states: dict[str, Any], bricks: str, chunk: str, phase: str
) -> None:
    state = states[bricks]
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert state["ItemReader"]["Parameters"]["Key.$"] == "$.plan.chunks_key"
    assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
    assert state["ItemSelector"] == {"request.$": "$.plan.request", "chunk.$": "$$.Map.Item.Value"}
    assert state["ResultWriter"]["Parameters"]["Prefix"] == "map-results"
    assert "ToleratedFailurePercentage" not in state  # none, the default
    assert state["MaxConcurrency"] > 0
    assert state["ResultPath"] is None
    task = states[chunk]
    assert task["Resource"].endswith(":states:::ecs:runTask.sync")
    (override,) = task["Parameters"]["Overrides"]["ContainerOverrides"]
    assert {entry["Name"]: entry.get("Value", entry.get("Value.$")) for entry in override["Environment"]} == {
        TASK_PHASE: phase,
        TASK_RUN: "States.JsonToString($.request)",
        TASK_CHUNK: "States.JsonToString($.chunk)",
    }


def test_throttling_is_retried_longer_than_failure(states: dict[str, Any]) -> None:
    throttled, failed = states["InjectChunkAgain"]["Retry"]
    assert states["InjectChunk"]["Retry"] == [throttled]
    assert {"ECS.AmazonECSException", "ECS.InvalidParameterException"} <= set(throttled["ErrorEquals"])
    assert (throttled["IntervalSeconds"], throttled["BackoffRate"]) == (60, 1.1)
    assert throttled["JitterStrategy"] == "FULL"
    assert failed["ErrorEquals"] == ["States.TaskFailed"]
    assert failed["MaxAttempts"] == 1  # the state itself is the first of the two


def test_a_result_takes_the_place_of_its_sql(states: dict[str, Any]) -> None:
    """Both at once would fill a state: tests/pipeline/test_queries.py counts on it."""
    checks, canaries = states["RunChecks"], states["RunCanaries"]
    assert checks["ItemsPath"] == checks["ResultPath"] == "$.queries.checks"
    assert canaries["ItemsPath"] == canaries["ResultPath"] == "$.canaries.checks"
    for name in ("Verdict", "WriteSelection", "Publish"):
        assert states[name]["Parameters"]["asked"] == {
            "checks.$": "$.queries.checks",
            "canaries.$": "$.canaries.checks",
            "earlier_run.$": "$.queries.earlier_run",
        }
    assert states["ListCanaries"]["Resource"] == states["ListQueries"]["Resource"]
    assert states["ListCanaries"]["Parameters"]["canaries"] is True


@pytest.mark.parametrize("one", ["Check", "Canary"])
def test_a_check_that_errors_is_recorded(states: dict[str, Any], one: str) -> None:
    run = states[f"Run{one}"]
    assert run["Parameters"]["QueryString.$"] == "$.sql"
    assert run["Parameters"]["WorkGroup"] == "darkhalo"
    assert run["Parameters"]["QueryExecutionContext"] == {"Database": "darkhalo"}
    assert run["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": f"{one}Errored"}]
    assert set(states[f"{one}Errored"]["Parameters"]) == {"name.$", "error.$"}
    assert set(states[f"{one}Ran"]["Parameters"]) == {"name.$", "query_execution_id.$"}
    retried = {error for rule in run["Retry"] for error in rule["ErrorEquals"]}
    assert not retried & {"States.ALL", "States.TaskFailed"}


def test_every_task_and_the_machine_have_a_timeout(
    definition: dict[str, Any], states: dict[str, Any]
) -> None:
    assert definition["TimeoutSeconds"] > 0
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    assert len(tasks) == 19
    assert [name for name, state in tasks.items() if not state.get("TimeoutSeconds")] == []


def test_a_lambda_state_outlives_its_function(states: dict[str, Any], of_type: Any) -> None:
    timeouts = {name: f["Timeout"] for name, f in of_type("AWS::Lambda::Function").items()}
    for state in states.values():
        name = state.get("Resource", "").strip("<>").removesuffix(".Arn")
        if name in timeouts:
            assert state["TimeoutSeconds"] > timeouts[name]


def test_only_what_a_small_strict_interpreter_knows(states: dict[str, Any]) -> None:
    text = json.dumps(states)
    assert "QueryLanguage" not in text
    assert "{%" not in text
    assert "States.Format" not in text
    assert {state["Type"] for state in states.values()} == {
        "Task",
        "Map",
        "Pass",
        "Choice",
        "Succeed",
        "Fail",
    }
    flow = {"Type", "Next", "End", "Parameters", "ResultSelector", "ResultPath", "Choices", "Default"}
    task = {"Resource", "TimeoutSeconds", "Retry", "Catch"}
    maps = {"ItemsPath", "ItemProcessor", "ItemReader", "ItemSelector", "ResultWriter", "MaxConcurrency"}
    known = flow | task | maps | {"ToleratedFailurePercentage", "Label", "Error", "CausePath"}
    assert {field for state in states.values() for field in state} <= known
