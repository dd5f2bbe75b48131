"""CloudFormation resource types that moto lacks, and what happens to each type of a template.

A type is created by moto, created by one of our classes, accepted without effect for a stated reason, or the
deploy fails with its name. Nothing is skipped in silence.
"""

from __future__ import annotations

from typing import Any

from local_cloud import moto_backends  # noqa: F401 - imports moto as it should be, before all others

# isort: split
from moto.cloudformation import parsing

from local_cloud.resources import athena, ecs, glue, messaging  # noqa: F401 - defining the classes registers them
from local_cloud.resources.accepted import ACCEPTED, accepted_class

_original_class_from_type = parsing.resource_class_from_type
_original_create = parsing.parse_and_create_resource


class UnsupportedResource(ValueError):
    """A template holds a resource that would not exist here."""


def resource_class_from_type(resource_type: str) -> type[Any]:
    """moto's look-up with ours around it: moto would warn about an unknown type and leave it out."""
    if resource_type in ACCEPTED:
        return accepted_class(resource_type)
    if resource_type in parsing.get_model_map() and not resource_type.startswith("Custom::"):
        return _original_class_from_type(resource_type)
    raise UnsupportedResource(f"resource type {resource_type} is not supported by local_cloud")


class ResourceFailed(RuntimeError):
    """A resource could not be created; the message says which and why."""


def parse_and_create_resource(
    logical_id: str, resource_json: dict[str, Any], *args: Any, **kwargs: Any
) -> Any:
    """moto's creation of one resource, with the resource's name on whatever goes wrong."""
    try:
        return _original_create(logical_id, resource_json, *args, **kwargs)
    except ResourceFailed:  # of a resource that this one refers to
        raise
    except Exception as error:
        kind = resource_json.get("Type")
        raise ResourceFailed(f"{logical_id} ({kind}): {type(error).__name__}: {error}") from error


def check_template(template: dict[str, Any]) -> None:
    """Raise UnsupportedResource that names every resource of the template that would not exist here."""
    known = set(parsing.get_model_map()) | set(ACCEPTED)
    missing = [
        f"{name} ({resource['Type']})"
        for name, resource in template.get("Resources", {}).items()
        if resource["Type"] not in known
    ]
    if missing:
        raise UnsupportedResource("local_cloud cannot create " + ", ".join(sorted(missing)))


def accepted_types(template: dict[str, Any]) -> dict[str, str]:
    """The types of a template that are accepted without effect, with the reason."""
    types = {resource["Type"] for resource in template.get("Resources", {}).values()}
    return {name: ACCEPTED[name] for name in sorted(types & set(ACCEPTED))}
