"""Both stores, one suite: what is there once is never changed."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.errors import InputError, StorageConflictError
from pipeline.store import FolderStore, S3Store, get_json, publish, publish_json


@pytest.fixture(params=["s3", "folder"])
def any_store(request, tmp_path):
    if request.param == "folder":
        yield FolderStore(tmp_path / "bucket")
        return
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_bucket(Bucket="bucket")
        yield S3Store("bucket", client)


def test_publish_creates_once_and_a_retry_is_a_no_op(any_store):
    assert publish(any_store, "a/b", b"one") == publish(any_store, "a/b", b"one")
    assert any_store.get("a/b") == b"one"


def test_other_content_is_refused_and_the_first_stays(any_store):
    publish(any_store, "a/b", b"one")
    with pytest.raises(StorageConflictError, match="already holds other content"):
        publish(any_store, "a/b", b"two")
    assert any_store.get("a/b") == b"one"


def test_an_object_that_came_by_other_means_is_compared_by_its_bytes(any_store, tmp_path):
    if isinstance(any_store, S3Store):
        any_store._s3.put_object(Bucket="bucket", Key="a/b", Body=b"one")
    else:
        (any_store.root / "a").mkdir(parents=True)
        (any_store.root / "a" / "b").write_bytes(b"one")
    publish(any_store, "a/b", b"one")
    with pytest.raises(StorageConflictError):
        publish(any_store, "a/b", b"two")


def test_listing_is_by_prefix_and_in_order(any_store):
    for key in ("a/2", "a/10", "ab", "b/1"):
        publish(any_store, key, key.encode())
    assert [item.key for item in any_store.list("a/")] == ["a/10", "a/2"]
    assert [(item.key, item.size) for item in any_store.list("b")] == [("b/1", 3)]
    assert list(any_store.list("nothing/")) == []


def test_a_prefix_that_is_also_a_folder_lists_its_neighbours(any_store):
    for key in ("a/x", "a-b/x", "a.b"):
        publish(any_store, key, b"x")
    assert [item.key for item in any_store.list("a")] == ["a-b/x", "a.b", "a/x"]


def test_the_hash_of_an_object_is_that_of_its_bytes(any_store):
    assert publish(any_store, "a", b"x") == any_store.sha256("a") == hashlib.sha256(b"x").hexdigest()


def test_no_writer_says_what_an_object_of_s3_hashes_to():
    """The sum is S3's own; metadata, which a writer chooses, and sums of several parts are none."""
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_bucket(Bucket="bucket")
        store, one = S3Store("bucket", client), hashlib.sha256(b"one").hexdigest()
        publish(store, "a", b"one")
        assert client.head_object(Bucket="bucket", Key="a", ChecksumMode="ENABLED")["ChecksumSHA256"]
        client.put_object(Bucket="bucket", Key="a", Body=b"two", Metadata={"sha256": one})
        assert store.sha256("a") == hashlib.sha256(b"two").hexdigest()
        with pytest.raises(StorageConflictError):
            publish(store, "a", b"one")
        upload = client.create_multipart_upload(
            Bucket="bucket", Key="b", ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
        )
        told = {"Bucket": "bucket", "Key": "b", "UploadId": upload["UploadId"]}
        part = client.upload_part(**told, PartNumber=1, Body=b"three", ChecksumAlgorithm="SHA256")
        parts = [{"ETag": part["ETag"], "PartNumber": 1, "ChecksumSHA256": part["ChecksumSHA256"]}]
        client.complete_multipart_upload(**told, MultipartUpload={"Parts": parts})
        assert store.sha256("b") == hashlib.sha256(b"three").hexdigest()


class Refusing:
    """An S3 client whose puts fail so many times with a code, then succeed."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, code, times):
        self.code, self.times, self.puts = code, times, 0

    def put_object(self, **_):
        self.puts += 1
        if self.puts <= self.times:
            raise ClientError({"Error": {"Code": self.code}}, "PutObject")


def test_two_writers_at_once_are_told_to_try_again():
    client = Refusing("ConditionalRequestConflict", 2)
    publish(S3Store("bucket", client), "a", b"x")
    assert client.puts == 3


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown"])
def test_no_other_refusal_is_taken_for_success(code):
    with pytest.raises(ClientError, match=code):
        publish(S3Store("bucket", Refusing(code, 9)), "a", b"x")


def test_exists_is_exact(any_store):
    publish(any_store, "a/bc", b"x")
    assert any_store.exists("a/bc")
    assert not any_store.exists("a/b")


def test_an_absent_object_is_named(any_store, tmp_path):
    with pytest.raises(InputError, match=r"a/b: no such"):
        any_store.get("a/b")


def test_json_round_trips_and_broken_json_is_named(any_store, tmp_path):
    publish_json(any_store, "v.json", {"b": 1, "a": [2]})
    assert get_json(any_store, "v.json") == {"a": [2], "b": 1}
    publish(any_store, "broken.json", b"{")
    with pytest.raises(InputError, match=r"broken\.json: not JSON"):
        get_json(any_store, "broken.json")


def test_download_gives_the_bytes(any_store, tmp_path):
    publish(any_store, "a", bytes(range(256)) * 9000)
    any_store.download("a", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == bytes(range(256)) * 9000
    with pytest.raises(InputError, match="run the step that writes it"):
        any_store.download("b", tmp_path / "other")
