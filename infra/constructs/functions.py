"""The Lambdas: one code asset, one layer, and for each function its own role and log group."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs import permissions as may
from infra.constructs.log_group import log_group
from infra.paths import ATHENA_RESULTS, GO, HOSTS, ROOT, RUNS
from infra.settings import Functions as FunctionSettings
from infra.settings import Retention
from pipeline.code_version import CODE_VERSION, code_hash
from pipeline.events import DATA_BUCKET

# Git's rules, as in task.py. `survey` goes along for the modules of it that need no astropy.
CODE_EXCLUDE = (
    "/*",
    "!/lambdas",
    "!/pipeline",
    "!/survey",
    "!/athena_sql",
    "__pycache__",
    "*.py[cod]",
    "*.nb[ci]",
    ".*",
)


class Functions(Construct):
    """plan, reconcile, list_queries, verdict, write_selection, publish."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: FunctionSettings,
        retention: Retention,
        bucket: s3.IBucket,
        workgroup_arn: str,
    ) -> None:
        super().__init__(scope, id)
        self._settings, self._retention, self._bucket = settings, retention, bucket
        self._code = lambda_.Code.from_asset(
            str(ROOT), exclude=list(CODE_EXCLUDE), ignore_mode=cdk.IgnoreMode.GIT
        )
        self._layer = lambda_.LayerVersion.from_layer_version_arn(self, "SdkForPandas", self._layer_arn())
        long, short = settings.timeout_minutes, settings.short_timeout_minutes
        own = [may.read_objects(bucket, RUNS), may.list_keys(bucket, RUNS)]
        results = [may.fetch_results(workgroup_arn), may.read_objects(bucket, RUNS, ATHENA_RESULTS)]
        commit = may.register_partitions(self)
        write = may.write_objects(bucket, f"{RUNS}*")

        self.plan = self._function(
            "Plan",
            "4a: hosts -> manifest and chunks",
            [may.read_objects(bucket, HOSTS, RUNS, GO), may.list_keys(bucket, HOSTS, RUNS, GO), write],
            minutes=long,
            memory=settings.plan_memory_mib,
        )
        self.reconcile = self._function(
            "Reconcile",
            "Planned = published + quarantined, then register",
            [*own, write, commit],
            minutes=long,
        )
        self.list_queries = self._function(
            "ListQueries",
            "The run's SQL",
            [may.read_objects(bucket, RUNS, GO), may.list_keys(bucket, RUNS, GO)],
            minutes=short,
        )
        self.verdict = self._function(
            "Verdict", "GO or NO-GO", [*results, may.list_keys(bucket, RUNS), write, commit], minutes=short
        )
        self.write_selection = self._function(
            "WriteSelection",
            "4d: query result -> selection_function",
            [*results, may.list_keys(bucket, RUNS), write, commit],
            minutes=short,
        )
        self.publish = self._function(
            "Publish",
            "_SUCCESS.json, last",
            [
                *results,
                may.list_keys(bucket, RUNS),
                may.write_objects(bucket, f"{RUNS}*/_SUCCESS.json", f"{GO}*"),
                may.read_objects(bucket, GO),
            ],
            minutes=short,
        )

    @property
    def all(self) -> list[lambda_.Function]:
        return [
            self.plan,
            self.reconcile,
            self.list_queries,
            self.verdict,
            self.write_selection,
            self.publish,
        ]

    def _function(
        self,
        name: str,
        description: str,
        statements: Sequence[iam.PolicyStatement],
        *,
        minutes: int,
        memory: int | None = None,
    ) -> lambda_.Function:
        logs = log_group(self, f"{name}Logs", self._retention)
        role = iam.Role(self, f"{name}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        logs.grant_write(role)
        for statement in statements:
            role.add_to_policy(statement)
        folder = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        return lambda_.Function(
            self,
            name,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_11,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"lambdas.{folder}.handler.handler",
            code=self._code,
            layers=[self._layer],
            role=role,
            log_group=logs,
            timeout=cdk.Duration.minutes(minutes),
            memory_size=memory or self._settings.memory_mib,
            environment={DATA_BUCKET: self._bucket.bucket_name, CODE_VERSION: code_hash(ROOT)},
        )

    def _layer_arn(self) -> str:
        settings = self._settings
        return cdk.Stack.of(self).format_arn(
            service="lambda",
            account=settings.layer_account,
            resource="layer",
            resource_name=f"{settings.layer_name}:{settings.layer_version}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
