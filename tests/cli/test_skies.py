"""A sky in a bucket: its hosts are found, and the bricks that a run needs are copied here."""

from __future__ import annotations

import boto3
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from cli import skies
from cli.workspace import Workspace
from pipeline.errors import InputError
from survey.layout import brick_files
from survey.sky import write_sky


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bricks = write_sky(tmp_path / "made", 2, brick_pixels=450, seed=3, hosts_per_brick=3)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="survey")
        for path in (tmp_path / "made").rglob("*"):
            if path.is_file():
                key = f"dr10/south/{path.relative_to(tmp_path / 'made').as_posix()}"
                s3.upload_file(str(path), "survey", key)
        yield tmp_path / "made", [brick.name for brick in bricks]


def test_hosts_and_bricks_of_a_bucket(bucket, tmp_path):
    made, names = bucket
    (tmp_path / "hosts.parquet").write_bytes(skies.host_catalogue("s3://survey/dr10/south"))
    assert set(pq.read_table(tmp_path / "hosts.parquet")["brickname"].to_pylist()) == set(names)
    where = Workspace(tmp_path / "workspace")
    address = skies.mirror("s3://survey/dr10/south", names[:1], where)
    copy = tmp_path / "workspace" / "sky" / "survey-dr10-south"
    assert address == copy.as_uri()
    for name in brick_files(names[0]):
        assert (copy / name).read_bytes() == (made / name).read_bytes()
    assert not list((copy / "coadd").rglob(f"*{names[1]}*"))
    assert not list(copy.rglob("*.part"))


def test_a_folder_is_not_copied(tmp_path):
    assert skies.mirror("file:///data/dr10", ["0001p020"], Workspace(tmp_path)) == "file:///data/dr10"
    assert not list(tmp_path.iterdir())


def test_a_sky_without_catalogues_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no tractor files, so no hosts"):
        skies.host_catalogue(tmp_path.as_uri())
