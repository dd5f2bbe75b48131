"""Least privilege: a wildcard that is not listed here with its reason fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.conftest import flat

pytestmark = pytest.mark.xdist_group("infra")

# Actions on resource "*", by role or endpoint: why nothing narrower is possible.
ANY_RESOURCE = {
    ("TaskExecutionRole", "ecr:GetAuthorizationToken"): "the token is the registry's: no resource to name",
    ("NetworkVpcEcrApi", "ecr:GetAuthorizationToken"): "as above, at the endpoint",
    ("NetworkVpcEcrDkr", "ecr:GetAuthorizationToken"): "as above, at the endpoint",
    **{
        ("MachineRole", f"logs:{action}"): "log delivery knows no resources (Step Functions' documentation)"
        for action in (
            "CreateLogDelivery",
            "GetLogDelivery",
            "UpdateLogDelivery",
            "DeleteLogDelivery",
            "ListLogDeliveries",
            "PutResourcePolicy",
            "DescribeResourcePolicies",
            "DescribeLogGroups",
        )
    },
    **{
        ("MachineRole", f"xray:{action}"): "X-Ray's tracing actions know no resources"
        for action in (
            "PutTraceSegments",
            "PutTelemetryRecords",
            "GetSamplingRules",
            "GetSamplingTargets",
        )
    },
}

# Resources that end in a wildcard below a name of ours, and why.
PREFIXES = {
    "<StorageData.Arn>/runs/*": "runs are keyed by run id",
    "<StorageData.Arn>/runs/*/_SUCCESS.json": "publish writes this one object of a run",
    "<StorageData.Arn>/cache/*": "the cache is keyed by the survey's paths",
    "<StorageData.Arn>/go/*": "GOs are keyed by tier, code and run",
    "<StorageData.Arn>/hosts/*": "host catalogues are keyed by content",
    "<StorageData.Arn>/sky/*": "bricks that an operator uploaded, by the survey's paths",
    "<StorageData.Arn>/athena-results/*": "Athena names results by query",
    "<StorageData.Arn>/map-results/*": "the Map names result files by run",
    "glue:table/darkhalo/*": "the tables of our own database",
    "ecs:task-definition/<family>:*": "revisions of our own task",
    "ecs:task/<cluster>/*": "tasks of our own cluster",
    "states:execution:<machine>/*": "children of our own machine",
    "ecr:repository/cdk-*": "the endpoint lets only CDK's repositories through",
    "s3:starport-layers": "ECR keeps its layers in this bucket of AWS's",
    "<StorageAccessLogs.Arn>/data/*": "S3 writes the access logs of the data bucket, by date",
    "<StorageData.Arn>/*": "the endpoint lets our own bucket through; the roles say which keys",
}


def statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(role or resource, Allow statement), of policies and endpoints."""
    for name, resource in template["Resources"].items():
        document = resource.get("Properties", {}).get("PolicyDocument")
        if not document:
            continue
        owners = [role["Ref"] for role in resource["Properties"].get("Roles", [])] or [name]
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                yield from ((owner, statement) for owner in owners)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def listed(owner: str, action: str) -> bool:
    return any(owner.startswith(prefix) and action == name for prefix, name in ANY_RESOURCE)


def canonical(resource: str) -> str:
    """The resource without account, Region and CDK's hashes: as in PREFIXES."""
    rules = {
        ":table/darkhalo/": "glue:table/darkhalo/*",
        ":task-definition/DarkHaloScopeTaskDefinition": "ecs:task-definition/<family>:*",
        ":task/<TaskCluster": "ecs:task/<cluster>/*",
        ":execution:<Machine": "states:execution:<machine>/*",
        ":repository/cdk-*": "ecr:repository/cdk-*",
        "starport-layer-bucket/*": "s3:starport-layers",
    }
    for part, name in rules.items():
        if part in resource:
            return name
    return re.sub(r"<Storage(Data|AccessLogs)\w+\.Arn>", r"<Storage\1.Arn>", resource)


def test_no_wildcard_action(template: dict[str, Any]) -> None:
    for owner, statement in statements(template):
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{owner}: {action}"


def test_any_resource_only_where_listed(template: dict[str, Any]) -> None:
    found = {
        (owner, action)
        for owner, statement in statements(template)
        for action in as_list(statement["Action"])
        if any(flat(resource) == "*" for resource in as_list(statement.get("Resource", [])))
    }
    assert {pair for pair in found if not listed(*pair)} == set()
    unused = {key for key in ANY_RESOURCE if not any(o.startswith(key[0]) and a == key[1] for o, a in found)}
    assert unused == set(), "listed, but no longer in the template"


def test_wildcards_in_resources_only_where_listed(template: dict[str, Any]) -> None:
    found = {
        canonical(text)
        for _, statement in statements(template)
        for resource in as_list(statement.get("Resource", []))
        if "*" in (text := flat(resource)) and text != "*"
    }
    assert found == set(PREFIXES)


def test_no_managed_policies_and_no_inline_ones(of_type: Any) -> None:
    """All rights are in the policies that the tests above read."""
    for role in of_type("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role
        # The VPC's flow log role is the services' own; it is read above as a policy.
        assert "Policies" not in role


def actions_of(template: dict[str, Any], role: str) -> set[str]:
    return {
        action
        for owner, statement in statements(template)
        if owner.startswith(role)
        for action in as_list(statement["Action"])
    }


@pytest.mark.parametrize("role", ["TaskRole", "FunctionsPlanRole", "FunctionsListQueriesRole"])
def test_these_roles_touch_s3_and_their_logs_only(template: dict[str, Any], role: str) -> None:
    assert {action.split(":")[0] for action in actions_of(template, role)} <= {"s3", "logs"}


def test_publish_asks_athena_for_answers_and_runs_nothing(template: dict[str, Any]) -> None:
    athena = {a for a in actions_of(template, "FunctionsPublishRole") if a.startswith("athena:")}
    assert athena == {"athena:GetQueryExecution", "athena:GetQueryResults"}


def test_nobody_deletes_anything(template: dict[str, Any]) -> None:
    """But log deliveries, which are Step Functions' own."""
    deleting = {
        action
        for _, statement in statements(template)
        for action in as_list(statement["Action"])
        if "Delete" in action and action != "logs:DeleteLogDelivery"
    }
    assert deleting == set()


def test_only_the_committing_roles_register_partitions(template: dict[str, Any]) -> None:
    committing = {
        owner
        for owner, statement in statements(template)
        if "glue:BatchCreatePartition" in as_list(statement["Action"])
    }
    assert {name.split("Role")[0] for name in committing} == {
        "FunctionsReconcile",
        "FunctionsVerdict",
        "FunctionsWriteSelection",
    }


def test_publish_writes_nothing_but_success_and_the_go(template: dict[str, Any]) -> None:
    written = {
        canonical(flat(resource))
        for owner, statement in statements(template)
        if owner.startswith("FunctionsPublishRole") and "s3:PutObject" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }
    assert written == {"<StorageData.Arn>/runs/*/_SUCCESS.json", "<StorageData.Arn>/go/*"}


def test_roles_are_passed_to_ecs_alone(template: dict[str, Any]) -> None:
    passing = [s for _, s in statements(template) if "iam:PassRole" in as_list(s["Action"])]
    assert passing
    for statement in passing:
        if "Condition" in statement:
            assert statement["Condition"] == {
                "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
            }
        else:  # CDK's flow log, which passes one role
            assert flat(as_list(statement["Resource"])[0]).startswith("<NetworkVpc")
