"""Parameters and results of service calls, between Step Functions' names and botocore's.

Step Functions writes every name with a capital first letter and refuses what it does not know; so do we,
when the definition is created rather than when the state runs.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape

from local_cloud.states import DefinitionError, StateError


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


@functools.cache
def operation(service: str, action: str) -> OperationModel:
    """botocore's model of an API action such as `ecs`, `runTask`."""
    model = botocore.session.Session().get_service_model(service)
    name = _capital(action)
    if name not in model.operation_names:
        raise DefinitionError(f"{service} has no action {action!r}")
    return model.operation_model(name)


def _members(shape: Any) -> dict[str, tuple[str, Shape]]:
    return {_capital(name): (name, member) for name, member in shape.members.items()}


def check_names(template: Any, shape: Shape | None, where: str = "Parameters") -> None:
    """Refuse parameter names that the API does not have."""
    if shape is None or not isinstance(template, dict | list):
        return
    if isinstance(template, list):
        for member in template:
            check_names(member, getattr(shape, "member", None), where)
    elif shape.type_name == "structure":
        _check_structure(template, shape, where)


def _check_structure(template: dict, shape: Shape, where: str) -> None:
    known = _members(shape)
    for key, value in template.items():
        name = key.removesuffix(".$")
        if name not in known:
            raise DefinitionError(f"{where}: the field {name!r} is not supported by {shape.name}")
        if key == name:
            check_names(value, known[name][1], f"{where}.{name}")
    required = {_capital(name) for name in shape.required_members}
    missing = required - {key.removesuffix(".$") for key in template}
    if missing:
        raise DefinitionError(f"{where}: {', '.join(sorted(missing))} is required by {shape.name}")


def to_request(value: Any, shape: Shape | None, field: str = "Parameters") -> Any:
    """A call's parameters with botocore's names; States.Runtime for a value of the wrong type, as on AWS."""
    if shape is None:
        return value
    if shape.type_name == "structure":
        return _structure(value, shape, field)
    if shape.type_name == "list":
        _expect(isinstance(value, list), field, "LIST")
        return [to_request(member, getattr(shape, "member", None), field) for member in value]
    if shape.type_name == "string":
        _expect(isinstance(value, str), field, "STRING")
    if shape.type_name == "blob" and isinstance(value, str):
        return value.encode()
    return value


def _structure(value: Any, shape: Shape, field: str) -> dict:
    _expect(isinstance(value, dict), field, "STRUCTURE")
    known = _members(shape)
    request = {}
    for key, member in value.items():
        if key not in known:
            raise StateError("States.Runtime", f"The field '{key}' is not supported by {shape.name}.")
        name, member_shape = known[key]
        request[name] = to_request(member, member_shape, key)
    return request


def _expect(condition: bool, field: str, kind: str) -> None:
    if not condition:
        message = (
            f"The Parameters could not be used to start the Task: [The value for the field '{field}' must be"
        )
        raise StateError("States.Runtime", f"{message} a {kind}]")


def from_response(value: Any, shape: Shape | None) -> Any:
    """A response as a state sees it: capital names, times in milliseconds, bodies as text."""
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, list):
        return [from_response(member, getattr(shape, "member", None)) for member in value]
    if isinstance(value, dict):
        return _response_object(value, shape)
    return value


def _response_object(value: dict, shape: Shape | None) -> dict:
    if shape is None or shape.type_name != "structure":
        return {key: from_response(member, getattr(shape, "value", None)) for key, member in value.items()}
    members: dict[str, Shape] = getattr(shape, "members", {})
    return {
        _capital(key): from_response(member, members.get(key))
        for key, member in value.items()
        if key != "ResponseMetadata"
    }
