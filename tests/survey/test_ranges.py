"""Byte-range staging: the tiles that stamps touch, and nothing else, from any source that serves ranges."""

import math
import shutil
from pathlib import Path
from typing import NamedTuple

import boto3
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from moto import mock_aws

from survey.cache import FolderSource, Targets, fetch_brick
from survey.errors import BrickError, TransientError
from survey.layout import brick_files, coadd_folder, coadd_path, parse_path
from survey.ranges import KINDS, Rule, plan_ranges
from survey.sky import write_sky
from survey.sources import S3Source, open_source
from survey.tiles import FIRST_BYTES
from tests.survey.portal import HASTY, Portal

N_PIX = 64
EAGER = Rule(request_bytes=1, worth_it=math.inf)
MIDDLES = ((250.2, 300.7), (820.0, 120.4), (449.5, 449.5), (5.0, 895.0))


class Release(NamedTuple):
    folder: Path
    brick: str
    positions: tuple[tuple[float, float], ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    brick = write_sky(folder, 1, brick_pixels=900, seed=5)[0].name
    with fits.open(folder / coadd_path("image", brick, "r")) as hdus:
        positions = WCS(hdus[1].header).all_pix2world(MIDDLES, 0)
    return Release(folder, brick, tuple((float(ra), float(dec)) for ra, dec in positions))


@pytest.fixture
def release(made, tmp_path) -> Release:
    folder = tmp_path / "release"
    shutil.copytree(made.folder / coadd_folder(made.brick), folder / coadd_folder(made.brick))
    return made._replace(folder=folder)


def eager(release: Release) -> Targets:
    return Targets(release.positions, N_PIX, EAGER)


def stamps(path: Path):
    """The pixels around each position, by astropy."""
    with fits.open(path) as hdus:
        for x, y in MIDDLES:
            left, bottom = math.floor(x - (N_PIX - 1) / 2 + 0.5), math.floor(y - (N_PIX - 1) / 2 + 0.5)
            if left >= 0 and bottom + N_PIX <= 900:
                yield hdus[1].section[bottom : bottom + N_PIX, left : left + N_PIX]


@pytest.fixture(params=["folder", "portal", "s3"])
def source(request, release, monkeypatch):
    if request.param == "folder":
        yield FolderSource(release.folder)
    elif request.param == "portal":
        with Portal(release.folder) as portal:
            yield open_source(portal.address, manners=HASTY)
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        with mock_aws():
            client = boto3.client("s3", region_name="us-east-1")
            client.create_bucket(Bucket="mirror")
            for path in (release.folder / coadd_folder(release.brick)).iterdir():
                client.upload_file(str(path), "mirror", f"dr10/{path.relative_to(release.folder)}")
            yield S3Source("mirror", "dr10", client)


def test_the_stamps_are_the_same_and_most_bytes_stay_where_they_are(source, release, tmp_path):
    files = fetch_brick(source, release.brick, tmp_path, eager(release))
    assert [file.relative for file in files] == brick_files(release.brick)
    for file in files:
        whole = release.folder / file.relative
        assert file.source_bytes == whole.stat().st_size
        if parse_path(file.relative).kind in KINDS:
            assert file.verified == "tiles"
            assert file.bytes == file.path.stat().st_size < 0.5 * file.source_bytes
            for ours, theirs in zip(stamps(file.path), stamps(whole), strict=True):
                assert theirs.any()
                np.testing.assert_array_equal(ours, theirs)
        else:
            assert file.verified == "sha256"
            assert file.path.read_bytes() == whole.read_bytes()


def test_the_same_targets_give_the_same_bytes(release, tmp_path):
    with Portal(release.folder) as portal:
        remote = fetch_brick(
            open_source(portal.address, manners=HASTY), release.brick, tmp_path / "a", eager(release)
        )
    backwards = Targets(release.positions[::-1], N_PIX, EAGER)
    local = fetch_brick(FolderSource(release.folder), release.brick, tmp_path / "b", backwards)
    assert [file.sha256 for file in remote] == [file.sha256 for file in local]


def test_what_is_asked_for_is_what_is_counted(release, tmp_path):
    with Portal(release.folder) as portal:
        files = fetch_brick(
            open_source(portal.address, manners=HASTY), release.brick, tmp_path / "cache", eager(release)
        )
        sums = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.sha256sum"))
        assert portal.sent == sum(file.fetched_bytes for file in files) + sums


def test_ranges_are_taken_only_where_they_are_worth_it(release, tmp_path):
    source, path = FolderSource(release.folder), coadd_path("image", release.brick, "r")
    size = (release.folder / path).stat().st_size
    plan = plan_ranges(source, path, size, Targets(release.positions, N_PIX, EAGER))
    cost = plan.fetched_bytes + 1000 * (1 + len(plan.ranges))
    for share, taken in ((1.001, True), (0.999, False)):
        rule = Rule(1000, share * cost / (size + 1000))
        planned = plan_ranges(source, path, size, Targets(release.positions, N_PIX, rule))
        assert planned.taken is taken
    everywhere = tuple(release.positions) * 9
    assert Rule().prefers(FIRST_BYTES, 3, 12_000_000)
    assert not Rule().prefers(6_100_000, 3, 12_000_000)
    assert not plan_ranges(source, path, size, Targets(everywhere, N_PIX)).taken  # 0.7 MB: not worth requests
    for kind in ("maskbits", "psfsize"):
        other = coadd_path(kind, release.brick, None if kind == "maskbits" else "r")
        assert plan_ranges(source, other, 10**9, eager(release)) is None


class Undecided(Rule):
    """Ranges look cheaper, until the table of tiles is read."""

    def prefers(self, range_bytes: int, requests: int, whole_bytes: int) -> bool:
        return range_bytes == FIRST_BYTES


def test_a_file_that_is_fetched_whole_after_all_is_continued_behind_its_first_bytes(
    source, release, tmp_path
):
    files = fetch_brick(source, release.brick, tmp_path, Targets(release.positions, N_PIX, Undecided()))
    assert {file.verified for file in files} == {"sha256"}
    assert {file.fetched_bytes - file.source_bytes for file in files} == {0}
    if isinstance(source, S3Source):
        path = coadd_path("image", release.brick, "r")
        source.client.put_object(Bucket="mirror", Key=f"dr10/{path}", Body=b"another one")
        with pytest.raises(TransientError):
            source.copy_to(path, tmp_path / "copy", b"SIMPLE  =")


def test_near_tiles_are_fetched_in_one_range(release):
    source, path = FolderSource(release.folder), coadd_path("invvar", release.brick, "g")
    ranges = {}
    for gap in (0, 30_000, 10**7):
        rule = Rule(gap, math.inf)
        ranges[gap] = plan_ranges(source, path, 10**6, Targets(release.positions, N_PIX, rule)).ranges
    assert len(ranges[0]) > len(ranges[30_000]) > len(ranges[10**7]) == 1
    starts = [start for start, _ in ranges[30_000]]
    gaps = [start - stop for start, (_, stop) in zip(starts[1:], ranges[30_000], strict=False)]
    assert min(gaps) > 30_000


def test_a_server_without_ranges_is_read_whole(release, tmp_path):
    with Portal(release.folder) as portal:
        portal.fail_with = lambda method, path, number: "ignore_range"
        source = open_source(portal.address, manners=HASTY)
        files = fetch_brick(source, release.brick, tmp_path, eager(release))
        assert {file.verified for file in files} == {"sha256"}
        asked = [path for _, path, ranges in portal.seen if ranges]
        assert len(asked) == 3  # and then it is believed
        assert len(set(asked)) == 1


def damaged(release: Release, change) -> Path:
    path = release.folder / coadd_path("image", release.brick, "g")
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def test_a_tile_that_does_not_decode_leads_to_the_whole_file_and_its_hash(release, tmp_path):
    plan = plan_ranges(
        FolderSource(release.folder), coadd_path("image", release.brick, "g"), 10**6, eager(release)
    )

    def spoil(content: bytearray) -> None:
        start, stop = plan.ranges[0]
        content[start:stop] = b"\xff" * (stop - start)

    damaged(release, spoil)
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(release.folder), release.brick, tmp_path / "cache", eager(release))
    assert caught.value.reason == "hash_mismatch"
    assert not list((tmp_path / "cache").rglob("*image-g*"))


def test_damage_elsewhere_is_not_seen_by_ranges_as_documented(release, tmp_path):
    """The survey's sums are of whole files: docs/survey-data.md says so, and `verified` too."""
    plan = plan_ranges(
        FolderSource(release.folder), coadd_path("image", release.brick, "g"), 10**6, eager(release)
    )

    def spoil(content: bytearray) -> None:
        content[plan.ranges[0][1] + 10] ^= 0xFF

    damaged(release, spoil)
    files = fetch_brick(FolderSource(release.folder), release.brick, tmp_path / "cache", eager(release))
    assert files[0].verified == "tiles"


def test_a_file_that_ends_before_its_tiles(release, tmp_path):
    def cut(content: bytearray) -> None:
        del content[len(content) // 2 :]

    damaged(release, cut)
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(release.folder), release.brick, tmp_path / "cache", eager(release))
    assert caught.value.reason == "hash_mismatch"


def test_a_file_that_shrinks_between_two_ranges(release):
    source, path = FolderSource(release.folder), coadd_path("image", release.brick, "g")
    plan = plan_ranges(source, path, 10**6, eager(release))
    damaged(release, lambda content: content.__delitem__(slice(FIRST_BYTES + 100, None)))
    with pytest.raises(TransientError, match="ends at byte"):
        plan.fetch(source)
