"""A small hand-written cloud assembly, in the form that CDK writes: quick to deploy, every part used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STACK = "Tiny"
TASK = '''
"""The task's image: does what MODE says."""
import os, signal, subprocess, sys, time, pathlib
mode, bucket = os.environ["MODE"], os.environ["DATA_BUCKET"]
print("hello from", mode, flush=True)
if mode == "write":
    import boto3
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=os.environ["KEY"], Body=b"from the task", IfNoneMatch="*")
elif mode == "exit":
    sys.exit(int(os.environ["CODE"]) if "CODE" in os.environ else "boom: 3")
elif mode == "fail-later":
    while not pathlib.Path(os.environ["MARKER"], "pids").exists():
        time.sleep(0.01)
    sys.exit("failed while the other one runs")
elif mode == "where":
    import helper
    print("helper from", helper.__file__, "cwd", os.getcwd(), "extra", os.environ.get("EXTRA"), flush=True)
    print("profile", os.environ.get("AWS_PROFILE"), flush=True)
elif mode == "flaky":
    marker = pathlib.Path(os.environ["MARKER"])
    tries = len(list(marker.glob("try-*")))
    (marker / f"try-{tries}").touch()
    sys.exit(1 if tries < 2 else 0)
elif mode in ("sleep", "stubborn"):
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(os.environ["MARKER"], "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
elif mode == "overlap":
    folder = pathlib.Path(os.environ["MARKER"])
    mine = folder / f"running-{os.getpid()}"
    mine.touch()
    time.sleep(0.15)
    (folder / f"seen-{os.getpid()}").write_text(str(len(list(folder.glob("running-*")))))
    mine.unlink()
'''
HANDLER = """
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    print("handling", event)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "exit" in event:
        os._exit(event["exit"])
    if "unserialisable" in event:
        return {1, 2}
    return {"echo": event, "calls": calls, "pid": os.getpid(), "left": context.get_remaining_time_in_millis(),
            "value": os.environ["VALUE"]}
"""


def write_assembly(folder: Path, extra: dict[str, Any] | None = None) -> Path:
    """Write the assembly into `folder`; `extra` resources are added to the template."""
    image, code = folder / "asset.image", folder / "asset.code"
    for asset in (image, code, folder / "asset.broken"):
        asset.mkdir(parents=True)
    (image / "job.py").write_text(TASK)
    (image / "helper.py").write_text("")
    (image / "Dockerfile").write_text('FROM scratch\nENTRYPOINT ["python", "-m"]\nCMD ["job"]\n')
    (code / "handler.py").write_text(HANDLER)
    (folder / "asset.broken" / "handler.py").write_text("import no_such_module\n")
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": f"{STACK}.template.json"}}
    _write(folder / "manifest.json", {"version": "50.0.0", "artifacts": {STACK: artifact}})
    _write(folder / f"{STACK}.assets.json", _assets())
    _write(folder / f"{STACK}.template.json", template(extra or {}))
    return folder


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def _assets() -> dict[str, Any]:
    bucket = "cdk-assets-${AWS::AccountId}-${AWS::Region}"
    files = {
        name: {
            "source": {"path": f"asset.{name}", "packaging": "zip"},
            "destinations": {"here": {"bucketName": bucket, "objectKey": f"{name}.zip"}},
        }
        for name in ("code", "broken")
    }
    image = {
        "source": {"directory": "asset.image"},
        "destinations": {"here": {"repositoryName": "assets", "imageTag": "image-tag"}},
    }
    return {"version": "50.0.0", "files": files, "dockerImages": {"image": image}}


def function(asset: str, timeout: int = 20) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {
                "S3Bucket": {"Fn::Sub": "cdk-assets-${AWS::AccountId}-${AWS::Region}"},
                "S3Key": f"{asset}.zip",
            },
            "Handler": "handler.handler",
            "Runtime": "python3.11",
            "Timeout": timeout,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Environment": {"Variables": {"VALUE": "from the template"}},
        },
    }


def task_definition(**container: Any) -> dict[str, Any]:
    image = {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/assets:image-tag"}
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Cpu": "1024",
            "Memory": "2048",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "ContainerDefinitions": [
                {
                    "Name": "job",
                    "Image": image,
                    "StopTimeout": 1,
                    "Environment": [{"Name": "DATA_BUCKET", "Value": {"Ref": "Data"}}],
                    "LogConfiguration": {
                        "LogDriver": "awslogs",
                        "Options": {"awslogs-group": {"Ref": "Logs"}, "awslogs-stream-prefix": "task"},
                    },
                    **container,
                }
            ],
        },
    }


def template(extra: dict[str, Any]) -> dict[str, Any]:
    """Every kind of resource that the product's stack has, once."""
    pass_machine = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    }
    resources: dict[str, Any] = {
        "Data": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "tiny-data"}},
        "Unnamed": {"Type": "AWS::S3::Bucket"},
        "TlsOnly": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Data"},
                "PolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Action": "s3:*",
                            "Principal": "*",
                            "Resource": "*",
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ]
                },
            },
        },
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "tasks"}},
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": "10.0.0.0/24",
                "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
            },
        },
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "tiny"}},
        "Providers": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": {"Ref": "Cluster"},
                "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                "DefaultCapacityProviderStrategy": [],
            },
        },
        "Task": task_definition(),
        "Function": function("code"),
        "Slow": function("code", timeout=1),
        "Broken": function("broken"),
        "Database": {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": "x", "DatabaseInput": {"Name": "tiny"}},
        },
        "Table": {
            "Type": "AWS::Glue::Table",
            "DependsOn": "Database",
            "Properties": {
                "CatalogId": "x",
                "DatabaseName": "tiny",
                "TableInput": {
                    "Name": "numbers",
                    "TableType": "EXTERNAL_TABLE",
                    "Parameters": {"classification": "parquet"},
                    "StorageDescriptor": {
                        "Columns": [{"Name": "n", "Type": "bigint"}, {"Name": "name", "Type": "string"}],
                        "Location": {"Fn::Sub": "s3://${Data}/numbers/"},
                    },
                },
            },
        },
        "WorkGroup": {
            "Type": "AWS::Athena::WorkGroup",
            "Properties": {
                "Name": "tiny",
                "WorkGroupConfiguration": {
                    "EnforceWorkGroupConfiguration": "true",
                    "BytesScannedCutoffPerQuery": 1000000,
                    "ResultConfiguration": {"OutputLocation": {"Fn::Sub": "s3://${Data}/results/"}},
                },
            },
        },
        "Query": {
            "Type": "AWS::Athena::NamedQuery",
            "Properties": {"Database": "tiny", "QueryString": "SELECT 1", "WorkGroup": {"Ref": "WorkGroup"}},
        },
        "Statement": {
            "Type": "AWS::Athena::PreparedStatement",
            "Properties": {
                "StatementName": "count_up_to",
                "QueryStatement": "SELECT count(*) FROM numbers WHERE n <= ?",
                "WorkGroup": {"Ref": "WorkGroup"},
            },
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "tiny"}},
        "Mail": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "ops@example.org"},
        },
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmActions": [{"Ref": "Topic"}]}},
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "DefinitionString": json.dumps(pass_machine),
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
        **extra,
    }
    names = ("Unnamed", "Subnet", "Task", "Function", "Slow", "Broken", "Topic", "Machine", "Alarm")
    outputs = {name: {"Value": {"Ref": name}} for name in names}
    outputs["RoleArn"] = {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
    return {"Parameters": {"BootstrapVersion": parameter}, "Resources": resources, "Outputs": outputs}
