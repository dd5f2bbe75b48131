"""The client that people use for Athena, as it comes, against the tables of our schema."""

from __future__ import annotations

import boto3
import pytest

from local_cloud import LocalCloud, synthesize
from pipeline import catalogue
from pipeline.parquet import from_rows, to_bytes
from pipeline.schema import CHECK_RESULTS, DATABASE
from pipeline.storage import RunLayout
from pipeline.store import S3Store, publish
from tests.cli.conftest import ROOT

wr = pytest.importorskip("awswrangler")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    with LocalCloud(synthesize(ROOT, folder / "assembly"), "DarkHaloScope", folder / "s3") as cloud:
        yield cloud


def test_awswrangler_reads_a_registered_partition_and_nothing_before(deployed):
    store = S3Store(deployed.outputs["DataBucketName"], deployed.client("s3"))
    partition = RunLayout("debug", "run-1").partition(CHECK_RESULTS.name)
    row = {"name": "nulls", "status": "PASS", "critical": True, "statistic": 0.0, "bound": 0.5, "n": 3,
           "message": 'said "so", with a comma'}  # fmt: skip
    row |= {"sql_sha256": "0" * 64, "code_version": "0" * 64}
    publish(store, partition.part(0), to_bytes(from_rows(CHECK_RESULTS, [row])))
    session = boto3.Session("local", "local", region_name="us-east-1")

    def ask():
        return wr.athena.read_sql_query(
            "SELECT * FROM check_results WHERE tier = 'debug'", database=DATABASE, ctas_approach=False,
            workgroup=deployed.outputs["WorkGroupName"], boto3_session=session,
        )  # fmt: skip

    assert len(ask()) == 0
    catalogue.register(deployed.client("glue"), store, [partition])
    found = ask()
    assert len(found) == 1
    for name, value in row.items():
        assert found[name][0] == value, name
    assert (found["run_id"][0], found["region_split"][0]) == ("run-1", "all")
