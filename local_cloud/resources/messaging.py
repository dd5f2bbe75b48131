"""AWS::SNS::Subscription."""

from __future__ import annotations

from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.sns.models import sns_backends

from local_cloud.resources.base import LocalResource


class SnsSubscription(LocalResource, CloudFormationModel):
    """A subscription; Lambda functions and queues get their messages, mail goes nowhere."""

    TYPE = "AWS::SNS::Subscription"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> SnsSubscription:
        topic, endpoint = properties["TopicArn"], properties.get("Endpoint", "")
        subscription = sns_backends[account][region].subscribe(topic, endpoint, properties["Protocol"])
        return cls(subscription.arn, properties, {"SubscriptionArn": subscription.arn})
