"""The Glue database and its tables, generated from `pipeline.schema`.

No partition projection: a partition is registered when its run has been reconciled, so that a query never
sees half a run.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.paths import RUNS
from pipeline.schema import DATABASE, TABLES, Table

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class Catalogue(Construct):
    """Database `darkhalo` with every table of the schema."""

    def __init__(self, scope: Construct, id: str, *, bucket: s3.IBucket) -> None:
        super().__init__(scope, id)
        account = cdk.Stack.of(self).account
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=DATABASE, description="Dark Halo Scope: injections, measurements and verdicts"
            ),
        )
        self.database.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.tables = [self._table(table, bucket, account) for table in TABLES]

    def _table(self, table: Table, bucket: s3.IBucket, account: str) -> glue.CfnTable:
        resource = glue.CfnTable(
            self,
            f"Table{table.name.title().replace('_', '')}",
            catalog_id=account,
            database_name=DATABASE,
            table_input=_table_input(table, bucket.s3_url_for_object(RUNS)),
        )
        resource.add_resource_dependency(self.database)
        resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return resource


def _table_input(table: Table, location: str) -> glue.CfnTable.TableInputProperty:
    return glue.CfnTable.TableInputProperty(
        name=table.name,
        description=table.meaning,
        table_type="EXTERNAL_TABLE",
        parameters={"EXTERNAL": "TRUE", "classification": "parquet"},
        partition_keys=[
            glue.CfnTable.ColumnProperty(name=name, type="string") for name in table.partition_keys
        ],
        storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
            columns=[
                glue.CfnTable.ColumnProperty(name=c.name, type=c.type, comment=_comment(c.meaning, c.unit))
                for c in table.columns
            ],
            location=location,  # never read: each registered partition carries its own
            input_format=f"{_PARQUET}.MapredParquetInputFormat",
            output_format=f"{_PARQUET}.MapredParquetOutputFormat",
            serde_info=glue.CfnTable.SerdeInfoProperty(
                serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"
            ),
        ),
    )


def _comment(meaning: str, unit: str) -> str:
    """The data dictionary's line; Glue takes 255 characters."""
    return (f"{meaning} [{unit}]" if unit else meaning)[:255]
