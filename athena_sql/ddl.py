"""CREATE EXTERNAL TABLE for people who do not deploy with CDK, generated from pipeline.schema.

`python -m athena_sql.ddl` writes tables/*.sql again; a test compares them with what would be written.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.schema import DATABASE, TABLES, Column, Table

FOLDER = Path(__file__).parent / "tables"
BUCKET = "s3://YOUR-BUCKET/"


def create_table(table: Table) -> str:
    """The statement that declares a table. Partitions are registered run by run, never discovered."""
    columns = ",\n".join(f"  `{c.name}` {c.type} COMMENT {_comment(c)}" for c in table.columns)
    keys = ", ".join(f"{key} string" for key in table.partition_keys)
    return (
        f"-- {table.meaning}\n"
        f"-- Generated from pipeline/schema.py: python -m athena_sql.ddl\n"
        f"-- A run is seen once its partitions are registered (ADD PARTITION); no projection.\n"
        f"CREATE EXTERNAL TABLE {DATABASE}.{table.name} (\n{columns}\n)\n"
        f"PARTITIONED BY ({keys})\n"
        f"STORED AS PARQUET\n"
        f"LOCATION '{BUCKET}runs/'\n"
    )


def _comment(column: Column) -> str:
    text = column.meaning + (f" [{column.unit}]" if column.unit else "")
    return "'" + text.replace("'", "\\'") + "'"


def write_all() -> None:
    """Write every table's file."""
    for table in TABLES:
        (FOLDER / f"{table.name}.sql").write_text(create_table(table), encoding="utf-8")


if __name__ == "__main__":
    write_all()
