import hashlib
import shutil
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from survey.cache import FolderSource, S3Source, fetch_brick, open_source
from survey.coadd import BrickReader
from survey.errors import BrickError, SurveyError, TransientError
from survey.layout import RELEASES, brick_files, coadd_folder, coadd_path, sha256_path


@pytest.fixture
def mirror(sky, tmp_path) -> tuple[Path, str]:
    """A mirror of one healthy brick that may be damaged."""
    brick = sky.healthy[0].name
    folder = tmp_path / "mirror"
    shutil.copytree(sky.folder / coadd_folder(brick), folder / coadd_folder(brick))
    return folder, brick


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-4000] ^= 0xFF
    path.write_bytes(content)


def test_a_brick_arrives_whole(mirror, tmp_path):
    folder, brick = mirror
    files = fetch_brick(open_source(str(folder)), brick, tmp_path / "cache")
    assert [file.relative for file in files] == brick_files(brick)
    for file in files:
        content = (folder / file.relative).read_bytes()
        assert file.path == tmp_path / "cache" / file.relative
        assert file.path.read_bytes() == content
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    with BrickReader({file.relative: file.path for file in files}, brick) as reader:
        assert reader.shape == (450, 450)
    assert not list((tmp_path / "cache").rglob("*.part"))


class Counting(FolderSource):
    def __init__(self, folder):
        super().__init__(folder)
        self.copied = []

    def copy_to(self, relative, target, head=b""):
        self.copied.append(relative)
        super().copy_to(relative, target, head)


def test_fetching_again_takes_only_what_is_absent_or_bad(mirror, tmp_path):
    folder, brick = mirror
    source, files = Counting(folder), brick_files(brick)
    first = fetch_brick(source, brick, tmp_path)
    source.copied.clear()
    (tmp_path / files[2]).unlink()
    damage(tmp_path / files[5])
    assert fetch_brick(source, brick, tmp_path) == first
    assert source.copied == [sha256_path(brick), files[2], files[5]]


def test_an_interrupted_fetch_is_taken_up(mirror, tmp_path):
    folder, brick = mirror

    class Interrupted(Counting):
        def copy_to(self, relative, target, head=b""):
            if len(self.copied) == 4:
                raise TransientError("connection reset")
            super().copy_to(relative, target, head)

    with pytest.raises(TransientError):
        fetch_brick(Interrupted(folder), brick, tmp_path)
    source = Counting(folder)
    assert len(fetch_brick(source, brick, tmp_path)) == 10
    assert len(source.copied) == 1 + 10 - 3  # the list again, and the seven files that were not yet there


def test_a_file_that_is_not_the_surveys(mirror, tmp_path):
    folder, brick = mirror
    other = folder / coadd_path("image", brick, "z")
    other.write_bytes((folder / coadd_path("image", brick, "g")).read_bytes())
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(folder), brick, tmp_path / "cache")
    assert caught.value.reason == "hash_mismatch"
    assert caught.value.path == str(other)
    assert not (tmp_path / "cache" / coadd_path("image", brick, "z")).exists()
    assert not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize("reason", ["truncated", "corrupt"])
def test_without_a_list_of_sums_the_file_itself_is_checked(mirror, tmp_path, reason):
    folder, brick = mirror
    (folder / sha256_path(brick)).unlink()
    path = folder / coadd_path("invvar", brick, "g")
    if reason == "corrupt":
        damage(path)
    else:
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(folder), brick, tmp_path / "cache")
    assert (caught.value.reason, caught.value.path) == (reason, str(path))


def test_bricks_that_are_not_there_or_lack_a_band(sky, tmp_path):
    source = FolderSource(sky.folder)
    with pytest.raises(BrickError) as caught:
        fetch_brick(source, "0591m305", tmp_path)
    assert caught.value.reason == "not_found"
    with pytest.raises(BrickError, match="absent: .*image-r.*psfsize-r") as caught:
        fetch_brick(source, sky.failing("missing_band").name, tmp_path)
    assert caught.value.reason == "missing_band"
    assert not list(tmp_path.rglob("*.fz"))


def test_a_list_of_sums_that_is_none(mirror, tmp_path):
    folder, brick = mirror
    (folder / sha256_path(brick)).write_text("<html>404</html>\n")
    with pytest.raises(BrickError, match="line 1 is no SHA-256 sum") as caught:
        fetch_brick(FolderSource(folder), brick, tmp_path)
    assert caught.value.reason == "corrupt"


@pytest.fixture
def bucket(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="mirror")
        yield client


def test_a_mirror_in_s3(mirror, bucket, tmp_path):
    folder, brick = mirror
    for path in (folder / coadd_folder(brick)).iterdir():
        bucket.upload_file(str(path), "mirror", f"dr10/south/{path.relative_to(folder)}")
    source = open_source("s3://mirror/dr10/south/", bucket)
    assert source.list_brick(brick) == FolderSource(folder).list_brick(brick)
    from_s3 = fetch_brick(source, brick, tmp_path / "a")
    from_folder = fetch_brick(FolderSource(folder), brick, tmp_path / "b")
    assert [file.sha256 for file in from_s3] == [file.sha256 for file in from_folder]
    with pytest.raises(BrickError) as caught:
        fetch_brick(source, "0591m305", tmp_path)
    assert caught.value.reason == "not_found"
    assert caught.value.path.startswith("s3://mirror/dr10/south/coadd/059/")
    with pytest.raises(BrickError, match="no such object"):
        source.copy_to("coadd/059/x", tmp_path / "x")


def test_ranges_of_two_versions_of_an_object_are_not_mixed(mirror, bucket):
    path = coadd_path("image", mirror[1], "g")
    bucket.put_object(Bucket="mirror", Key=path, Body=b"0123456789")
    source = open_source("s3://mirror", bucket)
    assert source.read_range(path, 0, 4) == b"0123"
    bucket.put_object(Bucket="mirror", Key=path, Body=b"abcdefghij")
    with pytest.raises(TransientError, match=path):
        source.read_range(path, 4, 8)
    source.list_brick(mirror[1])
    assert source.read_range(path, 4, 8) == b"efgh", "begun anew"


def test_a_bucket_that_is_not_there_is_final(bucket, tmp_path):
    with pytest.raises(SurveyError, match="s3://other/coadd/059.*check the bucket"):
        open_source("s3://other", bucket).list_brick("0591m305")


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
        EndpointConnectionError(endpoint_url="https://s3"),
        ConnectionResetError("reset"),
    ],
)
def test_trouble_that_may_pass_is_transient(error, tmp_path):
    class Client:
        def download_file(self, *_):
            raise error

    with pytest.raises(TransientError, match="s3://b/p/x"):
        S3Source("b", "p", Client()).copy_to("x", tmp_path / "x")


def test_addresses(tmp_path):
    assert open_source(f"file://{tmp_path}").address("a") == f"{tmp_path}/a"
    with pytest.raises(SurveyError, match="no such folder"):
        open_source(str(tmp_path / "absent"))
    portal = open_source(RELEASES["dr10-south"])
    assert portal.address("coadd/x").startswith(
        "https://portal.nersc.gov/cfs/cosmo/data/legacysurvey/dr10/south/"
    )
    with pytest.raises(SurveyError, match="unknown kind of source"):
        open_source("ftp://host/x")
