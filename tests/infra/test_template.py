"""The template: what is stored, where the tasks run, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.constructs.task import SCRATCH
from tests.infra.conftest import flat

pytestmark = pytest.mark.xdist_group("infra")


def test_resource_types_are_the_known_ones(template: dict[str, Any]) -> None:
    """A new type must be known to local_cloud too, which refuses what it does not know."""
    assert {resource["Type"] for resource in template["Resources"].values()} == {
        "AWS::Athena::WorkGroup",
        "AWS::EC2::FlowLog",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::ECS::Cluster",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ECS::TaskDefinition",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::StepFunctions::StateMachine",
    }


def test_buckets_are_private_encrypted_and_kept(template: dict[str, Any], of_type: Any) -> None:
    for name, bucket in of_type("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        assert template["Resources"][name]["DeletionPolicy"] == "Retain"
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_every_bucket_refuses_plain_http(of_type: Any) -> None:
    policies = of_type("AWS::S3::BucketPolicy").values()
    assert {policy["Bucket"]["Ref"] for policy in policies} == set(of_type("AWS::S3::Bucket"))
    for policy in policies:
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        plain = {"Bool": {"aws:SecureTransport": "false"}}
        assert [s["Action"] for s in denied if s["Condition"] == plain] == ["s3:*"]


def test_runs_hosts_and_cache_are_written_once(of_type: Any) -> None:
    policies = of_type("AWS::S3::BucketPolicy").values()
    statements = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
    (once,) = (s for s in statements if s.get("Sid") == "WriteOnce")
    assert (once["Effect"], once["Action"]) == ("Deny", "s3:PutObject")
    assert once["Condition"]["Null"] == {"s3:if-none-match": "true"}
    written = {flat(resource).split("/", 1)[1] for resource in once["Resource"]}
    assert written == {"runs/*", "hosts/*", "cache/*"}


def test_data_bucket_is_versioned_and_expires_only_results(of_type: Any) -> None:
    (data,) = (b for b in of_type("AWS::S3::Bucket").values() if "VersioningConfiguration" in b)
    rules = {rule["Id"]: rule for rule in data["LifecycleConfiguration"]["Rules"]}
    expiring = {rule["Prefix"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expiring == {"athena-results/", "map-results/"}
    assert "NoncurrentVersionExpiration" in rules["noncurrent"]


def test_no_way_to_the_internet(template: dict[str, Any], of_type: Any) -> None:
    types = {resource["Type"] for resource in template["Resources"].values()}
    assert not types & {
        "AWS::EC2::NatGateway",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::Route",
        "AWS::EC2::EIP",
    }
    assert not any(s.get("MapPublicIpOnLaunch") for s in of_type("AWS::EC2::Subnet").values())


def test_endpoints_are_the_four_with_a_reason_and_have_policies(of_type: Any) -> None:
    endpoints = of_type("AWS::EC2::VPCEndpoint").values()
    services = sorted(json.dumps(e["ServiceName"]).split(".", 2)[-1].strip('"]} ') for e in endpoints)
    assert [name.rsplit('"', 1)[-1].lstrip(".") for name in services] == ["ecr.api", "ecr.dkr", "logs", "s3"]
    assert all(e["PolicyDocument"]["Statement"] for e in endpoints)


def test_nothing_comes_in_but_https_from_tasks_to_endpoints(of_type: Any) -> None:
    (rule,) = of_type("AWS::EC2::SecurityGroupIngress").values()
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert "SourceSecurityGroupId" in rule
    assert not any("SecurityGroupIngress" in g for g in of_type("AWS::EC2::SecurityGroup").values())


def test_task_is_arm_unprivileged_and_read_only(of_type: Any) -> None:
    (task,) = of_type("AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    assert task["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] not in ("0", "root", None)
    assert container["Memory"] == int(task["Memory"])
    assert container["Command"] == ["python", "-m", "fargate.main"]
    assert {point["ContainerPath"] for point in container["MountPoints"]} == set(SCRATCH.values())
    assert task["TaskRoleArn"] != task["ExecutionRoleArn"]
    names = [entry["Name"] for entry in container["Environment"]]
    assert names == ["DARKHALO_BUCKET", "DARKHALO_CODE_VERSION"]


def test_functions(of_type: Any) -> None:
    functions = of_type("AWS::Lambda::Function")
    assert {f["Handler"] for f in functions.values()} == {
        f"lambdas.{name}.handler.handler"
        for name in ("plan", "reconcile", "list_queries", "verdict", "write_selection", "publish")
    }
    for function in functions.values():
        assert function["Runtime"] == "python3.11"
        assert function["Architectures"] == ["arm64"]
        assert function["Timeout"] >= 60
        assert set(function["Environment"]["Variables"]) == {"DARKHALO_BUCKET", "DARKHALO_CODE_VERSION"}
        assert "AWSSDKPandas-Python311-Arm64" in json.dumps(function["Layers"])
    assert len({json.dumps(f["Role"]) for f in functions.values()}) == len(functions)
    assert len({json.dumps(f["Code"]) for f in functions.values()}) == 1


def test_every_log_group_has_a_retention(template: dict[str, Any], of_type: Any) -> None:
    groups = of_type("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] for group in groups.values())
    assert all(template["Resources"][name]["DeletionPolicy"] == "Delete" for name in groups)


def test_state_machine_logs_carry_no_payloads(of_type: Any) -> None:
    (machine,) = of_type("AWS::StepFunctions::StateMachine").values()
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    assert machine["StateMachineType"] == "STANDARD"


def test_workgroup_is_enforced_and_bounded(of_type: Any) -> None:
    (group,) = of_type("AWS::Athena::WorkGroup").values()
    configuration = group["WorkGroupConfiguration"]
    assert group["Name"] == "darkhalo"
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] > 0
    result = configuration["ResultConfiguration"]
    assert "athena-results/" in json.dumps(result["OutputLocation"])
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}


def test_taggable_resources_carry_the_tags(of_type: Any) -> None:
    for kind in ("AWS::S3::Bucket", "AWS::Lambda::Function", "AWS::ECS::TaskDefinition"):
        for properties in of_type(kind).values():
            assert {tag["Key"] for tag in properties["Tags"]} >= {"project", "environment"}
