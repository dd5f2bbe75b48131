"""Athena really runs the SQL; what fails is FAILED with a reason, never an empty result."""

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from local_cloud.moto_backends.athena import LocalAthena, split_arguments
from local_cloud.moto_backends.athena_results import as_text
from tests.local_cloud.conftest import machine, until


@dataclass
class FakeResult:
    columns: list = field(default_factory=lambda: [("n", "bigint"), ("name", "varchar")])
    rows: list = field(default_factory=lambda: [(1, 'a"b'), (None, ""), (3, None)])
    bytes_scanned: int = 42


class FakeEngine:
    """Answers by the text of the query."""

    def __init__(self, database: str) -> None:
        self.database = database

    def execute(self, sql: str, parameters: tuple = ()):
        if "broken" in sql:
            raise RuntimeError("line 1:8: Column 'broken' cannot be resolved")
        if "huge" in sql:
            return FakeResult(bytes_scanned=2_000_000)
        if "many" in sql:
            return FakeResult(rows=[(number, "x") for number in range(2500)])
        if "echo" in sql or "numbers" in sql:
            return FakeResult(
                columns=[("sql", "varchar")], rows=[(f"{self.database}|{sql}|{'|'.join(parameters)}",)]
            )
        return FakeResult()


@pytest.fixture
def athena(cloud, monkeypatch):
    from moto.athena.models import athena_backends

    monkeypatch.setattr(LocalAthena, "engine_factory", staticmethod(FakeEngine))
    backend = athena_backends["123456789012"]["us-east-1"]
    backend._engines = type(backend._engines)()  # engines of earlier tests are not used again
    yield cloud.client("athena")
    backend._engines = type(backend._engines)()


def finish(athena, **request) -> dict:
    request = {"WorkGroup": "tiny", "QueryExecutionContext": {"Database": "tiny"}} | request
    identifier = athena.start_query_execution(**request)["QueryExecutionId"]

    def ended() -> dict | None:
        query = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        return query if query["Status"]["State"] not in ("QUEUED", "RUNNING") else None

    return until(ended)


def test_result_rows_types_and_file(athena, cloud):
    query = finish(athena, QueryString="SELECT 1")
    assert query["Status"]["State"] == "SUCCEEDED"
    assert query["Statistics"]["DataScannedInBytes"] == 42
    result = athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]
    assert [row["Data"] for row in result["Rows"]] == [
        [{"VarCharValue": "n"}, {"VarCharValue": "name"}],
        [{"VarCharValue": "1"}, {"VarCharValue": 'a"b'}],
        [{}, {"VarCharValue": ""}],
        [{"VarCharValue": "3"}, {}],
    ]
    assert [column["Type"] for column in result["ResultSetMetadata"]["ColumnInfo"]] == ["bigint", "varchar"]
    location = query["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://tiny-data/results/{query['QueryExecutionId']}.csv"
    body = (
        cloud.client("s3")
        .get_object(Bucket="tiny-data", Key=location.removeprefix("s3://tiny-data/"))["Body"]
        .read()
    )
    assert body == b'"n","name"\n"1","a""b"\n,""\n"3",\n'
    assert list(csv.reader(io.StringIO(body.decode())))[1] == ["1", 'a"b']


def test_a_failed_query_says_why(athena):
    query = finish(athena, QueryString="SELECT broken")
    assert query["Status"]["State"] == "FAILED"
    assert "cannot be resolved" in query["Status"]["StateChangeReason"]
    with pytest.raises(ClientError):
        athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])


def test_the_bytes_cut_off_of_the_workgroup_holds(athena):
    query = finish(athena, QueryString="SELECT huge")
    assert query["Status"]["State"] == "FAILED"
    assert "1000000" in query["Status"]["StateChangeReason"]


def test_results_come_in_pages(athena):
    identifier = finish(athena, QueryString="SELECT many")["QueryExecutionId"]
    assert len(athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]) == 1000
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=identifier)
    assert sum(len(page["ResultSet"]["Rows"]) for page in pages) == 2501


def _echo(athena, **request) -> str:
    identifier = finish(athena, **request)["QueryExecutionId"]
    return athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"][1]["Data"][0][
        "VarCharValue"
    ]


def test_parameters_and_database_reach_the_engine(athena):
    assert (
        _echo(athena, QueryString="SELECT echo", ExecutionParameters=["1", "'a'"]) == "tiny|SELECT echo|1|'a'"
    )


def test_execute_runs_the_prepared_statement_of_the_stack(athena):
    expected = "tiny|SELECT count(*) FROM numbers WHERE n <= ?|5"
    assert _echo(athena, QueryString="EXECUTE count_up_to USING 5") == expected
    assert _echo(athena, QueryString="execute count_up_to", ExecutionParameters=["5"]) == expected
    with pytest.raises(ClientError, match="nobody"):
        athena.start_query_execution(QueryString="EXECUTE nobody", WorkGroup="tiny")


def test_arguments_of_using():
    assert split_arguments("1, 'a, b''c', DATE '2026-01-01', f(1, 2)") == [
        "1",
        "'a, b''c'",
        "DATE '2026-01-01'",
        "f(1, 2)",
    ]


def test_requests_that_athena_would_not_start(athena):
    with pytest.raises(ClientError, match="WorkGroup"):
        athena.start_query_execution(QueryString="SELECT 1", WorkGroup="nobodys")
    with pytest.raises(ClientError, match="output location"):
        athena.start_query_execution(QueryString="SELECT 1", WorkGroup="primary")


QUERY = {
    "Type": "Task",
    "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
    "Parameters": {
        "QueryString.$": "$.sql",
        "WorkGroup": "tiny",
        "QueryExecutionContext": {"Database": "tiny"},
        "ExecutionParameters.$": "$.parameters",
    },
    "ResultPath": "$.query",
}
RESULTS = {
    "Type": "Task",
    "Resource": "arn:aws:states:::athena:getQueryResults",
    "Parameters": {"QueryExecutionId.$": "$.query.QueryExecution.QueryExecutionId"},
    "ResultSelector": {"cell.$": "$.ResultSet.Rows[1].Data[0].VarCharValue"},
    "End": True,
}


def test_the_sync_integration_waits_and_fails(athena, machines):
    definition = machine(Q=QUERY | {"Next": "R"}, R=RESULTS)
    ended = machines.run(definition, {"sql": "SELECT echo", "parameters": ["'x'"]})
    assert json.loads(ended["output"]) == {"cell": "tiny|SELECT echo|'x'"}
    failed = machines.run(definition, {"sql": "SELECT broken", "parameters": ["1"]})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert "cannot be resolved" in failed["cause"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "", None),
        (True, "boolean", "true"),
        (1.0, "double", "1.0"),
        (0.1, "double", "0.1"),
        (12345678.0, "double", "1.2345678E7"),
        (1e-4, "double", "1.0E-4"),
        (-1.5e300, "double", "-1.5E300"),
        (0.10000000149011612, "float", "0.1"),
        (float("nan"), "double", "NaN"),
        (float("-inf"), "double", "-Infinity"),
        (Decimal("1.50"), "decimal", "1.50"),
        (date(2026, 1, 2), "date", "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_900), "timestamp", "2026-01-02 03:04:05.678"),
        (b"\x00\xff", "varbinary", "00 ff"),
        ([1, None, 2.0], "array", "[1, null, 2.0]"),
        ({"a": 1, "b": "x"}, "row", "{a=1, b=x}"),
    ],
)
def test_values_print_as_in_trino(value, kind, text):
    assert as_text(value, kind) == text


def test_the_real_engine_reads_the_glue_table(cloud, machines):
    """Template, S3, Glue and engine together."""
    pytest.importorskip("local_cloud.athena_engine.engine")
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2, 3], "name": ["a", "b", None]}), sink)
    cloud.client("s3").put_object(Bucket="tiny-data", Key="numbers/part-0.parquet", Body=sink.getvalue())
    athena = cloud.client("athena")
    query = finish(
        athena,
        QueryString="SELECT count(*) AS k, sum(n) AS s FROM numbers WHERE n >= ?",
        ExecutionParameters=["2"],
    )
    assert query["Status"]["State"] == "SUCCEEDED", query["Status"]
    assert query["Statistics"]["DataScannedInBytes"] > 0
    rows = athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [cell["VarCharValue"] for cell in rows[1]["Data"]] == ["2", "5"]
    assert finish(athena, QueryString="SELECT nothing FROM numbers")["Status"]["State"] == "FAILED"
