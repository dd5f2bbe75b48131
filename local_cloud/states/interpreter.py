"""Run a checked definition, state by state."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from local_cloud.states import maps, parallel
from local_cloud.states.choice import holds, timestamp
from local_cloud.states.errors import StateError, matches
from local_cloud.states.history import History, now
from local_cloud.states.paths import read_path, write_path
from local_cloud.states.scope import Scope
from local_cloud.states.templates import fill, option

PAYLOAD_LIMIT = 262_144
"""Bytes a state's input or output may have on AWS."""


class Services(Protocol):
    """The outside world of a state machine."""

    def call(self, resource: str, parameters: Any, wait: Callable[[Future], Any]) -> Any:
        """Run a Task; end what was started when `wait` raises. Failures are StateErrors."""

    def read_object(self, bucket: str, key: str) -> bytes:
        """An S3 object's bytes."""

    def write_object(self, bucket: str, key: str, body: bytes) -> None:
        """Write an S3 object."""


@dataclass
class Environment:
    """What all states of an execution share."""

    services: Services
    history: History = field(default_factory=History)
    map_runs: dict[str, Callable[[], dict]] = field(default_factory=dict)
    max_children: int = 8
    """Items of a Map that run at once on this machine, whatever MaxConcurrency allows."""
    time_scale: float = 1.0
    """Factor on waits and retry intervals; tests shorten them."""


@dataclass
class Call:
    """One state with its input: what every state type needs to do its work."""

    name: str
    state: dict
    data: Any
    context: dict
    scope: Scope
    environment: Environment

    def fill(self, template: Any) -> Any:
        return fill(template, self.data, self.context)

    def option(self, name: str, default: Any = None) -> Any:
        return option(self.state, name, self.data, self.context, default)


def check_size(value: Any) -> str:
    """`value` as JSON text; States.DataLimitExceeded when it is larger than AWS passes between states."""
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > PAYLOAD_LIMIT:  # json.dumps gives ASCII: characters are bytes
        message = (
            f"{len(text):,} bytes of data; Step Functions passes at most {PAYLOAD_LIMIT:,} between states."
        )
        raise StateError("States.DataLimitExceeded", message)
    return text


class Interpreter:
    """Runs machines, and the machines inside their Map and Parallel states."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def run(self, machine: dict, data: Any, context: dict, scope: Scope) -> Any:
        """Run from StartAt to an end state and return the output."""
        name: str | None = machine["StartAt"]
        while name is not None:
            scope.check()
            state = machine["States"][name]
            kind = state["Type"]
            record = self.environment.history.record
            record(f"{kind}StateEntered", "stateEnteredEventDetails", name=name, input=check_size(data))
            entered = {"Name": name, "EnteredTime": now(), "RetryCount": 0}
            data, following = self._run_state(name, state, data, {**context, "State": entered}, scope)
            record(f"{kind}StateExited", "stateExitedEventDetails", name=name, output=check_size(data))
            name = following
        return data

    def _run_state(
        self, name: str, state: dict, raw: Any, context: dict, scope: Scope
    ) -> tuple[Any, str | None]:
        attempts: dict[int, int] = {}
        while True:
            try:
                return self._attempt(name, state, raw, context, scope)
            except StateError as error:
                pause = _retry_pause(state, error, attempts)
                if pause is None:
                    return _catch(state, raw, error)
                context["State"]["RetryCount"] += 1
                scope.sleep(pause * self.environment.time_scale)

    def _attempt(
        self, name: str, state: dict, raw: Any, context: dict, scope: Scope
    ) -> tuple[Any, str | None]:
        data = _filtered(state, "InputPath", raw, context)
        call = Call(name, state, data, context, scope, self.environment)
        if state["Type"] == "Choice":
            following = _choose(call)
            return _filtered(state, "OutputPath", data, context), following
        result = self._work(call)
        if "ResultSelector" in state:
            result = fill(state["ResultSelector"], result, context)
        if state["Type"] in ("Task", "Pass", "Parallel", "Map"):
            result = write_path(state.get("ResultPath", "$"), raw, result)
        return _filtered(state, "OutputPath", result, context), state.get("Next")

    def _work(self, call: Call) -> Any:
        kind = call.state["Type"]
        if kind == "Task":
            return _run_task(call)
        if kind == "Map":
            return maps.run_map(self, call)
        if kind == "Parallel":
            return parallel.run_parallel(self, call)
        return _SIMPLE[kind](call)


def _filtered(state: dict, key: str, data: Any, context: dict) -> Any:
    if key not in state:
        return data
    return {} if state[key] is None else read_path(state[key], data, context)


def _retry_pause(state: dict, error: StateError, attempts: dict[int, int]) -> float | None:
    """Seconds until the next attempt, or None when no retrier allows one. Counts the attempt."""
    for number, retry in enumerate(state.get("Retry", [])):
        if matches(retry["ErrorEquals"], error.error):
            done = attempts.get(number, 0)
            if done >= retry.get("MaxAttempts", 3):
                return None
            attempts[number] = done + 1
            return _backoff(retry, done)
    return None


def _backoff(retry: dict, done: int) -> float:
    pause = retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** done
    pause = min(pause, retry.get("MaxDelaySeconds", pause))
    return pause * random.random() if retry.get("JitterStrategy") == "FULL" else pause  # noqa: S311 - jitter


def _catch(state: dict, raw: Any, error: StateError) -> tuple[Any, str]:
    for catch in state.get("Catch", []):
        if matches(catch["ErrorEquals"], error.error):
            caught = {"Error": error.error, "Cause": error.cause}
            return write_path(catch.get("ResultPath", "$"), raw, caught), catch["Next"]
    raise error


def _choose(call: Call) -> str:
    for rule in call.state["Choices"]:
        if holds(rule, call.data, call.context):
            return rule["Next"]
    if "Default" not in call.state:
        raise StateError("States.NoChoiceMatched", f"No choice of {call.name} matched and it has no Default.")
    return call.state["Default"]


def _run_task(call: Call) -> Any:
    resource, record = call.state["Resource"], call.environment.history.record
    parameters = call.fill(call.state["Parameters"]) if "Parameters" in call.state else call.data
    scope = call.scope.within(call.option("TimeoutSeconds"))
    record(
        "TaskScheduled",
        "taskScheduledEventDetails",
        **_task_details(resource),
        parameters=check_size(parameters),
    )
    try:
        result = call.environment.services.call(resource, parameters, scope.result)
    except StateError as error:
        kind = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
        details = {**_task_details(resource), "error": error.error, "cause": error.cause}
        record(kind, f"task{kind.removeprefix('Task')}EventDetails", **details)
        raise
    record("TaskSucceeded", "taskSucceededEventDetails", **_task_details(resource), output=check_size(result))
    return result


def _task_details(resource: str) -> dict[str, str]:
    parts = resource.split(":")
    return {"resourceType": parts[-2], "resource": parts[-1]}


def _run_pass(call: Call) -> Any:
    if "Result" in call.state:
        return call.state["Result"]
    return call.fill(call.state["Parameters"]) if "Parameters" in call.state else call.data


def _run_wait(call: Call) -> Any:
    seconds = call.option("Seconds")
    if seconds is None:
        until = timestamp(call.option("Timestamp"))
        if until is None:
            raise StateError("States.Runtime", f"{call.name}: Timestamp is not an RFC 3339 time")
        seconds = (until - datetime.now(UTC)).total_seconds()
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise StateError("States.Runtime", f"{call.name}: Seconds must be a number, not {seconds!r}")
    call.scope.sleep(seconds * call.environment.time_scale)
    return call.data


def _run_succeed(call: Call) -> Any:
    return call.data


def _run_fail(call: Call) -> Any:
    raise StateError(call.option("Error", ""), call.option("Cause", ""))


_SIMPLE: dict[str, Callable[[Call], Any]] = {
    "Pass": _run_pass,
    "Wait": _run_wait,
    "Succeed": _run_succeed,
    "Fail": _run_fail,
}
