"""JSONPath as Step Functions uses it: fields, indices, slices and `[*]`; `$$` is the context object.

Recursive descent and filters are refused by name: nobody here needs them, and half an implementation lies.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from local_cloud.states.errors import DefinitionError, StateError

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)"
    r"|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<start>-?\d*):(?P<stop>-?\d*)\]"
    r"|(?P<all>\[\*\]|\.\*)"
)
ALL = slice(None)
Step = str | int | slice


@lru_cache(maxsize=4096)
def parse_path(path: str) -> tuple[bool, tuple[Step, ...]]:
    """Split a path into (is it rooted in the context object, its steps)."""
    if not isinstance(path, str) or not path.startswith("$"):
        raise DefinitionError(f"{path!r} is not a JSONPath: it must start with $ or $$")
    in_context = path.startswith("$$")
    position = 2 if in_context else 1
    steps: list[Step] = []
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise DefinitionError(
                f"JSONPath {path!r}: {path[position:]!r} is not supported by this interpreter"
            )
        steps.append(_step(match))
        position = match.end()
    return in_context, tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["all"]:
        return ALL
    if match["index"] is not None:
        return int(match["index"])
    if match["name"] is not None:
        return match["name"]
    if match["quoted"] is not None:
        return match["quoted"]
    return slice(*(int(bound) if bound else None for bound in (match["start"], match["stop"])))


def reference_steps(path: str) -> tuple[str, ...]:
    """Steps of a ResultPath, which may only name fields below `$`."""
    in_context, steps = parse_path(path)
    if in_context or not all(isinstance(step, str) for step in steps):
        raise DefinitionError(f"{path!r} is not a reference path: ResultPath takes only fields below $")
    return steps  # type: ignore[return-value]


def read_path(path: str, data: Any, context: dict) -> Any:
    """The value at `path`; a path with a slice or `[*]` gives the list of all its values."""
    in_context, steps = parse_path(path)
    root = context if in_context else data
    try:
        return _walk(root, steps)
    except (KeyError, IndexError, TypeError):
        shown = json.dumps(root, default=str)[:500]
        message = f"The JSONPath '{path}' specified could not be found in the input '{shown}'"
        raise StateError("States.ParameterPathFailure", message) from None


def _walk(value: Any, steps: tuple[Step, ...]) -> Any:
    for position, step in enumerate(steps):
        if isinstance(step, slice):
            return _collect(value, step, steps[position + 1 :])
        value = _child(value, step)
    return value


def _child(value: Any, step: str | int) -> Any:
    kind = dict if isinstance(step, str) else list
    if not isinstance(value, kind):
        raise TypeError
    found: Any = value
    return found[step]


def _collect(value: Any, step: slice, rest: tuple[Step, ...]) -> list:
    members: Any = list(value.values()) if isinstance(value, dict) and step == ALL else value[step]
    if not isinstance(members, list):
        raise TypeError
    found: list = []
    for member in members:
        try:
            hit = _walk(member, rest)
        except (KeyError, IndexError, TypeError):
            continue
        found.extend(hit if any(isinstance(step, slice) for step in rest) else [hit])
    return found


def write_path(path: str | None, data: Any, result: Any) -> Any:
    """`data` with `result` put at a ResultPath: null discards the result, `$` replaces the data."""
    if path is None:
        return data
    steps = reference_steps(path)
    if not steps:
        return result
    if not isinstance(data, dict):
        raise StateError(
            "States.ResultPathMatchFailure", f"Unable to apply ResultPath {path} to {data!r:.200}"
        )
    return _with_field(data, steps, result)


def _with_field(data: dict, steps: tuple[str, ...], result: Any) -> dict:
    first, rest = steps[0], steps[1:]
    if not rest:
        return {**data, first: result}
    below = data.get(first)
    return {**data, first: _with_field(below if isinstance(below, dict) else {}, rest, result)}
