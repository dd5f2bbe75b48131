"""Read a definition before it runs, and refuse by name what this interpreter would otherwise ignore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from local_cloud.states.choice import check_rule, timestamp
from local_cloud.states.errors import DefinitionError
from local_cloud.states.paths import parse_path, reference_steps
from local_cloud.states.templates import check_expression, check_template

_COMMON = {"Type", "Comment", "QueryLanguage"}
_FLOW = {"Next", "End"}
_FILTERS = {"InputPath", "OutputPath"}
_RESULT = {"Parameters", "ResultSelector", "ResultPath", "Retry", "Catch"}
_MAP_DISTRIBUTED = {
    "ItemReader", "ItemBatcher", "ResultWriter", "Label",
    "ToleratedFailureCount", "ToleratedFailureCountPath",
    "ToleratedFailurePercentage", "ToleratedFailurePercentagePath",
}  # fmt: skip
FIELDS: dict[str, set[str]] = {
    "Task": _COMMON | _FLOW | _FILTERS | _RESULT | {"Resource", "TimeoutSeconds", "TimeoutSecondsPath"},
    "Pass": _COMMON | _FLOW | _FILTERS | {"Parameters", "Result", "ResultPath"},
    "Choice": _COMMON | _FILTERS | {"Choices", "Default"},
    "Wait": _COMMON | _FLOW | _FILTERS | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Succeed": _COMMON | _FILTERS,
    "Fail": _COMMON | {"Error", "ErrorPath", "Cause", "CausePath"},
    "Parallel": _COMMON | _FLOW | _FILTERS | _RESULT | {"Branches"},
    "Map": _COMMON | _FLOW | _FILTERS | (_RESULT - {"Parameters"}) | _MAP_DISTRIBUTED
    | {"ItemProcessor", "ItemsPath", "ItemSelector", "MaxConcurrency", "MaxConcurrencyPath"},
}  # fmt: skip
"""Every field of every state type that is run; any other is refused."""

_REQUIRED = {"Task": {"Resource"}, "Choice": {"Choices"}, "Parallel": {"Branches"}, "Map": {"ItemProcessor"}}
_RETRY = {
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
}
_CATCH = {"ErrorEquals", "Next", "ResultPath", "Comment"}
_READER_CONFIG = {"InputType", "ItemsPointer", "MaxItems", "MaxItemsPath"}
_BATCHER = {
    "BatchInput",
    "MaxItemsPerBatch", "MaxItemsPerBatchPath",
    "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath",
}  # fmt: skip

CheckTask = Callable[[str, Any], None]
"""Given a Task's Resource and Parameters, raise DefinitionError if it cannot be run here."""


def check_definition(definition: Any, check_task: CheckTask) -> None:
    """Raise DefinitionError, naming the state, at the first thing that could not be run as on AWS."""
    allowed = {"StartAt", "States", "Comment", "TimeoutSeconds", "Version", "QueryLanguage"}
    names: set[str] = set()
    _check_machine(definition, "$", allowed, check_task, names)


def _fail(where: str, message: str) -> DefinitionError:
    return DefinitionError(f"{where}: {message}")


def _check_fields(where: str, given: Any, allowed: set[str], what: str) -> None:
    if not isinstance(given, dict):
        raise _fail(where, f"{what} must be an object, not {given!r:.80}")
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise _fail(where, f"{', '.join(unknown)} is not supported in {what}")


def _check_machine(
    machine: Any, where: str, allowed: set[str], check_task: CheckTask, names: set[str]
) -> None:
    _check_fields(where, machine, allowed, "a state machine")
    _check_language(machine, where)
    states = machine.get("States")
    if not isinstance(states, dict) or not states:
        raise _fail(where, "States must be an object with at least one state")
    if machine.get("StartAt") not in states:
        raise _fail(where, f"StartAt {machine.get('StartAt')!r} is not one of its states")
    for name, state in states.items():
        here = f"{where}.{name}"
        if name in names or len(name) > 80:
            raise _fail(here, "state names must be unique in the whole machine and at most 80 characters")
        names.add(name)
        _check_state(state, here, states, check_task, names)


def _check_language(owner: dict, where: str) -> None:
    if owner.get("QueryLanguage", "JSONPath") != "JSONPath":
        raise _fail(where, f"QueryLanguage {owner['QueryLanguage']!r} is not supported, only JSONPath")


def _check_state(state: Any, where: str, states: dict, check_task: CheckTask, names: set[str]) -> None:
    kind = state.get("Type") if isinstance(state, dict) else None
    if kind not in FIELDS:
        raise _fail(where, f"state type {kind!r} is not supported")
    _check_fields(where, state, FIELDS[kind], f"a {kind} state")
    _check_language(state, where)
    missing = _REQUIRED.get(kind, set()) - set(state)
    if missing:
        raise _fail(where, f"a {kind} state needs {', '.join(sorted(missing))}")
    try:
        _check_transitions(state, kind, states)
        _check_expressions(state)
        _check_errors(state, states)
        _check_kind(state, kind, check_task)
    except DefinitionError as error:
        raise _fail(where, str(error)) from None
    for label, machine, allowed in _inner_machines(state):
        _check_machine(machine, f"{where}.{label}", allowed, check_task, names)


def _check_transitions(state: dict, kind: str, states: dict) -> None:
    if "Next" in FIELDS[kind] and ("Next" in state) == (state.get("End") is True):
        raise DefinitionError("needs either Next or End: true")
    targets = [state[key] for key in ("Next", "Default") if key in state]
    targets += [rule.get("Next") for rule in state.get("Choices", [])]
    for target in targets:
        if target not in states:
            raise DefinitionError(f"Next {target!r} is not a state of the same machine")


def _check_expressions(state: dict) -> None:
    for key in ("InputPath", "OutputPath"):
        if state.get(key) is not None:
            parse_path(state[key])
    if state.get("ResultPath") is not None:
        reference_steps(state["ResultPath"])
    for key in ("Parameters", "ResultSelector", "ItemSelector"):
        check_template(state.get(key))
    for key, value in state.items():
        if key.endswith("Path") and key not in ("InputPath", "OutputPath", "ResultPath"):
            check_expression(value)
            if key != "ItemsPath" and key.removesuffix("Path") in state:
                raise DefinitionError(f"give {key.removesuffix('Path')} or {key}, not both")


def _check_errors(state: dict, states: dict) -> None:
    for retry in state.get("Retry", []):
        _check_fields("Retry", retry, _RETRY, "a retrier")
        if retry.get("JitterStrategy", "NONE") not in ("NONE", "FULL"):
            raise DefinitionError(f"JitterStrategy {retry['JitterStrategy']!r} does not exist")
        if retry.get("BackoffRate", 2.0) < 1 or retry.get("MaxAttempts", 3) < 0:
            raise DefinitionError("BackoffRate must be at least 1 and MaxAttempts at least 0")
    for catch in state.get("Catch", []):
        _check_fields("Catch", catch, _CATCH, "a catcher")
        if catch.get("Next") not in states:
            raise DefinitionError(f"Catch: Next {catch.get('Next')!r} is not a state of the same machine")
        if catch.get("ResultPath") is not None:
            reference_steps(catch["ResultPath"])
    for handler in [*state.get("Retry", []), *state.get("Catch", [])]:
        _check_error_names(handler)


def _check_error_names(handler: dict) -> None:
    names = handler.get("ErrorEquals")
    if not isinstance(names, list) or not names:
        raise DefinitionError("ErrorEquals must be a list of error names")
    if "States.ALL" in names and len(names) > 1:
        raise DefinitionError("States.ALL must stand alone in ErrorEquals")


def _check_kind(state: dict, kind: str, check_task: CheckTask) -> None:
    if kind == "Task":
        check_task(state["Resource"], state.get("Parameters", {}))
    elif kind == "Choice":
        for rule in state["Choices"]:
            check_rule(rule)
    elif kind == "Wait":
        if len(set(state) & {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}) != 1:
            raise DefinitionError("needs exactly one of Seconds, SecondsPath, Timestamp, TimestampPath")
        if "Timestamp" in state and timestamp(state["Timestamp"]) is None:
            raise DefinitionError(f"Timestamp {state['Timestamp']!r} is not an RFC 3339 time")
    elif kind == "Map":
        _check_map(state)


def is_distributed(state: dict) -> bool:
    """Whether a Map state starts child executions of its own."""
    return state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode", "INLINE") == "DISTRIBUTED"


def _check_map(state: dict) -> None:
    config = state["ItemProcessor"].get("ProcessorConfig", {})
    _check_fields("ProcessorConfig", config, {"Mode", "ExecutionType"}, "ProcessorConfig")
    if config.get("Mode", "INLINE") not in ("INLINE", "DISTRIBUTED"):
        raise DefinitionError(f"ProcessorConfig Mode {config['Mode']!r} does not exist")
    if is_distributed(state):
        if config.get("ExecutionType") != "STANDARD":
            raise DefinitionError(
                f"ExecutionType {config.get('ExecutionType')!r} is not supported, only STANDARD"
            )
    elif only := sorted(set(state) & _MAP_DISTRIBUTED):
        raise DefinitionError(f"{', '.join(only)} needs ProcessorConfig Mode DISTRIBUTED")
    if "ItemReader" in state:
        _check_reader(state["ItemReader"])
    if "ItemBatcher" in state:
        _check_batcher(state["ItemBatcher"])
    if "ResultWriter" in state:
        _check_writer(state["ResultWriter"])


def _check_reader(reader: Any) -> None:
    _check_fields("ItemReader", reader, {"Resource", "Parameters", "ReaderConfig"}, "ItemReader")
    if reader.get("Resource") != "arn:aws:states:::s3:getObject":
        raise DefinitionError(
            f"ItemReader resource {reader.get('Resource')!r} is not supported, only s3:getObject"
        )
    config = reader.get("ReaderConfig", {})
    _check_fields("ItemReader", config, _READER_CONFIG, "ReaderConfig")
    if config.get("InputType", "JSON") not in ("JSON", "JSONL"):
        raise DefinitionError(
            f"ItemReader InputType {config['InputType']!r} is not supported, only JSON and JSONL"
        )
    _check_location("ItemReader", reader.get("Parameters"), {"Bucket", "Key"})


def _check_batcher(batcher: Any) -> None:
    _check_fields("ItemBatcher", batcher, _BATCHER, "ItemBatcher")
    if not set(batcher) - {"BatchInput"}:
        raise DefinitionError("ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch")
    check_template(batcher.get("BatchInput"))


def _check_writer(writer: Any) -> None:
    _check_fields("ResultWriter", writer, {"Resource", "Parameters", "WriterConfig"}, "ResultWriter")
    if writer.get("Resource") != "arn:aws:states:::s3:putObject":
        raise DefinitionError(
            f"ResultWriter resource {writer.get('Resource')!r} is not supported, only s3:putObject"
        )
    config = writer.get("WriterConfig", {})
    _check_fields("ResultWriter", config, {"OutputType", "Transformation"}, "WriterConfig")
    if config.get("OutputType", "JSON") not in ("JSON", "JSONL"):
        raise DefinitionError(f"ResultWriter OutputType {config['OutputType']!r} does not exist")
    if config.get("Transformation", "NONE") not in ("NONE", "COMPACT", "FLATTEN"):
        raise DefinitionError(f"ResultWriter Transformation {config['Transformation']!r} does not exist")
    _check_location("ResultWriter", writer.get("Parameters"), {"Bucket", "Prefix"})


def _check_location(where: str, parameters: Any, allowed: set[str]) -> None:
    plain = {key.removesuffix(".$") for key in parameters or {}}
    if not plain <= allowed or "Bucket" not in plain:
        raise DefinitionError(f"{where} Parameters must be {sorted(allowed)}, not {sorted(plain)}")
    check_template(parameters)


def _inner_machines(state: dict) -> Iterator[tuple[str, Any, set[str]]]:
    allowed = {"StartAt", "States", "Comment", "QueryLanguage"}
    for number, branch in enumerate(state.get("Branches", [])):
        yield f"Branches[{number}]", branch, allowed
    if "ItemProcessor" in state:
        yield "ItemProcessor", state["ItemProcessor"], allowed | {"ProcessorConfig"}
