"""States one after the other: data flow, errors, retries, Parallel, limits."""

import threading

import pytest

from local_cloud.states import StateError
from local_cloud.states.history import History
from tests.local_cloud.states.harness import FakeServices, machine, run

TASK = {"Type": "Task", "Resource": "arn:work:x", "End": True}


def failing(*errors: str) -> tuple[FakeServices, list]:
    """Services whose task raises these errors, one a call, and then succeeds."""
    left = list(errors)

    def work(parameters):
        if left:
            raise StateError(left.pop(0), "because")
        return {"done": True}

    return FakeServices(work=work), left


def test_paths_and_selectors_in_their_order():
    services = FakeServices(work=lambda parameters: {"got": parameters, "more": 1})
    state = TASK | {
        "InputPath": "$.in",
        "Parameters": {"x.$": "$.a", "y": [{"z.$": "States.MathAdd($.a, 1)"}]},
        "ResultSelector": {"kept.$": "$.got.x"},
        "ResultPath": "$.out.here",
        "OutputPath": "$.out",
    }
    assert run(machine(T=state), {"in": {"a": 1}, "out": {"old": 0}}, services) == {
        "old": 0,
        "here": {"kept": 1},
    }
    assert services.calls == [("arn:work:x", {"x": 1, "y": [{"z": 2}]})]


def test_result_path_null_discards_the_result_and_input_path_null_the_input():
    services = FakeServices(work=lambda parameters: parameters)
    assert run(machine(T=TASK | {"ResultPath": None}), {"a": 1}, services) == {"a": 1}
    assert run(machine(T=TASK | {"InputPath": None}), {"a": 1}, services) == {}


def test_a_task_without_parameters_gets_the_input():
    services = FakeServices(work=lambda parameters: parameters)
    assert run(machine(T=TASK), {"a": 1}, services) == {"a": 1}


def test_pass_wait_succeed():
    states = machine(
        P={"Type": "Pass", "Result": {"n": 1}, "ResultPath": "$.p", "Next": "W"},
        W={"Type": "Wait", "SecondsPath": "$.p.n", "Next": "S"},
        S={"Type": "Succeed", "OutputPath": "$.p"},
    )
    assert run(states) == {"n": 1}


def test_fail_with_computed_cause():
    state = {"Type": "Fail", "Error": "Blocked", "CausePath": "States.Format('no: {}', $.why)"}
    with pytest.raises(StateError) as caught:
        run(machine(F=state), {"why": "NO-GO"})
    assert (caught.value.error, caught.value.cause) == ("Blocked", "no: NO-GO")


def test_retry_until_it_works():
    services, _ = failing("Busy", "Busy")
    state = TASK | {"Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 2}]}
    assert run(machine(T=state), services=services) == {"done": True}
    assert len(services.calls) == 3


def test_each_retrier_counts_for_itself():
    services, _ = failing("A", "B", "A", "B", "A")
    state = TASK | {
        "Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["B"], "MaxAttempts": 9}]
    }
    with pytest.raises(StateError, match="A: because"):
        run(machine(T=state), services=services)
    assert len(services.calls) == 5


def test_max_attempts_zero_never_retries():
    services, _ = failing("A")
    with pytest.raises(StateError):
        run(
            machine(T=TASK | {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}]}),
            services=services,
        )
    assert len(services.calls) == 1


def test_pauses_grow_by_the_backoff_rate_up_to_the_maximum(monkeypatch):
    from local_cloud.states.scope import Scope

    pauses = []
    monkeypatch.setattr(Scope, "sleep", lambda self, seconds: pauses.append(round(seconds * 1000, 6)))
    services, _ = failing("A", "A", "A", "A")
    retry = {
        "ErrorEquals": ["A"],
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxDelaySeconds": 20,
        "MaxAttempts": 9,
    }
    run(machine(T=TASK | {"Retry": [retry]}), services=services)
    assert pauses == [2, 6, 18, 20]
    pauses.clear()
    services, _ = failing("A", "A")
    run(machine(T=TASK | {"Retry": [retry | {"JitterStrategy": "FULL"}]}), services=services)
    assert 0 <= pauses[0] < 2
    assert 0 <= pauses[1] < 6


@pytest.mark.parametrize(
    ("error", "names", "caught"),
    [
        ("A", ["A"], True),
        ("A", ["B"], False),
        ("A", ["States.ALL"], True),
        ("A", ["States.TaskFailed"], True),
        ("States.Timeout", ["States.TaskFailed"], False),
        ("States.Timeout", ["States.ALL"], True),
        ("States.Runtime", ["States.ALL"], False),
        ("States.DataLimitExceeded", ["States.ALL"], False),
        ("States.DataLimitExceeded", ["States.DataLimitExceeded"], True),
    ],
)
def test_what_a_catcher_catches(error, names, caught):
    services, _ = failing(error)
    state = TASK | {"Catch": [{"ErrorEquals": names, "ResultPath": "$.e", "Next": "H"}]}
    states = machine(T=state, H={"Type": "Pass", "End": True})
    if caught:
        assert run(states, {"k": 1}, services) == {"k": 1, "e": {"Error": error, "Cause": "because"}}
    else:
        with pytest.raises(StateError, match=error):
            run(states, {"k": 1}, services)


def test_a_task_timeout_is_an_error_that_can_be_caught():
    state = {**TASK, "Resource": "arn:never:x", "TimeoutSecondsPath": "$.limit"}
    state["Catch"] = [{"ErrorEquals": ["States.Timeout"], "Next": "H"}]
    assert (
        run(machine(T=state, H={"Type": "Pass", "End": True}), {"limit": 0.02})["Error"] == "States.Timeout"
    )


def test_parallel_branches_run_at_once_and_keep_their_order():
    together = threading.Barrier(2, timeout=10)

    def meet(parameters):
        together.wait()
        return parameters["x"]

    branches = [machine(**{name: TASK | {"Parameters": {"x": name}}}) for name in ("A", "B")]
    state = {
        "Type": "Parallel",
        "Branches": branches,
        "ResultSelector": {"first.$": "$[0]", "all.$": "$"},
        "End": True,
    }
    assert run(machine(P=state), services=FakeServices(work=meet)) == {"first": "A", "all": ["A", "B"]}


def test_a_failed_branch_stops_the_others_and_is_the_error():
    branches = [machine(A=TASK | {"Resource": "arn:never:x"}), machine(B={"Type": "Fail", "Error": "Boom"})]
    with pytest.raises(StateError, match="Boom"):
        run(machine(P={"Type": "Parallel", "Branches": branches, "End": True}))


def test_more_data_than_aws_passes_is_an_error():
    services = FakeServices(work=lambda parameters: "x" * 262_144)
    with pytest.raises(StateError) as caught:
        run(machine(T=TASK), services=services)
    assert caught.value.error == "States.DataLimitExceeded"
    assert run(machine(T=TASK), services=FakeServices(work=lambda parameters: "x" * 262_142))


def test_a_history_longer_than_aws_keeps_is_an_error():
    loop = machine(
        P={"Type": "Pass", "Next": "C"},
        C={
            "Type": "Choice",
            "Choices": [{"Variable": "$.go", "BooleanEquals": True, "Next": "P"}],
            "Default": "E",
        },
        E={"Type": "Succeed"},
    )
    history = History()
    with pytest.raises(StateError, match="25000"):
        run(loop, {"go": True}, history=history)
    assert len(history.events) == 25_000
