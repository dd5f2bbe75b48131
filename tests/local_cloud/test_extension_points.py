"""moto is pinned: each place where we reach into it is still there, and still means what we think."""

import inspect
from importlib.metadata import version
from pathlib import Path

import pytest
from moto.athena.models import AthenaBackend
from moto.awslambda.models import LambdaBackend
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.ecs.models import EC2ContainerServiceBackend
from moto.s3.models import FakeKey, S3Backend
from moto.stepfunctions.models import Execution, StepFunctionBackend

from local_cloud.moto_backends.athena import LocalAthena
from local_cloud.moto_backends.ecs import LocalEcs
from local_cloud.moto_backends.extension_points import POINTS
from local_cloud.moto_backends.lambdas import LocalLambda
from local_cloud.moto_backends.s3 import FileKey, LocalS3
from local_cloud.moto_backends.stepfunctions import LocalExecution, LocalStepFunctions
from local_cloud.resources.base import LocalResource

ROOT = Path(__file__).resolve().parents[2]


def test_moto_is_the_version_all_this_was_written_for():
    assert version("moto") == "5.2.5"
    assert "moto==5.2.5" in (ROOT / "requirements" / "run.txt").read_text().replace(" ", "")


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, name, _ in POINTS], ids=lambda value: str(value)[:40]
)
def test_what_is_replaced_exists(owner, name):
    assert hasattr(owner, name)


@pytest.mark.parametrize(
    ("ours", "theirs", "methods"),
    [
        (LocalStepFunctions, StepFunctionBackend, ["create_state_machine", "update_state_machine"]),
        (LocalStepFunctions, StepFunctionBackend, ["start_execution", "describe_map_run", "list_map_runs"]),
        (LocalExecution, Execution, ["stop", "get_execution_history"]),
        (LocalEcs, EC2ContainerServiceBackend, ["run_task", "stop_task"]),
        (LocalEcs, EC2ContainerServiceBackend, ["_calculate_task_resource_requirements"]),
        (LocalLambda, LambdaBackend, ["create_function", "invoke"]),
        (LocalAthena, AthenaBackend, ["start_query_execution", "stop_query_execution"]),
        (LocalS3, S3Backend, ["create_bucket", "put_object", "put_object_tagging"]),
        (LocalS3, S3Backend, ["delete_object", "put_bucket_versioning"]),
        (FileKey, FakeKey, ["value", "etag", "dispose"]),
    ],
)
def test_what_is_overridden_exists_with_the_same_parameters(ours, theirs, methods):
    for name in methods:
        assert name in vars(ours), name
        assert name in vars(theirs), name
        mine, original = getattr(ours, name), getattr(theirs, name)
        if callable(mine):
            wanted = [
                p for p in inspect.signature(mine).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
            ]
            given = list(inspect.signature(original).parameters)
            assert [parameter.name for parameter in wanted] == given[: len(wanted)], name


def test_our_resource_types_are_found_by_moto_and_hide_none_of_its_own():
    parsing.get_model_list.cache_clear()
    parsing.get_model_map.cache_clear()
    ours = {cls.TYPE for cls in CloudFormationModel.__subclasses__() if issubclass(cls, LocalResource)}
    assert ours <= set(parsing.get_model_map())
    types = [cls.cloudformation_type() for cls in parsing.get_model_list()]
    assert not [name for name in ours if types.count(name) > 1]
