"""AWS::ECS::ClusterCapacityProviderAssociations."""

from __future__ import annotations

from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.ecs.models import ecs_backends

from local_cloud.resources.base import LocalResource, native


class CapacityProviders(LocalResource, CloudFormationModel):
    """FARGATE and FARGATE_SPOT of a cluster: recorded, and both are this machine."""

    TYPE = "AWS::ECS::ClusterCapacityProviderAssociations"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> CapacityProviders:
        strategy = [_camel(entry) for entry in native(properties.get("DefaultCapacityProviderStrategy", []))]
        ecs_backends[account][region].put_cluster_capacity_providers(
            properties["Cluster"], properties["CapacityProviders"], strategy
        )
        return cls(properties["Cluster"], properties)


def _camel(entry: dict[str, Any]) -> dict[str, Any]:
    return {key[:1].lower() + key[1:]: value for key, value in entry.items()}
