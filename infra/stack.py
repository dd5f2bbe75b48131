"""The one stack: each construct, and what it is given."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.constructs.athena import WorkGroup
from infra.constructs.catalogue import Catalogue
from infra.constructs.functions import Functions
from infra.constructs.log_group import log_group
from infra.constructs.network import IsolatedNetwork
from infra.constructs.state_machine import Machine
from infra.constructs.state_machine_role import StateMachineRole
from infra.constructs.storage import Storage
from infra.constructs.task import Task
from infra.settings import Settings
from pipeline.schema import DATABASE


class DarkHaloScopeStack(cdk.Stack):
    """Everything of one deployment."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        keep = settings.retention
        task_logs = log_group(self, "TaskLogs", keep)
        bucket = Storage(self, "Storage", retention=keep).data
        Catalogue(self, "Catalogue", bucket=bucket)
        workgroup = WorkGroup(self, "Athena", bucket=bucket, settings=settings.athena)
        network = IsolatedNetwork(
            self,
            "Network",
            settings=settings.network,
            bucket=bucket,
            task_logs=task_logs,
            flow_logs=log_group(self, "FlowLogs", keep),
        )
        task = Task(
            self,
            "Task",
            settings=settings.tasks,
            bucket=bucket,
            sky_buckets=settings.network.sky_buckets,
            vpc=network.vpc,
            log_group=task_logs,
        )
        functions = Functions(
            self,
            "Functions",
            settings=settings.functions,
            retention=keep,
            bucket=bucket,
            workgroup_arn=workgroup.arn,
        )
        role = StateMachineRole(
            self,
            "MachineRole",
            bucket=bucket,
            workgroup_arn=workgroup.arn,
            functions=functions.all,
            task=task,
        )
        machine = Machine(
            self,
            "Machine",
            settings=settings,
            bucket=bucket,
            functions=functions,
            task=task,
            network=network,
            role=role,
            # This prefix spares the log group a line in an account-wide policy of limited size.
            log_group=log_group(self, "MachineLogs", keep, f"/aws/vendedlogs/states/{id}"),
        )
        outputs = {
            "DataBucketName": bucket.bucket_name,
            "StateMachineArn": machine.machine.state_machine_arn,
            "WorkGroupName": workgroup.name,
            "DatabaseName": DATABASE,
            "ClusterName": task.cluster.cluster_name,
        }
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
