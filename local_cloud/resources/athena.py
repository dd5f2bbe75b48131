"""AWS::Athena::WorkGroup, NamedQuery and PreparedStatement."""

from __future__ import annotations

from typing import Any

from moto.athena.models import athena_backends
from moto.core.common_models import CloudFormationModel

from local_cloud.resources.base import LocalResource, native


class AthenaWorkGroup(LocalResource, CloudFormationModel):
    """A workgroup; its result location and bytes cut-off are obeyed."""

    TYPE = "AWS::Athena::WorkGroup"
    NAME_PROPERTY = "Name"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> AthenaWorkGroup:
        configuration = native(properties.get("WorkGroupConfiguration", {}))
        backend = athena_backends[account][region]
        made = backend.create_work_group(name, configuration, properties.get("Description", ""), [])
        if made is None:
            raise ValueError(f"Athena workgroup {name} exists already")
        return cls(name, properties)


class AthenaNamedQuery(LocalResource, CloudFormationModel):
    """A saved query."""

    TYPE = "AWS::Athena::NamedQuery"
    ATTRIBUTES = frozenset({"NamedQueryId"})

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> AthenaNamedQuery:
        identifier = athena_backends[account][region].create_named_query(
            properties.get("Name", name),
            properties.get("Description", ""),
            properties["Database"],
            properties["QueryString"],
            properties.get("WorkGroup", "primary"),
        )
        return cls(identifier, properties, {"NamedQueryId": identifier})


class AthenaPreparedStatement(LocalResource, CloudFormationModel):
    """A prepared statement, run with EXECUTE."""

    TYPE = "AWS::Athena::PreparedStatement"
    NAME_PROPERTY = "StatementName"

    @classmethod
    def create(
        cls, name: str, properties: dict[str, Any], account: str, region: str
    ) -> AthenaPreparedStatement:
        athena_backends[account][region].create_prepared_statement(
            name, properties["WorkGroup"], properties["QueryStatement"], properties.get("Description", "")
        )
        return cls(name, properties)
