import shutil

import boto3
import pytest
from moto import mock_aws

from survey.errors import SurveyError
from survey.layout import tractor_path
from survey.sources import FolderSource, S3Source
from survey.tractors import tractor_files


@pytest.fixture
def catalogues(sky, tmp_path):
    folder = tmp_path / "sky"
    shutil.copytree(sky.folder / "tractor", folder / "tractor")
    (folder / "tractor/readme.txt").write_text("no catalogue")
    return folder, sorted(tractor_path(brick.name) for brick in sky.bricks)


def test_catalogues_of_a_folder_are_given_where_they_lie(catalogues):
    folder, names = catalogues
    with tractor_files(FolderSource(folder)) as paths:
        assert paths == [folder / name for name in names]


def test_catalogues_of_a_bucket_are_copied_for_a_while(catalogues, monkeypatch):
    folder, names = catalogues
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="mirror")
        for path in (path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), "mirror", f"dr10/south/{path.relative_to(folder)}")
        with tractor_files(S3Source("mirror", "dr10/south", client)) as paths:
            assert [path.read_bytes() for path in paths] == [(folder / name).read_bytes() for name in names]
        assert not any(path.exists() for path in paths)
        with pytest.raises(SurveyError, match="check the bucket"), tractor_files(S3Source("no", "", client)):
            pass
