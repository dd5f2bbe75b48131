"""Parallel states: all branches at once; the first failure stops the others."""

from __future__ import annotations

import copy
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from local_cloud.states.errors import Aborted
from local_cloud.states.scope import Scope

if TYPE_CHECKING:
    from local_cloud.states.interpreter import Call, Interpreter


def run_parallel(interpreter: Interpreter, call: Call) -> list:
    """Outputs of the branches, in their order."""
    data = call.fill(call.state["Parameters"]) if "Parameters" in call.state else call.data
    scope = Scope(call.scope)
    branches = call.state["Branches"]
    with ThreadPoolExecutor(len(branches), thread_name_prefix=call.name) as pool:
        runs = [
            pool.submit(interpreter.run, branch, copy.deepcopy(data), call.context, scope)
            for branch in branches
        ]
        wait(runs, return_when=FIRST_EXCEPTION)
        scope.cancel()
    return _results(runs)


def _results(runs: list[Future]) -> list[Any]:
    errors = [run.exception() for run in runs]
    for error in errors:
        if error is not None and not isinstance(error, Aborted):
            raise error
    return [run.result() for run in runs]
