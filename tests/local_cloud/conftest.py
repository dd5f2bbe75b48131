"""A deployed cloud for the tests of a file, and helpers to run a state machine in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local_cloud import LocalCloud
from tests.local_cloud.assembly import STACK, write_assembly


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assembly(tmp_path_factory.mktemp("assembly"))


# A module's own: a cloud replaces moto's backends in this process, where other tests use moto as it is.
@pytest.fixture(scope="module")
def cloud(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    storage = tmp_path_factory.mktemp("storage")
    with LocalCloud(assembly, STACK, storage, environment={"EXTRA": "passed on"}, task_slots=2) as running:
        yield running


class Machines:
    """Creates and runs state machines in a cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.sfn = cloud.client("stepfunctions")

    def create(self, definition: dict) -> str:
        arn = self.sfn.create_state_machine(
            name=f"m-{uuid4()}", definition=json.dumps(definition), roleArn=self.cloud.outputs["RoleArn"]
        )
        return arn["stateMachineArn"]

    def start(self, definition: dict, data: Any = None) -> str:
        arn = self.create(definition)
        return self.sfn.start_execution(stateMachineArn=arn, input=json.dumps(data or {}))["executionArn"]

    def finish(self, execution: str, seconds: float = 30) -> dict:
        def ended() -> dict | None:
            described = self.sfn.describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        return until(ended, seconds)

    def run(self, definition: dict, data: Any = None, seconds: float = 30) -> dict:
        return self.finish(self.start(definition, data), seconds)

    def events(self, execution: str) -> list[dict]:
        return self.sfn.get_execution_history(executionArn=execution)["events"]


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What `condition` gives, as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{condition} gave nothing within {seconds} s")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def machines(cloud: LocalCloud) -> Machines:
    return Machines(cloud)


@pytest.fixture
def run_task(cloud: LocalCloud) -> Callable[..., dict]:
    """A Task state that runs the assembly's image with the given environment."""

    def state(**environment: Any) -> dict:
        variables = [{"Name": key, "Value": str(value)} for key, value in environment.items()]
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::ecs:runTask.sync",
            "Parameters": {
                "Cluster": "tiny",
                "TaskDefinition": cloud.outputs["Task"],
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [cloud.outputs["Subnet"]]}},
                "Overrides": {"ContainerOverrides": [{"Name": "job", "Environment": variables}]},
            },
            "End": True,
        }

    return state


def machine(**states: dict) -> dict:
    """A definition that starts at the first of its states."""
    return {"StartAt": next(iter(states)), "States": states}
