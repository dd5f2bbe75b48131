"""AWS::Glue::Database, Table and Partition."""

from __future__ import annotations

from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.glue.models import glue_backends

from local_cloud.resources.base import LocalResource, native


class GlueDatabase(LocalResource, CloudFormationModel):
    """A database of the catalogue."""

    TYPE = "AWS::Glue::Database"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> GlueDatabase:
        given = dict(properties["DatabaseInput"])
        given.setdefault("Name", name.lower())
        glue_backends[account][region].create_database(given["Name"], given)
        return cls(given["Name"], properties)


class GlueTable(LocalResource, CloudFormationModel):
    """A table of the catalogue."""

    TYPE = "AWS::Glue::Table"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> GlueTable:
        given = native(properties["TableInput"])
        given.setdefault("Name", name.lower())
        given.setdefault("PartitionKeys", [])
        glue_backends[account][region].create_table(properties["DatabaseName"], given["Name"], given)
        return cls(given["Name"], properties)


class GluePartition(LocalResource, CloudFormationModel):
    """A partition that the stack itself registers."""

    TYPE = "AWS::Glue::Partition"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> GluePartition:
        database, table = properties["DatabaseName"], properties["TableName"]
        glue_backends[account][region].create_partition(database, table, native(properties["PartitionInput"]))
        return cls(name, properties)
