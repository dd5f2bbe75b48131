"""`darkhalo cache`, and runs whose sky is a portal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from cli import skies
from tests.cli.conftest import darkhalo
from tests.survey.portal import Portal

pytestmark = pytest.mark.xdist_group("runs")


@pytest.fixture
def sky(good_run, workspace) -> Path:
    """The sky of the good run: what a portal would hold."""
    assert good_run.code in (0, 3), good_run.err
    (folder,) = (workspace / "sky").glob("synthetic-3x*")
    return folder


@pytest.fixture
def hosts(sky, tmp_path) -> Path:
    path = tmp_path / "hosts.parquet"
    path.write_bytes(skies.host_catalogue(sky.as_uri()))
    return path


def cache(portal: Portal, hosts: Path, workspace: Path, *more: str):
    return darkhalo(
        "cache", "debug", "--bricks", 3, "--sky", portal.address, "--hosts", hosts,
        "--workspace", workspace, "--json", *more,
    )  # fmt: skip


def stamps(run_dir: str):
    table = ds.dataset(Path(run_dir) / "stamps", format="parquet", partitioning="hive").to_table()
    return table.drop_columns(["run_id"]).sort_by("task_id")


def test_a_cached_portal_gives_the_stamps_of_the_sky_itself(sky, hosts, good_run, tmp_path):
    with Portal(sky) as portal:
        first = cache(portal, hosts, tmp_path / "w", "--staging", "ranges")
        assert first.code == 0, first.err
        assert first.json["bricks"] == 3
        assert first.json["quarantined"] == []
        assert sum(first.json["files_verified_by"].values()) == 30
        assert "4b: 3 of 3 bricks" in first.err
        portal.seen.clear()
        again = cache(portal, hosts, tmp_path / "w", "--staging", "ranges")
        assert (again.code, again.json["cached_before"], again.json["fetched_bytes"]) == (0, 3, 0)
        ran = darkhalo(
            "run", "debug", "--bricks", 3, "--sky", portal.address, "--hosts", hosts,
            "--staging", "ranges", "--workspace", tmp_path / "w", "--json",
        )  # fmt: skip
        assert ran.code == good_run.code, ran.err
        assert portal.seen == []
    assert stamps(ran.json["run_dir"]).equals(stamps(good_run.json["run_dir"]))


def test_a_brick_that_is_not_there_is_a_finding(sky, hosts, tmp_path):
    spoiled = tmp_path / "sky"
    shutil.copytree(sky, spoiled)
    gone = sorted((spoiled / "coadd").glob("*/*"))[0]
    shutil.rmtree(gone)
    with Portal(spoiled) as portal:
        answer = cache(portal, hosts, tmp_path / "w")
    assert answer.code == 0, answer.err
    (row,) = answer.json["quarantined"]
    assert (row["brick"], row["reason"]) == (gone.name, "not_found")


@pytest.mark.parametrize("command", ["cache", "run"])
def test_a_sky_of_plain_images_is_bad_input_before_anything_is_injected(
    command, sky, hosts, workspace, tmp_path
):
    plain = tmp_path / "plain"
    shutil.copytree(sky, plain)
    for path in [*plain.rglob("*-psfsize-*"), *plain.rglob("*-maskbits*")]:
        path.unlink()
    answer = darkhalo(
        command, "debug", "--bricks", 3, "--sky", plain, "--hosts", hosts, "--workspace", workspace, "--json"
    )
    assert (answer.code, answer.out) == (2, ""), answer.err
    line = answer.err.splitlines()[-1]
    assert line.startswith(
        f"darkhalo: --sky {plain.as_uri()}: none of 3 bricks can be used (missing_file 3); "
    )
    for name in ("psfsize-g", "psfsize-r", "psfsize-z", "maskbits"):
        assert name in line
    assert "\n4c: " not in answer.err  # the line of its progress


@pytest.mark.parametrize("command", ["cache", "run"])
def test_a_mistyped_folder_of_a_portal_is_bad_input_and_quarantines_nothing(command, sky, hosts, workspace):
    with Portal(sky) as portal:
        answer = darkhalo(
            command, "debug", "--bricks", 3, "--sky", f"{portal.address}/soth", "--hosts", hosts,
            "--workspace", workspace,
        )  # fmt: skip
    assert answer.code == 2, answer.err
    line = answer.err.splitlines()[-1]
    assert line.startswith(
        f"darkhalo: {portal.address}/soth/coadd/: none of 3 bricks of this run is there; give"
    )
    assert not list((workspace / "staged").glob("cache/bricks/*/*-bad.json"))


def test_a_portal_that_is_away_is_exit_1_and_one_line(sky, hosts, tmp_path):
    with Portal(sky) as portal:
        portal.retry_after = "7200"
        portal.fail_with = lambda *_: "429"
        answer = cache(portal, hosts, tmp_path / "w")
        assert answer.code == 1
        assert answer.out == ""
        *progress, line = answer.err.splitlines()
        assert all(said.startswith("4a: ") for said in progress)
        assert "asks to come back in 7200 s; " in line
        assert "run it again, what is cached stays" in line
        portal.fail_with = lambda *_: None
        assert cache(portal, hosts, tmp_path / "w").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--sky", "http://portal.nersc.gov/dr10/south"),
            "--sky http://portal.nersc.gov/dr10/south: plain http",
        ),
        (("--sky", ""), "--sky : no such folder"),
        (("--sky", "http://[bad"), "--sky http://[bad: Invalid IPv6 URL; give https://host/folder"),
        (("--sky", "https://a:99999/x"), "--sky https://a:99999/x: Port out of range 0-65535; give"),
        (("--sky", "https://me:secret@a/x"), "--sky https://a: give the address without a name, password"),
        (("--sky", "https://a/x?key=1"), "--sky https://a: give the address without"),
        (("--sky", "s3://"), "--sky s3://: names no bucket; give s3://bucket/prefix"),
        (("--sky", "dr11-south"), "or one of synthetic, dr9-north, dr9-south, dr10-south"),
        (("--sky", "ftp://a/b"), "--sky ftp://a/b: unknown kind of source; give a folder"),
        (("--sky", "https://127.0.0.1:1/dr10/south"), "make a host catalogue with darkhalo hosts"),
        (("--sky", "dr10-south"), "make a host catalogue with darkhalo hosts"),
        (("--staging", "half"), "'half' is not one of 'auto', 'whole', 'ranges'"),
        (("--sky", "/nowhere"), "--sky /nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path):
    answer = darkhalo("cache", "debug", *arguments, cwd=tmp_path)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1, answer.err
    assert list(tmp_path.iterdir()) == []
