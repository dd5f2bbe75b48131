"""An isolated VPC for the tasks: no internet gateway, no NAT, four ways out, each to one AWS service.

A NAT gateway would charge $0.045 for every GB of coadds; the S3 gateway endpoint is free. Interface
endpoints cost about $7 a month each and zone, so there are only those that a Fargate task cannot start
without: ecr.api and ecr.dkr (its image) and logs (its output).
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.paths import CACHE, RUNS
from infra.settings import Network


class IsolatedNetwork(Construct):
    """VPC, endpoints and the tasks' security group."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Network,
        bucket: s3.IBucket,
        task_logs: logs.ILogGroup,
        flow_logs: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            max_azs=settings.availability_zones,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
            ],
            # Emptying the default group takes a custom resource; nothing of ours is in that group.
            restrict_default_security_group=False,
            flow_logs={
                "rejected": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs),
                    traffic_type=ec2.FlowLogTrafficType.REJECT,
                )
            },
        )
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.task_group = self._group("TaskGroup", "Tasks: out to the endpoints, nothing in")
        # S3's public addresses, reached through the gateway endpoint: there is no other route out.
        self.task_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS to the endpoints")
        self._s3_endpoint(bucket, settings.sky_buckets)
        self._interface_endpoints(task_logs)

    def _group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, id, vpc=self.vpc, description=description, allow_all_outbound=False)

    def _s3_endpoint(self, bucket: s3.IBucket, sky_buckets: tuple[str, ...]) -> None:
        """S3, but only our data, the survey's mirrors and the layers of ECR's images."""
        endpoint = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        stack = cdk.Stack.of(self)
        readable = [f"arn:{stack.partition}:s3:::prod-{stack.region}-starport-layer-bucket/*"]
        readable += [f"arn:{stack.partition}:s3:::{name}/*" for name in sky_buckets]
        listable = [f"arn:{stack.partition}:s3:::{name}" for name in sky_buckets]
        endpoint.add_to_policy(_anyone(["s3:GetObject"], [*readable, bucket.arn_for_objects("*")]))
        endpoint.add_to_policy(_anyone(["s3:ListBucket"], [*listable, bucket.bucket_arn]))
        endpoint.add_to_policy(
            _anyone(
                ["s3:PutObject", "s3:AbortMultipartUpload"],
                [bucket.arn_for_objects(f"{prefix}*") for prefix in (RUNS, CACHE)],
            )
        )

    def _interface_endpoints(self, task_logs: logs.ILogGroup) -> None:
        group = self._group("EndpointGroup", "Endpoints: HTTPS from the tasks")
        group.add_ingress_rule(self.task_group, ec2.Port.tcp(443), "HTTPS from the tasks")
        service = ec2.InterfaceVpcEndpointAwsService
        for id, where in (("EcrApi", service.ECR), ("EcrDkr", service.ECR_DOCKER)):
            endpoint = self._endpoint(id, where, group)
            endpoint.add_to_policy(_anyone(["ecr:GetAuthorizationToken"], ["*"]))
            endpoint.add_to_policy(_anyone(_PULL, [self._own_repositories()]))
        endpoint = self._endpoint("Logs", service.CLOUDWATCH_LOGS, group)
        endpoint.add_to_policy(
            _anyone(["logs:CreateLogStream", "logs:PutLogEvents"], [task_logs.log_group_arn])
        )

    def _endpoint(
        self, id: str, service: ec2.IInterfaceVpcEndpointService, group: ec2.ISecurityGroup
    ) -> ec2.InterfaceVpcEndpoint:
        return self.vpc.add_interface_endpoint(
            id, service=service, security_groups=[group], open=False, subnets=self.subnets
        )

    def _own_repositories(self) -> str:
        return cdk.Stack.of(self).format_arn(service="ecr", resource="repository", resource_name="cdk-*")


_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def _anyone(actions: list[str], resources: list[str]) -> iam.PolicyStatement:
    """An endpoint's policy narrows what may pass; who may do it is said by the roles."""
    return iam.PolicyStatement(actions=actions, resources=resources, principals=[iam.AnyPrincipal()])
