"""Step Functions: moto's API in front, our own interpreter behind it."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from moto.core.exceptions import AWSError
from moto.core.utils import utcnow
from moto.stepfunctions.models import Execution, StateMachine, StepFunctionBackend

from local_cloud import host
from local_cloud.integrations import Integrations, check_task
from local_cloud.states import (
    Aborted,
    DefinitionError,
    Environment,
    Interpreter,
    Scope,
    StateError,
    check_definition,
)

log = logging.getLogger("local_cloud")


class InvalidDefinition(AWSError):
    """What CreateStateMachine answers to a definition it refuses."""

    TYPE = "InvalidDefinition"
    STATUS = 400


class ResourceNotFound(AWSError):
    """What DescribeMapRun answers when there is no such map run."""

    TYPE = "ResourceNotFound"
    STATUS = 400


def check(definition: str) -> dict:
    """The parsed definition; InvalidDefinition, naming the state, when it cannot be run here."""
    try:
        parsed = json.loads(definition)
        check_definition(parsed, check_task)
    except (DefinitionError, json.JSONDecodeError) as error:
        raise InvalidDefinition(f"Invalid State Machine Definition: {error}") from None
    return parsed


class LocalExecution(Execution):
    """An execution that really runs, in a thread of its own."""

    def begin(self, machine: StateMachine) -> None:
        """Start running. Called once, right after moto has made the record."""
        self.status = "RUNNING"
        self._finish_lock = threading.Lock()
        self._timed_out = False
        self._scope = Scope()
        running = host.current()
        self._integrations = Integrations(running.client, running.finished.__getitem__)
        self._environment = Environment(self._integrations, max_children=max(4, running.task_slots + 2))
        definition = json.loads(machine.definition)
        self._started_event(machine.roleArn)
        self._thread = threading.Thread(
            target=self._run,
            args=(definition, self._context(machine)),
            name=f"execution-{self.name}",
            daemon=True,
        )
        self._thread.start()

    def _context(self, machine: StateMachine) -> dict:
        started = self.start_date.isoformat(timespec="milliseconds") + "Z"
        execution = {"Id": self.execution_arn, "Name": self.name, "Input": json.loads(self.execution_input)}
        execution |= {"StartTime": started, "RoleArn": machine.roleArn, "RedriveCount": 0}
        return {"Execution": execution, "StateMachine": {"Id": machine.arn, "Name": machine.name}}

    def _started_event(self, role: str) -> None:
        details = {"input": self.execution_input, "roleArn": role}
        self._environment.history.record("ExecutionStarted", "executionStartedEventDetails", **details)

    def _run(self, definition: dict, context: dict) -> None:
        timer = self._timer(definition.get("TimeoutSeconds"))
        try:
            data = json.loads(self.execution_input)
            output = Interpreter(self._environment).run(definition, data, context, self._scope)
            self._finish("SUCCEEDED", output=json.dumps(output))
        except Aborted:
            self._finish("TIMED_OUT" if self._timed_out else "ABORTED")
        except StateError as error:
            self._finish("FAILED", error=error.error, cause=error.cause)
        except Exception as error:
            log.exception("the interpreter failed in execution %s", self.name)
            self._finish("FAILED", error="States.Runtime", cause=f"{type(error).__name__}: {error}")
        finally:
            if timer:
                timer.cancel()
            self._integrations.close()

    def _timer(self, seconds: float | None) -> threading.Timer | None:
        if seconds is None:
            return None
        timer = threading.Timer(seconds, self._time_out)
        timer.daemon = True
        timer.start()
        return timer

    def _time_out(self) -> None:
        self._timed_out = True
        self._scope.cancel()

    def _finish(
        self, status: str, output: str | None = None, error: str | None = None, cause: str | None = None
    ) -> None:
        with self._finish_lock:
            if self.status != "RUNNING":
                return
            self._ended_event(status, output, error, cause)
            self.output, self.error, self.cause = output, error, cause
            self.stop_date = utcnow()
            self.status = status

    def _ended_event(self, status: str, output: str | None, error: str | None, cause: str | None) -> None:
        kind = "Execution" + "".join(word.capitalize() for word in status.split("_"))
        details = (
            {"output": output} if status == "SUCCEEDED" else {"error": error or "", "cause": cause or ""}
        )
        key = f"{kind[0].lower()}{kind[1:]}EventDetails"
        try:
            self._environment.history.record(kind, key, **details)
        except StateError:
            log.warning("execution %s: its history is full", self.name)

    def stop(self, *args: Any, **kwargs: Any) -> None:
        """StopExecution: ABORTED at once; what runs is ended by the execution's own thread."""
        error, cause = kwargs.get("error") or None, kwargs.get("cause") or None
        self._finish("ABORTED", error=error, cause=cause)
        self._scope.cancel()

    def join(self, seconds: float) -> None:
        """Wait for the thread, so that nothing is started after the cloud has stopped."""
        self._thread.join(seconds)

    def get_execution_history(self, roleArn: str) -> list[dict[str, Any]]:
        return list(self._environment.history.events)

    @property
    def map_runs(self) -> list[dict[str, Any]]:
        return [describe() for describe in self._environment.map_runs.values()]


class LocalStepFunctions(StepFunctionBackend):
    """moto's backend with real executions."""

    __module__ = StepFunctionBackend.__module__  # moto finds a service's urls.py by its backend's module name

    def create_state_machine(self, name: str, definition: str, *args: Any, **kwargs: Any) -> StateMachine:
        check(definition)
        return super().create_state_machine(name, definition, *args, **kwargs)

    def update_state_machine(self, arn: str, definition: str | None = None, **kwargs: Any) -> StateMachine:
        if definition is not None:
            check(definition)
        return super().update_state_machine(arn, definition, **kwargs)

    def start_execution(self, state_machine_arn: str, name: str, execution_input: str) -> Execution:
        execution = super().start_execution(state_machine_arn, name, execution_input)
        if not isinstance(execution, LocalExecution):  # else: the same name and input, still running
            execution.__class__ = LocalExecution
            execution.begin(self.describe_state_machine(state_machine_arn))
        return execution

    def executions(self) -> list[LocalExecution]:
        """All executions of all machines."""
        found = (execution for machine in self.state_machines for execution in machine.executions)
        return [execution for execution in found if isinstance(execution, LocalExecution)]

    def describe_map_run(self, map_run_arn: str) -> dict[str, Any]:
        for execution in self.executions():
            for run in execution.map_runs:
                if run["mapRunArn"] == map_run_arn:
                    return run
        raise ResourceNotFound(f"Map Run not found: '{map_run_arn}'")

    def list_map_runs(self, execution_arn: str) -> Any:
        execution = self.describe_execution(execution_arn)
        runs = execution.map_runs if isinstance(execution, LocalExecution) else []
        keys = ("executionArn", "mapRunArn", "startDate")
        return {"mapRuns": [{key: run[key] for key in keys} for run in runs]}

    def stop_all(self, seconds: float) -> None:
        """Stop every execution and wait for their threads."""
        for execution in self.executions():
            execution.stop()
        for execution in self.executions():
            execution.join(seconds)
