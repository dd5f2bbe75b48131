"""Map states, inline and distributed. A failed item is counted, and it fails the Map as on AWS."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local_cloud.states.definition import is_distributed
from local_cloud.states.errors import Aborted, StateError
from local_cloud.states.history import History, now
from local_cloud.states.items import Batch, batches, items_of, write_results
from local_cloud.states.scope import Scope
from local_cloud.states.templates import fill

if TYPE_CHECKING:
    from local_cloud.states.interpreter import Call, Interpreter

log = logging.getLogger("local_cloud")
_COUNTS = ("total", "pending", "running", "succeeded", "failed", "aborted", "timedOut", "resultsWritten")


@dataclass
class Child:
    """One item, or one batch of items, on its way through the ItemProcessor."""

    number: int
    data: Any
    size: int
    arn: str = ""
    status: str = "PENDING"
    started: str = ""
    stopped: str = ""
    output: Any = None
    error: StateError | None = None


@dataclass
class MapRun:
    """The bookkeeping of one Map: what DescribeMapRun shows, and whether its tolerance is exceeded."""

    call: Call
    arn: str
    children: list[Child]
    tolerated_count: int | None
    tolerated_percentage: float | None
    status: str = "RUNNING"
    started: str = field(default_factory=now)
    lock: threading.Lock = field(default_factory=threading.Lock)
    failed_items: int = 0
    first_error: StateError | None = None

    @property
    def distributed(self) -> bool:
        return is_distributed(self.call.state)

    @cached_property
    def total_items(self) -> int:
        return sum(child.size for child in self.children)

    def move(self, child: Child, status: str, error: StateError | None = None) -> None:
        """Give a child its new status; all items of a failed batch count as failed."""
        with self.lock:
            child.status = status
            if error is not None:
                child.error = error
                self.failed_items += child.size
                self.first_error = self.first_error or error

    def counts(self, items: bool) -> dict[str, int]:
        """Children by status, or the items they stand for."""
        numbers = dict.fromkeys(_COUNTS, 0)
        with self.lock:
            for child in self.children:
                weight = child.size if items else 1
                numbers["total"] += weight
                numbers[child.status.lower()] += weight
        return numbers

    def failure(self) -> StateError | None:
        """The error that ends the Map, as soon as there is one."""
        if self.first_error is None or not self.distributed:
            return self.first_error
        failed, total = self.failed_items, self.total_items
        if self._tolerates(failed, total):
            return None
        message = f"The specified tolerated failure threshold was exceeded ({failed} of {total} items failed)"
        return StateError("States.ExceedToleratedFailureThreshold", message)

    def _tolerates(self, failed: int, total: int) -> bool:
        count, percentage = self.tolerated_count, self.tolerated_percentage
        if count is None and percentage is None:
            return False
        if count is not None and failed > count:
            return False
        return percentage is None or 100 * failed <= percentage * total

    def describe(self) -> dict[str, Any]:
        return {
            "mapRunArn": self.arn,
            "executionArn": self.call.context["Execution"]["Id"],
            "status": self.status,
            "startDate": self.started,
            "maxConcurrency": self.call.option("MaxConcurrency", 0),
            "toleratedFailureCount": self.tolerated_count or 0,
            "toleratedFailurePercentage": self.tolerated_percentage or 0,
            "itemCounts": self.counts(items=True),
            "executionCounts": self.counts(items=False),
        }


def run_map(interpreter: Interpreter, call: Call) -> Any:
    """Run the ItemProcessor over all items and return the Map's result."""
    run = _start(call)
    scope = Scope(call.scope)
    try:
        _run_children(interpreter, run, scope)
    finally:
        scope.cancel()
        run.status = "ABORTED" if call.scope.is_cancelled else "FAILED" if run.failure() else "SUCCEEDED"
    if call.scope.is_cancelled:
        raise Aborted
    return _finish(run)


def _start(call: Call) -> MapRun:
    items = items_of(call)
    children = [Child(number, batch.data, batch.size) for number, batch in enumerate(_work(call, items))]
    label = call.state.get("Label", call.name)
    arn = f"{call.context['StateMachine']['Id'].replace(':stateMachine:', ':mapRun:')}/{label}:{uuid.uuid4()}"
    count, percentage = call.option("ToleratedFailureCount"), call.option("ToleratedFailurePercentage")
    run = MapRun(call, arn, children, count, percentage)
    history = call.environment.history
    history.record("MapStateStarted", "mapStateStartedEventDetails", length=len(items))
    if run.distributed:
        call.environment.map_runs[arn] = run.describe
        history.record("MapRunStarted", "mapRunStartedEventDetails", mapRunArn=arn)
    return run


def _work(call: Call, items: list) -> list[Batch]:
    selected = [_select(call, index, item) for index, item in enumerate(items)]
    if "ItemBatcher" in call.state:
        return batches(call, selected)
    return [Batch(item, 1) for item in selected]


def _select(call: Call, index: int, item: Any) -> Any:
    if "ItemSelector" not in call.state:
        return item
    context = {**call.context, "Map": {"Item": {"Index": index, "Value": item}}}
    return fill(call.state["ItemSelector"], call.data, context)


def _run_children(interpreter: Interpreter, run: MapRun, scope: Scope) -> None:
    """Keep as many children running as allowed, and start no more once the Map has failed."""
    asked = run.call.option("MaxConcurrency", 0) or (10_000 if run.distributed else 40)
    width = max(1, min(asked, run.call.environment.max_children, len(run.children)))
    waiting = deque(run.children)
    running: set[Future] = set()
    with ThreadPoolExecutor(width, thread_name_prefix=run.call.name) as pool:
        try:
            while not scope.is_cancelled and (waiting or running):
                while waiting and len(running) < width:
                    running.add(pool.submit(_run_child, interpreter, run, waiting.popleft(), scope))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if run.failure():
                    scope.cancel()
        except BaseException:
            scope.cancel()  # leaving the pool waits for the children that still run
            raise
    for child in waiting:
        run.move(child, "PENDING" if run.distributed else "ABORTED")


def _run_child(interpreter: Interpreter, run: MapRun, child: Child, scope: Scope) -> None:
    context = _child_context(run, child)
    child.started = now()
    run.move(child, "RUNNING")
    try:
        child.output = _inner(interpreter, run).run(
            run.call.state["ItemProcessor"], child.data, context, scope
        )
        run.move(child, "SUCCEEDED")
    except Aborted:
        run.move(child, "ABORTED")
    except StateError as error:
        run.move(child, "FAILED", error)
        log.warning(
            "%s: item %d failed: %s: %s", run.call.name, child.number, error.error, error.cause[-2000:]
        )
    finally:
        child.stopped = now()


def _inner(interpreter: Interpreter, run: MapRun) -> Interpreter:
    """Children of a distributed Map are executions of their own, outside the parent's history."""
    if not run.distributed:
        return interpreter
    return type(interpreter)(replace(interpreter.environment, history=History(keep=False)))


def _child_context(run: MapRun, child: Child) -> dict:
    outer = run.call.context
    if not run.distributed:
        return {**outer, "Map": {"Item": {"Index": child.number, "Value": child.data}}}
    name = str(uuid.uuid4())
    machine = run.arn.rsplit(":", 1)[0].replace(":mapRun:", ":stateMachine:")
    child.arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    execution = {"Id": child.arn, "Input": child.data, "Name": name, "StartTime": now(), "RedriveCount": 0}
    execution["RoleArn"] = outer["Execution"].get("RoleArn", "")
    return {"Execution": execution, "StateMachine": {"Id": machine, "Name": machine.rsplit(":", 1)[1]}}


def _finish(run: MapRun) -> Any:
    failure = run.failure()
    result: Any = [child.output for child in run.children if child.status == "SUCCEEDED"]
    if "ResultWriter" in run.call.state:
        result = write_results(run.call, run.arn, list(_records(run)), result)
    if run.distributed:
        kind = "MapRunFailed" if failure else "MapRunSucceeded"
        details = {"error": failure.error, "cause": failure.cause} if failure else {}
        run.call.environment.history.record(kind, "mapRunFailedEventDetails" if failure else None, **details)
    if failure:
        raise failure
    return result


def _records(run: MapRun) -> Iterator[tuple[Child, dict[str, Any]]]:
    machine = run.arn.rsplit(":", 1)[0].replace(":mapRun:", ":stateMachine:")
    for child in run.children:
        record = {"ExecutionArn": child.arn, "Name": child.arn.rsplit(":", 1)[-1], "StateMachineArn": machine}
        record |= {"StartDate": child.started, "StopDate": child.stopped}
        if child.error:
            record |= {"Error": child.error.error, "Cause": child.error.cause}
        yield child, record
