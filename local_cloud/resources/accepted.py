"""Resource types that are accepted without effect, each with the reason. Ref and Fn::GetAtt work."""

from __future__ import annotations

import functools
from typing import Any

from local_cloud.resources.base import LocalResource

_NO_METRICS = "no metrics are collected here, so nothing would ever fire"
_NO_IAM = "permissions are not enforced here"
_NO_NETWORK = "there is no network here: tasks are processes of this machine"
_NO_LIFE = "the cloud's state goes with its process"
_NO_LOGS = "logs are plain files here"

ACCEPTED: dict[str, str] = {
    "AWS::Athena::CapacityReservation": "queries run on this machine",
    "AWS::Budgets::Budget": "nothing costs anything here",
    "AWS::Budgets::BudgetsAction": "nothing costs anything here",
    "AWS::CDK::Metadata": "it is a note of the CDK to itself",
    "AWS::CE::AnomalyMonitor": "nothing costs anything here",
    "AWS::CE::AnomalySubscription": "nothing costs anything here",
    "AWS::CloudWatch::Alarm": _NO_METRICS,
    "AWS::CloudWatch::AnomalyDetector": _NO_METRICS,
    "AWS::CloudWatch::CompositeAlarm": _NO_METRICS,
    "AWS::CloudWatch::Dashboard": _NO_METRICS,
    "AWS::EC2::NetworkAcl": _NO_NETWORK,
    "AWS::EC2::NetworkAclEntry": _NO_NETWORK,
    "AWS::EC2::SecurityGroupEgress": _NO_NETWORK,
    "AWS::EC2::SubnetNetworkAclAssociation": _NO_NETWORK,
    "AWS::IAM::ServiceLinkedRole": _NO_IAM,
    "AWS::KMS::ReplicaKey": "nothing is encrypted here",
    "AWS::LakeFormation::DataLakeSettings": _NO_IAM,
    "AWS::LakeFormation::PrincipalPermissions": _NO_IAM,
    "AWS::Lambda::EventInvokeConfig": "functions are invoked synchronously here",
    "AWS::Logs::LogStream": _NO_LOGS,
    "AWS::Logs::MetricFilter": _NO_METRICS,
    "AWS::Logs::QueryDefinition": _NO_LOGS,
    "AWS::Logs::SubscriptionFilter": _NO_LOGS,
    "AWS::ResourceGroups::Group": "it is a view of the console",
    "AWS::S3::BucketPolicy": "moto drops its conditions: a TLS-only bucket would refuse everyone",
    "AWS::SNS::TopicPolicy": _NO_IAM,
    "AWS::SQS::QueuePolicy": _NO_IAM,
    "AWS::StepFunctions::StateMachineAlias": "executions are started on the machine itself",
    "AWS::StepFunctions::StateMachineVersion": "executions are started on the machine itself",
    "AWS::XRay::Group": "nothing is traced here",
    "Custom::LogRetention": _NO_LOGS,
    "Custom::S3AutoDeleteObjects": _NO_LIFE,
    "Custom::VpcRestrictDefaultSG": _NO_NETWORK,
}


@functools.cache
def accepted_class(resource_type: str) -> type[Any]:
    """A class for an accepted type. Made on demand, and not by subclassing: moto need not find it itself."""
    return type(resource_type.replace("::", ""), (_Accepted,), {"TYPE": resource_type})


class _Accepted(LocalResource):
    """Keeps its properties and answers Ref and Fn::GetAtt with made-up names."""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        return f"arn:aws:local:::{self._physical_id}/{attribute_name}"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> _Accepted:
        return cls(name, properties)
