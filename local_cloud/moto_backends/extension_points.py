"""Everything of moto that is replaced, in one list. moto is pinned exactly; a test walks this list.

Backends are replaced in moto's own registries and methods on its classes; all of it is undone when the cloud
stops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.athena.models import athena_backends
from moto.athena.responses import AthenaResponse
from moto.awslambda.models import lambda_backends
from moto.cloudformation import parsing
from moto.core.base_backend import BackendDict
from moto.ecs.models import ecs_backends
from moto.s3 import models as s3_models
from moto.stepfunctions.models import stepfunctions_backends

from local_cloud.moto_backends.athena import LocalAthena
from local_cloud.moto_backends.athena_responses import get_query_execution, get_query_results
from local_cloud.moto_backends.ecs import LocalEcs
from local_cloud.moto_backends.lambdas import LocalLambda
from local_cloud.moto_backends.s3 import FileKey, LocalS3
from local_cloud.moto_backends.stepfunctions import LocalStepFunctions
from local_cloud.resources import parse_and_create_resource, resource_class_from_type


def generate_resource_name(resource_type: str, stack_name: str, logical_id: str) -> str:
    """The same name in every session, so that a later one finds the bucket of an earlier one.

    moto appends a random suffix; so does AWS, but there the stack lives on.
    """
    digest = hashlib.sha256(f"{stack_name}/{logical_id}".encode()).hexdigest()[:12]
    name = f"{stack_name}-{logical_id}"[:50].rstrip("-") + f"-{digest}"
    return name.lower() if resource_type == "AWS::S3::Bucket" else name


POINTS: tuple[tuple[Any, str, Any], ...] = (
    (s3_models.s3_backends, "backend", LocalS3),
    (s3_models, "FakeKey", FileKey),
    (ecs_backends, "backend", LocalEcs),
    (lambda_backends, "backend", LocalLambda),
    (athena_backends, "backend", LocalAthena),
    (AthenaResponse, "get_query_execution", get_query_execution),
    (AthenaResponse, "get_query_results", get_query_results),
    (stepfunctions_backends, "backend", LocalStepFunctions),
    (parsing, "resource_class_from_type", resource_class_from_type),
    (parsing, "parse_and_create_resource", parse_and_create_resource),
    (parsing, "generate_resource_name", generate_resource_name),
)
"""(owner, attribute, replacement)."""


@contextmanager
def replaced() -> Iterator[None]:
    """moto with our backends and empty state; as it was, and empty again, afterwards."""
    originals = [getattr(owner, name) for owner, name, _ in POINTS]
    _clear_caches()
    BackendDict.reset()
    for owner, name, replacement in POINTS:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        BackendDict.reset()
        FileKey.instances_tracked.clear()  # moto remembers every key it ever made
        for (owner, name, _), original in zip(POINTS, originals, strict=True):
            setattr(owner, name, original)


def _clear_caches() -> None:
    """moto lists its resource types once; ours may have been imported since."""
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
