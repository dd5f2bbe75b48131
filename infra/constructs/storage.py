"""The data bucket, and the bucket that holds its access logs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.paths import ATHENA_RESULTS, CACHE, HOSTS, MAP_RESULTS, RUNS
from infra.settings import Retention


class Storage(Construct):
    """Private, TLS only, encrypted, versioned, written once, kept when the stack goes."""

    def __init__(self, scope: Construct, id: str, *, retention: Retention) -> None:
        super().__init__(scope, id)
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(id="expire", expiration=cdk.Duration.days(retention.access_logs_days))
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.data = s3.Bucket(
            self,
            "Data",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="data/",
            lifecycle_rules=_lifecycle(retention),
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.data.add_to_resource_policy(_write_once(self.data))


def _write_once(bucket: s3.IBucket) -> iam.PolicyStatement:
    """Refuse writes to runs, hosts and the cache without If-None-Match: nothing is ever overwritten.

    The parts of a multipart upload cannot carry the header; its completion can, and must.
    """
    return iam.PolicyStatement(
        sid="WriteOnce",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["s3:PutObject"],
        resources=[bucket.arn_for_objects(f"{prefix}*") for prefix in (RUNS, HOSTS, CACHE)],
        conditions={
            "Null": {"s3:if-none-match": "true"},
            "Bool": {"s3:ObjectCreationOperation": "true"},
        },
    )


def _lifecycle(retention: Retention) -> list[s3.LifecycleRule]:
    days = cdk.Duration.days
    return [
        s3.LifecycleRule(
            id="athena-results", prefix=ATHENA_RESULTS, expiration=days(retention.athena_results_days)
        ),
        s3.LifecycleRule(
            id="map-results", prefix=f"{MAP_RESULTS}/", expiration=days(retention.map_results_days)
        ),
        s3.LifecycleRule(
            id="noncurrent",
            noncurrent_version_expiration=days(retention.noncurrent_days),
            abort_incomplete_multipart_upload_after=days(1),
        ),
    ]
