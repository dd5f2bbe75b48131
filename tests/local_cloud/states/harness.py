"""Run a definition in the interpreter alone, with services that are plain Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from local_cloud.states import DefinitionError, Environment, Interpreter, Scope, check_definition

CONTEXT = {
    "Execution": {
        "Id": "arn:aws:states:local:1:execution:m:run-1",
        "Name": "run-1",
        "Input": {},
        "RoleArn": "r",
    },
    "StateMachine": {"Id": "arn:aws:states:local:1:stateMachine:m", "Name": "m"},
}


class FakeServices:
    """Tasks are functions by resource; objects are a dict."""

    def __init__(self, **tasks: Callable[[Any], Any]) -> None:
        self.tasks = tasks
        self.objects: dict[tuple[str, str], bytes] = {}
        self.calls: list[tuple[str, Any]] = []
        self.lock = threading.Lock()

    def call(self, resource: str, parameters: Any, wait: Callable[[Future], Any]) -> Any:
        with self.lock:
            self.calls.append((resource, parameters))
        if resource == "arn:never:x":
            return wait(Future())
        return self.tasks[resource.split(":")[1]](parameters)

    def read_object(self, bucket: str, key: str) -> bytes:
        return self.objects[bucket, key]

    def write_object(self, bucket: str, key: str, body: bytes) -> None:
        self.objects[bucket, key] = body


def check(definition: dict) -> None:
    def known(resource: Any, parameters: Any) -> None:
        if not str(resource).startswith("arn:"):
            raise DefinitionError(f"resource {resource!r} is not supported")

    check_definition(definition, known)


def run(definition: dict, data: Any = None, services: Any = None, **environment: Any) -> Any:
    """Check and run; retry intervals and waits take a thousandth of their time."""
    check(definition)
    surroundings = Environment(services or FakeServices(), time_scale=0.001, **environment)
    return Interpreter(surroundings).run(definition, {} if data is None else data, CONTEXT, Scope())


def machine(**states: dict) -> dict:
    """A definition that starts at the first of its states."""
    return {"StartAt": next(iter(states)), "States": states}


def value(expression: str, data: Any = None) -> Any:
    """What a Pass state makes of one expression."""
    return run(machine(P={"Type": "Pass", "Parameters": {"v.$": expression}, "End": True}), data)["v"]


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
