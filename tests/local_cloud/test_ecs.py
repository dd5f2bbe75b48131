"""A Fargate task is a real process: its exit code counts, and a stop really ends it."""

import json
from pathlib import Path

import pytest

from tests.local_cloud.conftest import is_alive, machine, until

RETRY = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 0.05, "MaxAttempts": 2}


def test_a_task_writes_through_s3_and_its_log_is_kept(cloud, machines, run_task):
    ended = machines.run(machine(T=run_task(MODE="write", KEY="out/a.txt")))
    assert ended["status"] == "SUCCEEDED", ended
    assert cloud.object_path("tiny-data", "out/a.txt").read_bytes() == b"from the task"
    task = json.loads(ended["output"])
    assert task["Containers"][0]["ExitCode"] == 0
    assert task["LastStatus"] == "STOPPED"
    stream = f"task/job/{task['TaskArn'].rsplit('/', 1)[1]}"
    logs = cloud.client("logs").get_log_events(logGroupName="tasks", logStreamName=stream)["events"]
    assert [event["message"] for event in logs] == ["hello from write"]


def test_a_task_sees_its_image_first_and_nothing_of_the_users_configuration(cloud, machines, run_task):
    task = json.loads(machines.run(machine(T=run_task(MODE="where")))["output"])
    log = cloud.logs / "ecs" / "job" / f"{task['TaskArn'].rsplit('/', 1)[1]}.log"
    text = log.read_text()
    assert "asset.image/helper.py" in text
    assert "extra passed on" in text
    assert "profile None" in text


def test_a_non_zero_exit_code_fails_the_state_with_the_last_lines(machines, run_task):
    ended = machines.run(machine(T=run_task(MODE="exit")))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(ended["cause"])
    assert cause["Containers"][0]["ExitCode"] == 1
    assert cause["StopCode"] == "EssentialContainerExited"
    assert "boom: 3" in cause["StoppedReason"]
    assert "boom: 3" in cause["Containers"][0]["Reason"]


@pytest.mark.parametrize("code", [2, 77])
def test_the_exit_code_is_the_processs_own(machines, run_task, code):
    cause = json.loads(machines.run(machine(T=run_task(MODE="exit", CODE=code)))["cause"])
    assert cause["Containers"][0]["ExitCode"] == code


def test_an_image_that_is_no_asset_of_the_stack_cannot_start(cloud, machines, run_task):
    container = {"name": "job", "image": "public.ecr.aws/somebody/else:latest"}
    definition = cloud.client("ecs").register_task_definition(
        family="foreign", cpu="256", memory="512", containerDefinitions=[container]
    )["taskDefinition"]["taskDefinitionArn"]
    state = run_task(MODE="none")
    state["Parameters"]["TaskDefinition"] = definition
    ended = machines.run(machine(T=state))
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["StopCode"] == "TaskFailedToStart"
    assert "not an image asset of this stack" in ended["cause"]


def test_retry_of_a_sync_task_runs_it_again(machines, run_task, tmp_path):
    ended = machines.run(machine(T=run_task(MODE="flaky", MARKER=tmp_path) | {"Retry": [RETRY]}))
    assert ended["status"] == "SUCCEEDED"
    assert len(list(tmp_path.glob("try-*"))) == 3


def test_retries_end_and_catch_gets_error_and_cause(machines, run_task):
    state = run_task(MODE="exit") | {
        "Retry": [RETRY],
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "H"}],
    }
    execution = machines.start(machine(T=state, H={"Type": "Pass", "End": True}), {"kept": 1})
    output = json.loads(machines.finish(execution)["output"])
    assert output["kept"] == 1
    assert output["error"]["Error"] == "States.TaskFailed"
    assert "boom: 3" in output["error"]["Cause"]
    assert [event["type"] for event in machines.events(execution)].count("TaskFailed") == 3


@pytest.mark.parametrize(("code", "tries"), [(2, 1), (1, 4), (20, 4), (143, 4)])
def test_a_choice_tells_bad_input_by_its_exit_code(machines, run_task, code, tries):
    """The cause is compact JSON, as on AWS: what infra/constructs/states.py looks for in it is there."""
    first = run_task(MODE="exit", CODE=code) | {
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": "C"}]
    }
    rule = {"Variable": "$.failure.Cause", "StringMatches": '*"ExitCode":2,*', "Next": "F"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "A"}
    refused = {"Type": "Fail", "Error": "InputError", "CausePath": "$.failure.Cause"}
    again = run_task(MODE="exit", CODE=code) | {"Retry": [RETRY]}
    execution = machines.start(machine(T=first, C=choice, F=refused, A=again))
    ended = machines.finish(execution)
    assert ended["error"] == ("InputError" if code == 2 else "States.TaskFailed")
    assert json.loads(ended["cause"])["Containers"][0]["ExitCode"] == code
    assert [event["type"] for event in machines.events(execution)].count("TaskFailed") == tries


def _pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def test_timeout_seconds_kills_the_process_and_its_children(machines, run_task, tmp_path):
    ended = machines.run(machine(T=run_task(MODE="sleep", MARKER=tmp_path) | {"TimeoutSeconds": 1.5}))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    pids = _pids(tmp_path)
    assert len(pids) == 2
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_task_that_ignores_sigterm_is_killed_after_stop_timeout(machines, run_task, tmp_path):
    ended = machines.run(machine(T=run_task(MODE="stubborn", MARKER=tmp_path) | {"TimeoutSeconds": 1.5}))
    assert ended["error"] == "States.Timeout"
    until(lambda: not any(is_alive(pid) for pid in _pids(tmp_path)))


def test_stop_execution_kills_the_process(machines, run_task, tmp_path):
    execution = machines.start(machine(T=run_task(MODE="sleep", MARKER=tmp_path)))
    pids = until(lambda: _pids(tmp_path))
    machines.sfn.stop_execution(executionArn=execution)
    assert machines.finish(execution)["status"] == "ABORTED"
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_the_machines_own_timeout_ends_it_as_timed_out(machines, run_task, tmp_path):
    definition = machine(T=run_task(MODE="sleep", MARKER=tmp_path)) | {"TimeoutSeconds": 1.5}
    assert machines.run(definition)["status"] == "TIMED_OUT"
    until(lambda: not any(is_alive(pid) for pid in _pids(tmp_path)))


def test_a_failed_item_stops_the_other_items_processes(machines, run_task, tmp_path):
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.fail", "BooleanEquals": True, "Next": "Ready"}],
        "Default": "Sleep",
    }
    inner = machine(
        C=choice,
        Ready=run_task(MODE="fail-later", MARKER=tmp_path),
        Sleep=run_task(MODE="sleep", MARKER=tmp_path),
    )
    inner["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "End": True}
    ended = machines.run(machine(M=state), {"items": [{"fail": False}, {"fail": True}]})
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    pids = until(lambda: _pids(tmp_path))
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_no_more_tasks_run_at_once_than_there_are_slots(machines, run_task, tmp_path):
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": machine(T=run_task(MODE="overlap", MARKER=tmp_path)),
        "End": True,
    }
    assert machines.run(machine(M=state), {"items": [1, 2, 3, 4]})["status"] == "SUCCEEDED"
    seen = [int(path.read_text()) for path in tmp_path.glob("seen-*")]
    assert len(seen) == 4
    assert max(seen) <= 2


def test_stop_task_while_pending_never_starts_it(cloud, tmp_path):
    ecs = cloud.client("ecs")

    def start() -> str:
        environment = [{"name": "MODE", "value": "sleep"}, {"name": "MARKER", "value": str(tmp_path)}]
        task = ecs.run_task(
            cluster="tiny",
            taskDefinition=cloud.outputs["Task"],
            capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}],
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [cloud.outputs["Subnet"]], "securityGroups": []}
            },
            overrides={"containerOverrides": [{"name": "job", "environment": environment}]},
        )
        return task["tasks"][0]["taskArn"]

    def status(arn: str) -> str:
        return ecs.describe_tasks(cluster="tiny", tasks=[arn])["tasks"][0]["lastStatus"]

    running = [start(), start()]
    until(lambda: all(status(arn) == "RUNNING" for arn in running))
    waiting = start()
    assert status(waiting) == "PENDING"
    for arn in [waiting, *running]:
        ecs.stop_task(cluster="tiny", task=arn, reason="enough")
    until(lambda: all(status(arn) == "STOPPED" for arn in [waiting, *running]))
    task = ecs.describe_tasks(cluster="tiny", tasks=[waiting])["tasks"][0]
    assert task["stoppedReason"] == "enough"
    assert "startedAt" not in task
    ended = ecs.describe_tasks(cluster="tiny", tasks=running[:1])["tasks"][0]
    assert ended["containers"][0]["exitCode"] == 143
