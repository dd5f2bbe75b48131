"""The survey's portal as portals are: a server on a real socket that throttles, stalls, cuts off and lies."""

import email.utils
import time
from pathlib import Path

import pytest

from survey.cache import fetch_brick
from survey.errors import BrickError, SurveyError, TransientError
from survey.layout import brick_files, coadd_folder, coadd_path, sha256_path
from survey.sources import FolderSource, RangesIgnoredError, open_source
from survey.web import Manners
from tests.survey.portal import FAULTS, Portal


def same_files(files, folder) -> bool:
    return all(file.path.read_bytes() == (folder / file.relative).read_bytes() for file in files)


def gets(portal) -> list[str]:
    return [path for method, path, _ in portal.seen if method == "GET"]


def test_a_brick_arrives_whole_over_one_connection(release, portal, source, tmp_path):
    folder, brick = release
    files = fetch_brick(source, brick, tmp_path / "cache")
    assert [file.relative for file in files] == brick_files(brick)
    assert same_files(files, folder)
    assert {file.verified for file in files} == {"sha256"}
    assert sorted(gets(portal)) == sorted([sha256_path(brick), *brick_files(brick)])
    assert portal.connections <= 2  # an answer of status 404 to HEAD may end the first
    assert all("dark-halo-scope" in agent for agent in portal.agents)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_a_try_and_no_byte(fault, release, portal, source, tmp_path):
    folder, brick = release
    hit = (sha256_path(brick), coadd_path("image", brick, "g"), coadd_path("maskbits", brick))
    portal.fail_with = lambda method, path, number: fault if number == 1 and path in hit else None
    files = fetch_brick(source, brick, tmp_path / "cache")
    assert same_files(files, folder)
    assert {file.verified for file in files} == {"sha256"}
    retried = len(portal.seen) - len({(method, path) for method, path, _ in portal.seen})
    if fault not in ("ignore_range", "other_range"):  # whole reads ask for no range
        assert retried >= len(hit)
    assert not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_range_is_the_right_bytes_or_is_refused(fault, release, portal, source):
    folder, brick = release
    path = coadd_path("image", brick, "r")
    content = (folder / path).read_bytes()
    portal.fail_with = lambda method, path, number: fault if number == 2 else None
    assert source.read_range(path, 100, 5000) == content[100:5000]
    assert source.read_range(path, 7000, 9000) == content[7000:9000]
    assert len(portal.seen) == 3
    assert source.read_range(path, len(content) - 10, len(content) + 10) == content[-10:]


def test_a_server_without_ranges_says_so(release, portal, source):
    portal.fail_with = lambda method, path, number: "ignore_range"
    with pytest.raises(RangesIgnoredError):
        source.read_range(coadd_path("image", release[1], "r"), 100, 5000)


def test_a_file_that_breaks_off_is_taken_up_where_it_ended(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("image", brick, "g")
    size = (folder / path).stat().st_size
    portal.fail_with = lambda method, path, number: "cut" if method == "GET" and number <= 3 else None
    source.copy_to(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (folder / path).read_bytes()
    starts = [ranges for _, _, ranges in portal.seen]
    assert starts == [None, f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-", starts[3]]
    assert portal.sent == size


def test_a_file_that_changes_midway_is_begun_anew(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("image", brick, "g")
    other = (folder / coadd_path("image", brick, "z")).read_bytes()

    def change(method: str, _: str, number: int) -> str | None:
        if number == 2:
            (folder / path).write_bytes(other)
        return "cut" if number == 1 else None

    portal.fail_with = change
    source.copy_to(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == other


def test_the_rest_of_another_file_is_not_put_behind_the_first_half(release, portal, source, tmp_path):
    """The server overlooks If-Range: size and bytes would fit."""
    folder, brick = release
    path = folder / coadd_path("image", brick, "g")
    other = path.read_bytes()[::-1]

    def change(method: str, _: str, number: int) -> str | None:
        if number == 2:
            path.write_bytes(b"SIMPLE  =" + other[9:])
        return {1: "cut", 2: "ignore_if_range"}.get(number)

    portal.fail_with = change
    source.copy_to(coadd_path("image", brick, "g"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_the_rest_from_another_place_is_not_put_behind_the_first_half(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("image", brick, "g")
    portal.fail_with = lambda method, path, number: {1: "cut", 2: "other_range"}.get(number)
    source.copy_to(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (folder / path).read_bytes()


def test_ranges_of_two_versions_are_not_mixed(release, portal, source):
    folder, brick = release
    path = coadd_path("image", brick, "g")
    source.read_range(path, 0, 1000)
    (folder / path).write_bytes((folder / coadd_path("image", brick, "z")).read_bytes())
    with pytest.raises(TransientError, match="the file changed while it was read"):
        source.read_range(path, 1000, 2000)


@pytest.mark.parametrize("fault", ["429", "503", "reset", "cut", "stall"])
def test_a_server_that_stays_down_is_trouble_that_may_pass(fault, release, portal, tmp_path):
    _, brick = release
    source = open_source(portal.address, manners=Manners(attempts=3, first_pause=0.001, stall_timeout=0.5))
    portal.fail_with = lambda method, path, number: fault if method == "GET" else None
    with pytest.raises(TransientError, match=r"legacysurvey-.*: 3 tries failed, the last one: "):
        fetch_brick(source, brick, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed_by_all(form, release, portal, source):
    _, brick = release
    path = coadd_path("maskbits", brick)
    wait = 0.9
    portal.retry_after = "1" if form == "seconds" else email.utils.formatdate(time.time() + 1.9, usegmt=True)
    portal.fail_with = lambda method, path, number: "429" if number == 1 else None
    started = time.monotonic()
    source.files.stat(path)
    assert time.monotonic() - started > wait


def test_a_pause_of_hours_ends_the_work_for_now(release, portal, source):
    portal.retry_after = "7200"
    portal.fail_with = lambda method, path, number: "429"
    with pytest.raises(TransientError, match="status 429, and asks to come back in 7200 s"):
        source.list_brick(release[1])
    assert len(portal.seen) == 1


def test_a_trickle_is_a_stall(release, portal, source, tmp_path, monkeypatch):
    """Bytes come, each in time, but the file would take hours."""
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("survey.web.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("survey.web._PIECE", 1000)
    patient = open_source(portal.address, manners=Manners(attempts=2, first_pause=0.001))
    with pytest.raises(TransientError, match=r"only \d+ bytes in \d+ s"):
        patient.copy_to(coadd_path("image", release[1], "g"), tmp_path / "copy")


def test_a_brick_that_is_not_there(portal, source, tmp_path):
    with pytest.raises(BrickError) as caught:
        fetch_brick(source, "3599p899", tmp_path)
    assert caught.value.reason == "not_found"
    assert caught.value.path.startswith(f"{portal.address}/coadd/359/3599p899/")
    assert gets(portal) == []


def test_a_file_that_goes_between_the_question_and_the_answer(release, portal, source, tmp_path):
    folder, brick = release

    def remove(method: str, path: str, number: int) -> None:
        if method == "GET" and "image-z" in path:
            (folder / path).unlink()

    portal.fail_with = remove
    with pytest.raises(BrickError) as caught:
        fetch_brick(source, brick, tmp_path)
    assert caught.value.reason == "not_found"


@pytest.mark.parametrize("fault", ["page", "nameless_page"])
def test_a_web_page_in_place_of_a_file_is_named(fault, release, portal, source, tmp_path):
    portal.fail_with = lambda method, path, number: fault if method == "GET" else None
    with pytest.raises(BrickError, match="sends a web page instead") as caught:
        fetch_brick(source, release[1], tmp_path / "cache")
    assert caught.value.reason == "web_page"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_access_refused_is_final(release, portal, source):
    portal.fail_with = lambda method, path, number: "403"
    with pytest.raises(SurveyError, match="refuses access"):
        source.list_brick(release[1])
    assert len(portal.seen) == 1


def test_redirects_stay_on_the_server(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("maskbits", brick)
    portal.redirect_to = f"/dr10/south/{path}"
    portal.fail_with = lambda method, path, number: "redirect" if number == 1 else None
    source.copy_to(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (folder / path).read_bytes()
    with Portal(folder) as elsewhere:
        portal.redirect_to = f"{elsewhere.address}/{path}"
        portal.fail_with = lambda method, path, number: "redirect"
        with pytest.raises(SurveyError, match="redirects to http://.*; give that address if you trust it"):
            source.copy_to(path, tmp_path / "copy")
        assert elsewhere.seen == []


def test_redirects_in_a_circle(release, portal, source):
    portal.redirect_to = "/dr10/south/x"
    portal.fail_with = lambda method, path, number: "redirect"
    with pytest.raises(SurveyError, match="redirects in a circle"):
        source.files.stat("x")


@pytest.mark.parametrize("address", ["http://portal.nersc.gov/dr10/south", "http://10.0.0.1/x", "https:///x"])
def test_plain_http_is_for_this_machine_alone(address):
    with pytest.raises(SurveyError, match=r"give https://"):
        open_source(address)


def test_the_surveys_own_name_of_the_list_of_sums(release, portal, source, tmp_path):
    folder, brick = release
    named = f"{coadd_folder(brick)}/legacysurvey_dr10_south_coadd_{brick[:3]}_{brick}.sha256sum"
    (folder / sha256_path(brick)).rename(folder / named)
    for origin in (source, FolderSource(folder)):
        files = fetch_brick(origin, brick, tmp_path / type(origin).__name__)
        assert {file.verified for file in files} == {"sha256"}


def test_a_stale_hash_is_fetched_once_more_and_then_named(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("psfsize", brick, "r")
    sums = folder / sha256_path(brick)
    name = Path(path).name
    lines = [line for line in sums.read_text().splitlines() if name not in line]
    good = sums.read_text()
    sums.write_text("\n".join([*lines, f"{'0' * 64}  {name}"]) + "\n")
    with pytest.raises(BrickError) as caught:
        fetch_brick(source, brick, tmp_path / "a")
    assert (caught.value.reason, caught.value.path) == ("hash_mismatch", f"{portal.address}/{path}")
    assert gets(portal).count(path) == gets(portal).count(sha256_path(brick)) == 2
    assert not (tmp_path / "a" / path).exists()

    def renew(method: str, path: str, number: int) -> None:
        if method == "GET" and "psfsize-r" in path:
            sums.write_text(good)  # the list comes after the files it names

    portal.fail_with = renew
    assert len(fetch_brick(source, brick, tmp_path / "b")) == 10


def test_a_file_that_no_list_names_is_counted_as_such(release, portal, source, tmp_path):
    folder, brick = release
    sums = folder / sha256_path(brick)
    kept = [line for line in sums.read_text().splitlines(keepends=True) if "maskbits" not in line]
    sums.write_text("".join(kept))
    found = {file.relative: file.verified for file in fetch_brick(source, brick, tmp_path)}
    assert found.pop(coadd_path("maskbits", brick)) == "fits"
    assert set(found.values()) == {"sha256"}


def test_the_proxy_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    source = open_source("https://portal.example/dr10/south", manners=Manners(attempts=1))
    with pytest.raises(TransientError, match="proxy"):
        source.list_brick("0001p020")
