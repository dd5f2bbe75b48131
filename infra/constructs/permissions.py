"""Policy statements, each for one kind of access: the roles are lists of these."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from pipeline.schema import DATABASE


def read_objects(bucket: s3.IBucket, *prefixes: str) -> iam.PolicyStatement:
    """Read objects below the prefixes."""
    return iam.PolicyStatement(
        actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    )


def write_objects(bucket: s3.IBucket, *patterns: str) -> iam.PolicyStatement:
    """Write objects that match the patterns; nothing of ours ever deletes one."""
    return iam.PolicyStatement(
        actions=["s3:PutObject", "s3:AbortMultipartUpload"],
        resources=[bucket.arn_for_objects(pattern) for pattern in patterns],
    )


def list_keys(bucket: s3.IBucket, *prefixes: str) -> iam.PolicyStatement:
    """List below the prefixes; it also turns S3's answer for an absent key from 403 into 404."""
    return iam.PolicyStatement(
        actions=["s3:ListBucket"],
        resources=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
    )


def locate(bucket: s3.IBucket) -> iam.PolicyStatement:
    """What Athena asks of a bucket before it writes results there."""
    return iam.PolicyStatement(
        actions=["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], resources=[bucket.bucket_arn]
    )


def read_catalogue(scope: Construct) -> iam.PolicyStatement:
    """Read the database, its tables and partitions."""
    return iam.PolicyStatement(
        actions=[
            "glue:GetDatabase",
            "glue:GetTable",
            "glue:GetTables",
            "glue:GetPartition",
            "glue:GetPartitions",
            "glue:BatchGetPartition",
        ],
        resources=_catalogue_arns(scope),
    )


def register_partitions(scope: Construct) -> iam.PolicyStatement:
    """Add partitions after the pattern of their table, which commits a run; none is ever taken away."""
    return iam.PolicyStatement(
        actions=["glue:GetTable", "glue:BatchCreatePartition"], resources=_catalogue_arns(scope)
    )


def run_queries(workgroup_arn: str) -> iam.PolicyStatement:
    """Start a query in the workgroup and follow it."""
    return iam.PolicyStatement(
        actions=[
            "athena:StartQueryExecution",
            "athena:StopQueryExecution",
            "athena:GetQueryExecution",
            "athena:GetWorkGroup",
        ],
        resources=[workgroup_arn],
    )


def fetch_results(workgroup_arn: str) -> iam.PolicyStatement:
    """Read the results of queries of the workgroup."""
    return iam.PolicyStatement(
        actions=["athena:GetQueryExecution", "athena:GetQueryResults"], resources=[workgroup_arn]
    )


def _catalogue_arns(scope: Construct) -> list[str]:
    stack = cdk.Stack.of(scope)
    return [
        stack.format_arn(service="glue", resource="catalog"),
        stack.format_arn(service="glue", resource="database", resource_name=DATABASE),
        stack.format_arn(service="glue", resource="table", resource_name=f"{DATABASE}/*"),
    ]
