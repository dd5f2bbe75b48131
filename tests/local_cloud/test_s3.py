"""S3 objects are files: written whole, found again by a later session, conditional when asked."""

import hashlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from moto.s3.responses import S3Response

from local_cloud import LocalCloud
from tests.local_cloud.assembly import STACK

BUCKET = "tiny-data"


@pytest.fixture
def s3(cloud):
    return cloud.client("s3")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_an_object_is_a_file(cloud, s3):
    etag = s3.put_object(Bucket=BUCKET, Key="a/b/c.txt", Body=b"hello")["ETag"]
    assert cloud.object_path(BUCKET, "a/b/c.txt").read_bytes() == b"hello"
    assert etag == f'"{hashlib.md5(b"hello", usedforsecurity=False).hexdigest()}"'
    got = s3.get_object(Bucket=BUCKET, Key="a/b/c.txt")
    assert got["Body"].read() == b"hello"
    assert got["ETag"] == etag
    assert s3.head_object(Bucket=BUCKET, Key="a/b/c.txt")["ContentLength"] == 5


def test_nothing_of_an_object_stays_in_memory_or_open(cloud, s3):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(50):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number}", Body=b"x" * 10_000)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5
    from moto.s3.models import s3_backends

    key = s3_backends["123456789012"]["aws"].buckets[BUCKET].keys["many/0"]
    assert not any(isinstance(value, bytes) and len(value) > 100 for value in vars(key).values())
    assert key._value_buffer.closed


def test_range_get(s3):
    s3.put_object(Bucket=BUCKET, Key="range", Body=bytes(range(100)))
    assert s3.get_object(Bucket=BUCKET, Key="range", Range="bytes=10-19")["Body"].read() == bytes(
        range(10, 20)
    )
    assert s3.get_object(Bucket=BUCKET, Key="range", Range="bytes=-5")["Body"].read() == bytes(range(95, 100))
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="range", Range="bytes=200-")
    assert code(caught) == "InvalidRange"


def test_list_with_prefix_delimiter_and_pages(s3):
    for name in ("p/1", "p/2", "p/sub/3", "q/4"):
        s3.put_object(Bucket=BUCKET, Key=f"list/{name}", Body=b"x")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/p/", Delimiter="/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["list/p/1", "list/p/2"]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == ["list/p/sub/"]
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 3}
    )
    assert sum(page["KeyCount"] for page in pages) == 4


def test_overwrite_copy_and_delete(cloud, s3):
    s3.put_object(Bucket=BUCKET, Key="o/one", Body=b"1", Metadata={"sha": "abc"})
    s3.put_object(Bucket=BUCKET, Key="o/one", Body=b"two", Metadata={"sha": "def"})
    s3.copy_object(Bucket=BUCKET, Key="o/two", CopySource={"Bucket": BUCKET, "Key": "o/one"})
    head = s3.head_object(Bucket=BUCKET, Key="o/two")
    assert (head["Metadata"], head["ContentLength"]) == ({"sha": "def"}, 3)
    s3.delete_object(Bucket=BUCKET, Key="o/one")
    assert not cloud.object_path(BUCKET, "o/one").exists()
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="o/one")
    assert code(caught) == "NoSuchKey"
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "o/two"}]})
    s3.put_object(Bucket=BUCKET, Key="o", Body=b"now a file")
    assert cloud.object_path(BUCKET, "o").read_bytes() == b"now a file"


def test_if_none_match_refuses_a_second_write(s3):
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"second", IfNoneMatch="*")
    assert code(caught) == "PreconditionFailed"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"first"


def test_of_two_conditional_writes_at_once_exactly_one_wins(s3, monkeypatch):
    """Both pass moto's own check before either writes."""
    both_checked = threading.Barrier(2, timeout=20)
    original = S3Response._get_checksum

    def after_the_check(self, headers):
        both_checked.wait()
        return original(self, headers)

    def put(body: bytes) -> str:
        try:
            s3.put_object(Bucket=BUCKET, Key="race", Body=body, IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "written"

    monkeypatch.setattr(S3Response, "_get_checksum", after_the_check)
    bodies = [b"one", b"two"]
    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(pool.map(put, bodies), bodies, strict=True))
    assert set(answers) == {"written", "PreconditionFailed"}
    assert s3.get_object(Bucket=BUCKET, Key="race")["Body"].read() == answers["written"]


def test_multipart_upload(cloud, s3, tmp_path):
    body = b"0123456789abcdef" * (11 << 16)
    source = tmp_path / "big"
    source.write_bytes(body)
    size = 5 << 20
    config = TransferConfig(multipart_threshold=size, multipart_chunksize=size)
    s3.upload_file(str(source), BUCKET, "big", Config=config)
    assert cloud.object_path(BUCKET, "big").read_bytes() == body
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    expected = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
    assert s3.head_object(Bucket=BUCKET, Key="big")["ETag"] == expected
    s3.download_file(BUCKET, "big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body
    assert list((cloud.storage / ".local_cloud" / "parts").iterdir()) == []


def test_conditional_multipart_and_abort(cloud, s3):
    s3.put_object(Bucket=BUCKET, Key="mp", Body=b"there")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="mp")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="mp", UploadId=upload, PartNumber=1, Body=b"new")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    with pytest.raises(ClientError) as caught:
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key="mp", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        )
    assert code(caught) == "PreconditionFailed"
    s3.abort_multipart_upload(Bucket=BUCKET, Key="mp", UploadId=upload)
    assert s3.get_object(Bucket=BUCKET, Key="mp")["Body"].read() == b"there"
    assert list((cloud.storage / ".local_cloud" / "parts").iterdir()) == []


@pytest.mark.parametrize("key", ["../out", "a/../../out", "a//b", "./a", "a/", "back\\slash", "x" * 300])
def test_keys_that_are_no_file_name_are_refused(cloud, s3, key):
    with pytest.raises(ClientError, match="local_cloud keeps objects as files|Invalid"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert not (cloud.storage / "out").exists()
    assert not (cloud.storage.parent / "out").exists()


def test_a_key_below_an_object_is_refused(s3):
    s3.put_object(Bucket=BUCKET, Key="leaf", Body=b"x")
    with pytest.raises(ClientError, match="folder of its path"):
        s3.put_object(Bucket=BUCKET, Key="leaf/under", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="folder/leaf", Body=b"x")
    with pytest.raises(ClientError, match="folder of its path"):
        s3.put_object(Bucket=BUCKET, Key="folder", Body=b"x")


def test_versioning_is_refused_rather_than_pretended(s3):
    with pytest.raises(ClientError, match="versioning"):
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def test_a_bucket_policy_that_asks_for_tls_does_not_lock_everyone_out(s3):
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="nothing/")["KeyCount"] == 0


def test_a_later_session_finds_the_objects_of_an_earlier_one(assembly, tmp_path):
    """In a process of its own: a process runs one cloud at a time, and this one has one already."""
    script = f"""
from pathlib import Path
from local_cloud import LocalCloud
cloud = LocalCloud(Path({str(assembly)!r}), {STACK!r}, Path({str(tmp_path)!r}))
folder = Path({str(tmp_path)!r}) / "{BUCKET}"
with cloud:
    s3 = cloud.client("s3")
    s3.put_object(Bucket="{BUCKET}", Key="kept/a", Body=b"a", Metadata={{"sha": "1"}})
    s3.copy_object(Bucket="{BUCKET}", Key="copy", CopySource="{BUCKET}/kept/a")
    s3.put_object(Bucket="{BUCKET}", Key="changed", Body=b"before", Metadata={{"sha": "2"}})
    s3.put_object(Bucket=cloud.outputs["Unnamed"], Key="b", Body=b"b")
    upload = s3.create_multipart_upload(Bucket="{BUCKET}", Key="mp")["UploadId"]
    part = s3.upload_part(Bucket="{BUCKET}", Key="mp", UploadId=upload, PartNumber=1, Body=b"mp")
    parts = {{"Parts": [{{"ETag": part["ETag"], "PartNumber": 1}}]}}
    s3.complete_multipart_upload(Bucket="{BUCKET}", Key="mp", UploadId=upload, MultipartUpload=parts)
(folder / "by-hand").mkdir()
(folder / "by-hand" / "x").write_bytes(b"x")
(folder / "changed").write_bytes(b"from outside")
with cloud:
    s3 = cloud.client("s3")
    assert s3.head_object(Bucket="{BUCKET}", Key="kept/a")["Metadata"] == {{"sha": "1"}}
    assert s3.head_object(Bucket="{BUCKET}", Key="copy")["Metadata"] == {{"sha": "1"}}
    assert s3.get_object(Bucket=cloud.outputs["Unnamed"], Key="b")["Body"].read() == b"b"
    assert s3.head_object(Bucket="{BUCKET}", Key="mp")["ETag"].endswith('-1"')
    changed = s3.get_object(Bucket="{BUCKET}", Key="changed")
    assert (changed["Body"].read(), changed["Metadata"]) == (b"from outside", {{}})
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket="{BUCKET}")["Contents"]]
    assert listed == ["by-hand/x", "changed", "copy", "kept/a", "mp"], listed
    try:
        s3.put_object(Bucket="{BUCKET}", Key="kept/a", Body=b"c", IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "PreconditionFailed"
    else:
        raise AssertionError("overwritten")
print("found")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "found\n", done.stderr


def test_two_clouds_in_one_process_are_refused(cloud, assembly, tmp_path):
    with pytest.raises(RuntimeError, match="already running"), LocalCloud(assembly, STACK, tmp_path):
        pass
    assert cloud.client("s3").list_buckets()["Buckets"]
