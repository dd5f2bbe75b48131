"""Payload templates: in Parameters, ItemSelector and the like, a key that ends in `.$` is computed."""

from __future__ import annotations

from typing import Any

from local_cloud.states.errors import DefinitionError
from local_cloud.states.intrinsics import evaluate, parse_intrinsic
from local_cloud.states.paths import parse_path, read_path


def check_template(template: Any) -> None:
    """Refuse a template whose computed values are not paths or intrinsics we can run."""
    if isinstance(template, dict):
        for key, value in template.items():
            if key.endswith(".$"):
                check_expression(value)
            else:
                check_template(value)
    elif isinstance(template, list):
        for member in template:
            check_template(member)


def check_expression(expression: Any) -> None:
    """Refuse anything that is neither a JSONPath nor an intrinsic of this interpreter."""
    if not isinstance(expression, str):
        raise DefinitionError(f"{expression!r} must be a JSONPath or an intrinsic function")
    if expression.startswith("States."):
        parse_intrinsic(expression)
    else:
        parse_path(expression)


def value_of(expression: str, data: Any, context: dict) -> Any:
    """The value of one JSONPath or intrinsic."""
    if expression.startswith("States."):
        return evaluate(expression, data, context)
    return read_path(expression, data, context)


def fill(template: Any, data: Any, context: dict) -> Any:
    """A payload template with its `.$` keys computed."""
    if isinstance(template, dict):
        return dict(_entry(key, value, data, context) for key, value in template.items())
    if isinstance(template, list):
        return [fill(member, data, context) for member in template]
    return template


def _entry(key: str, value: Any, data: Any, context: dict) -> tuple[str, Any]:
    if key.endswith(".$"):
        return key[:-2], value_of(value, data, context)
    return key, fill(value, data, context)


def option(state: dict, name: str, data: Any, context: dict, default: Any = None) -> Any:
    """A field that may be given as a constant (`Name`) or computed (`NamePath`)."""
    if name in state:
        return state[name]
    if f"{name}Path" in state:
        return value_of(state[f"{name}Path"], data, context)
    return default
