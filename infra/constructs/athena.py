"""The Athena workgroup: clients cannot override where results go, their encryption or the cut-off."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.paths import ATHENA_RESULTS
from infra.settings import Athena

_WorkGroup = athena.CfnWorkGroup


class WorkGroup(Construct):
    """Workgroup `darkhalo`."""

    def __init__(self, scope: Construct, id: str, *, bucket: s3.IBucket, settings: Athena) -> None:
        super().__init__(scope, id)
        self.name = settings.workgroup
        self.resource = _WorkGroup(
            self,
            "WorkGroup",
            name=settings.workgroup,
            description="Checks, selection function and people's queries of Dark Halo Scope",
            recursive_delete_option=True,  # else a query history keeps the stack from going
            work_group_configuration=_WorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=settings.bytes_scanned_cutoff,
                engine_version=_WorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=_WorkGroup.ResultConfigurationProperty(
                    output_location=bucket.s3_url_for_object(ATHENA_RESULTS),
                    encryption_configuration=_WorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_S3"
                    ),
                ),
            ),
        )
        self.arn = cdk.Stack.of(self).format_arn(
            service="athena", resource="workgroup", resource_name=settings.workgroup
        )
