"""Deploying: nothing is skipped in silence, nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pytest

from local_cloud import CloudRunningError, host
from local_cloud.assets import Image
from local_cloud.moto_backends.ecs import command_line
from local_cloud.moto_backends.extension_points import generate_resource_name
from local_cloud.resources import ACCEPTED, UnsupportedResource, check_template
from tests.local_cloud.assembly import STACK, write_assembly
from tests.local_cloud.conftest import is_alive, until


def test_every_resource_of_the_template_exists(cloud):
    assert cloud.outputs["Unnamed"].startswith("tiny-unnamed-")
    assert (
        cloud.client("glue").get_table(DatabaseName="tiny", Name="numbers")["Table"]["StorageDescriptor"][
            "Location"
        ]
        == "s3://tiny-data/numbers/"
    )
    group = cloud.client("athena").get_work_group(WorkGroup="tiny")["WorkGroup"]
    assert group["Configuration"]["EnforceWorkGroupConfiguration"] is True
    assert len(cloud.client("athena").list_named_queries(WorkGroup="tiny")["NamedQueryIds"]) == 1
    cluster = cloud.client("ecs").describe_clusters(clusters=["tiny"])["clusters"][0]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    subscriptions = cloud.client("sns").list_subscriptions()["Subscriptions"]
    assert [one["Endpoint"] for one in subscriptions] == ["ops@example.org"]


def test_what_has_no_effect_is_said(cloud):
    said = "\n".join(cloud.not_emulated)
    assert "AWS::CloudWatch::Alarm: accepted without effect" in said
    assert "AWS::S3::BucketPolicy: accepted without effect" in said
    assert "AWS::Budgets::Budget" not in said
    assert "IAM" in said


def test_the_process_environment_points_at_the_cloud_and_children_get_it(cloud):
    assert os.environ["AWS_ENDPOINT_URL"] == cloud.endpoint_url
    names = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
    assert "tiny-data" in names


def test_a_type_that_would_be_missing_fails_by_name():
    template = {
        "Resources": {
            "Q": {"Type": "AWS::QLDB::Ledger"},
            "C": {"Type": "Custom::Mine"},
            "R": {"Type": "AWS::IAM::Role"},
        }
    }
    with pytest.raises(UnsupportedResource, match=r"C \(Custom::Mine\), Q \(AWS::QLDB::Ledger\)") as caught:
        check_template(template)
    assert "AWS::IAM::Role" not in str(caught.value)


def test_every_accepted_type_has_a_reason():
    assert all(reason for reason in ACCEPTED.values())


def test_names_are_the_same_in_every_session_and_differ_within_one():
    names = [generate_resource_name("AWS::IAM::Policy", "Stack", f"Logical{number}") for number in range(100)]
    assert len(set(names)) == 100
    assert names == [
        generate_resource_name("AWS::IAM::Policy", "Stack", f"Logical{number}") for number in range(100)
    ]
    long = generate_resource_name("AWS::S3::Bucket", "S" * 80, "L" * 80)
    assert len(long) <= 63
    assert long == long.lower()


IMAGE = Image(Path("/i"), ("python", "-m"), ("job",))


@pytest.mark.parametrize(
    ("container", "overrides", "expected"),
    [
        ({}, {}, [sys.executable, "-m", "job"]),
        ({"command": ["other"]}, {}, [sys.executable, "-m", "other"]),
        ({"command": ["other"]}, {"command": ["third"]}, [sys.executable, "-m", "third"]),
        ({"entryPoint": ["/usr/bin/python3.11", "x.py"]}, {}, [sys.executable, "x.py"]),
        ({"entryPoint": ["sh", "-c"], "command": ["python x"]}, {}, ["sh", "-c", "python x"]),
    ],
)
def test_command_lines_follow_dockers_rules(container, overrides, expected):
    assert command_line({"name": "c", **container}, overrides, IMAGE) == expected


def script(assembly: Path, storage: Path, body: str) -> str:
    return f"""
import os, sys, threading, time
from pathlib import Path
from local_cloud.cloud import DeployError, LocalCloud
before = dict(os.environ)
cloud = LocalCloud(Path({str(assembly)!r}), {STACK!r}, Path({str(storage)!r}))
{body}
"""


def run(text: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"AWS_PROFILE": "the-users", "AWS_SESSION_TOKEN": "secret"}
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env=environment, check=False
    )


def test_afterwards_everything_is_as_it_was(assembly, tmp_path):
    body = """
import moto.s3.models, moto.cloudformation.parsing as parsing
from local_cloud.moto_backends.extension_points import POINTS
with cloud:
    assert "AWS_PROFILE" not in os.environ and "AWS_SESSION_TOKEN" not in os.environ
    assert all(getattr(owner, name) is replacement for owner, name, replacement in POINTS)
    lambda_ = cloud.client("lambda")
    lambda_.invoke(FunctionName=cloud.outputs["Function"])
    endpoint = cloud.endpoint_url
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert not any(getattr(owner, name) is replacement for owner, name, replacement in POINTS)
import urllib.request
try:
    urllib.request.urlopen(endpoint)
except OSError as error:
    print("closed")
with cloud:
    assert cloud.outputs["Topic"]
print("again")
"""
    done = run(script(assembly, tmp_path, body))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["closed", "again"]


def test_a_resource_that_cannot_be_created_and_a_stack_that_is_not_there_fail_by_name(tmp_path):
    extra = {
        "Copy": {"Type": "AWS::Athena::WorkGroup", "DependsOn": "WorkGroup", "Properties": {"Name": "tiny"}},
    }
    assembly = write_assembly(tmp_path / "assembly", extra)
    body = """
for stack in ("Tiny", "Nobody"):
    cloud.stack = stack
    try:
        cloud.__enter__()
    except DeployError as error:
        print(error)
    assert dict(os.environ) == before
"""
    done = run(script(assembly, tmp_path / "storage", body))
    assert done.returncode == 0, done.stderr
    assert "Copy (AWS::Athena::WorkGroup)" in done.stdout
    assert "exists already" in done.stdout
    assert "the assembly has no stack 'Nobody', only Tiny" in done.stdout


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT"])
def test_no_process_outlives_the_cloud(assembly, tmp_path, ending):
    marker = tmp_path / "marker"
    marker.mkdir()
    body = f"""
with cloud:
    variables = {{"MODE": "stubborn", "MARKER": {str(marker)!r}}}
    environment = [{{"name": key, "value": value}} for key, value in variables.items()]
    network = {{"awsvpcConfiguration": {{"subnets": [cloud.outputs["Subnet"]], "securityGroups": []}}}}
    overrides = {{"containerOverrides": [{{"name": "job", "environment": environment}}]}}
    cloud.client("ecs").run_task(
        cluster="tiny", taskDefinition=cloud.outputs["Task"], launchType="FARGATE",
        networkConfiguration=network, overrides=overrides)
    pids = Path({str(marker)!r}, "pids")
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        time.sleep(0.01)
    print("ready", flush=True)
    time.sleep(600)
"""
    text = script(assembly, tmp_path / "storage", body)
    process = subprocess.Popen(  # a shell's background jobs ignore SIGINT, and their children with them
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    pids = [int(pid) for pid in (marker / "pids").read_text().split()]
    assert all(is_alive(pid) for pid in pids)
    process.send_signal(getattr(signal, ending))
    process.communicate(timeout=120)
    assert process.returncode != 0
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_second_cloud_on_the_same_storage_is_refused(cloud, monkeypatch):
    monkeypatch.setattr(host, "_one_at_a_time", threading.Lock())  # as if in another process
    with pytest.raises(CloudRunningError, match="another local cloud uses"), host.alone(cloud.logs.parent):
        pass


def test_the_template_is_deployed_unmodified(cloud, assembly):
    template = cloud.client("cloudformation").get_template(StackName=STACK)["TemplateBody"]
    assert json.loads(json.dumps(template)) == json.loads((assembly / f"{STACK}.template.json").read_text())
