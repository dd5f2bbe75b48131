"""What a portal that fails costs, says and cannot do: lines for every try, and bounds on what it sends."""

import re
import threading
import time

import pytest

from survey.cache import fetch_brick
from survey.errors import BrickError, TransientError
from survey.layout import coadd_path
from survey.ranges import Rule, Targets
from survey.sources import RangesIgnoredError, open_source
from survey.web import Manners
from tests.survey.portal import HASTY
from tests.survey.test_portal import gets, same_files


def test_a_line_for_every_try_says_what_why_and_when_next(release, portal):
    path = coadd_path("image", release[1], "r")
    portal.retry_after = "1"
    portal.fail_with = lambda method, path, number: {1: "503", 2: "429", 3: "reset"}.get(number)
    said: list[str] = []
    opened = open_source(portal.address, manners=HASTY, note=said.append)
    opened.read_range(path, 0, 100)
    assert len(said) == 3
    for number, (line, why) in enumerate(
        zip(said, ("status 503", "status 429", "Connection"), strict=True), 2
    ):
        assert line.startswith(f"{portal.address}/{path}: ")
        assert why in line
        assert re.search(rf"; try {number} of {HASTY.attempts} in \d+\.\d s$", line)
    assert re.search(r"in (0\.9|1\.0) s$", said[1]), "the server's own wish"


def test_a_host_that_has_no_name_is_given_up_soon(monkeypatch):
    """Without a network every name is unknown; with one, this is (RFC 2606)."""
    said: list[str] = []
    monkeypatch.setattr("survey.connections.getproxies", dict)
    source = open_source("https://portal.invalid/dr10/south", manners=HASTY, note=said.append)
    with pytest.raises(TransientError, match="3 tries failed.*; check the address and the network"):
        source.list_brick("0001p020")
    assert [line.split("; ")[-1][:8] for line in said] == ["try 2 of", "try 3 of"]


def test_a_server_without_ranges_is_noted_once_and_not_asked_again(release, portal, tmp_path):
    folder, brick = release
    portal.fail_with = lambda method, path, number: "ignore_range"
    said: list[str] = []
    source = open_source(portal.address, manners=HASTY, note=said.append)
    targets = Targets(((0.0, 0.0),), 64, Rule(worth_it=1.0))
    for copy in ("a", "b"):
        assert same_files(fetch_brick(source, brick, tmp_path / copy, targets), folder)
    assert [line for line in said if "try" not in line] == [
        f"{portal.address}/: the server ignores ranges; files are fetched whole"
    ]
    assert sum(ranges is not None for _, _, ranges in portal.seen) == 3


def test_a_server_that_overlooks_a_range_now_and_then_is_asked_again(release, portal, tmp_path):
    _, brick = release
    paths = [coadd_path("image", brick, band) for band in "gr"]
    said: list[str] = []
    source = open_source(portal.address, manners=HASTY, note=said.append)
    source.read_range(paths[0], 0, 100)
    portal.fail_with = lambda method, path, number: "ignore_range" if path == paths[0] else None
    with pytest.raises(RangesIgnoredError):
        source.read_range(paths[0], 100, 200)
    assert len(source.read_range(paths[1], 0, 100)) == 100
    assert not [line for line in said if "try" not in line]


@pytest.mark.parametrize("ask", ["file", "range"])
def test_an_answer_that_does_not_end_is_cut_off(ask, release, portal, source, tmp_path, monkeypatch):
    """No length is announced, and bytes keep coming."""
    path = coadd_path("image", release[1], "r")
    monkeypatch.setattr("survey.web.MOST_FILE_BYTES", 3_000_000)
    portal.fail_with = lambda method, path, number: "endless" if method == "GET" else None
    source = open_source(portal.address, manners=Manners(attempts=2, first_pause=0.001))
    if ask == "file":
        with pytest.raises(BrickError, match="more than 3,000,000 bytes, as no file of the survey has"):
            source.copy_to(path, tmp_path / "copy")
        assert (tmp_path / "copy").stat().st_size <= 3_000_000
    else:
        with pytest.raises(TransientError, match="more than the 4,900 bytes that it may have"):
            source.read_range(path, 100, 5000)
    assert portal.sent < 40_000_000  # what buffers hold, besides


def test_what_a_redirect_says_besides_is_not_read(release, portal, source, tmp_path):
    folder, brick = release
    path = coadd_path("maskbits", brick)
    portal.redirect_to = f"/dr10/south/{path}"
    portal.fail_with = lambda method, path, number: "endless_redirect" if number == 1 else None
    source.copy_to(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (folder / path).read_bytes()
    assert portal.sent < 40_000_000  # what buffers hold, besides


def test_sizes_beyond_reason_are_refused_before_a_byte_is_asked_for(
    release, portal, source, tmp_path, monkeypatch
):
    monkeypatch.setattr("survey.cache.MOST_FILE_BYTES", 1000)
    with pytest.raises(BrickError, match=r"bytes are more than any file of the survey has") as caught:
        fetch_brick(source, release[1], tmp_path)
    assert caught.value.reason == "corrupt"
    assert gets(portal) == []


def test_what_is_remembered_of_files_is_bounded_and_begins_anew_with_a_listing(release, portal, source):
    folder, brick = release
    path = coadd_path("image", brick, "g")
    source.list_brick(brick)
    source.read_range(path, 0, 1000)
    (folder / path).write_bytes((folder / coadd_path("image", brick, "z")).read_bytes())
    source.list_brick(brick)
    assert source.read_range(path, 0, 1000) == (folder / path).read_bytes()[:1000]
    (folder / path).write_bytes((folder / coadd_path("image", brick, "r")).read_bytes())
    for number in range(70):
        other = folder / coadd_path("maskbits", f"{number:04d}p020")
        other.parent.mkdir(parents=True)
        other.write_bytes(b"0123")
        assert source.read_range(other.relative_to(folder).as_posix(), 0, 2) == b"01"
    assert source.read_range(path, 0, 1000) == (folder / path).read_bytes()[:1000], "the first is forgotten"


def test_who_stops_waits_neither_for_pauses_nor_for_the_rest(release, portal, tmp_path):
    source = open_source(portal.address, manners=Manners(first_pause=60.0, longest_pause=60.0))
    portal.fail_with = lambda method, path, number: "503" if "image" in path else "endless"
    ended = []

    def copy(kind: str) -> None:
        try:
            source.copy_to(coadd_path(kind, release[1], "r"), tmp_path / kind)
        except TransientError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=copy, args=(kind,)) for kind in ("image", "invvar")]
    for thread in threads:
        thread.start()
    while portal.sent < 1_000_000 or len(portal.seen) < 2:
        time.sleep(0.01)
    source.stop()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert ended == [f"{portal.address}/: stopped"] * 2
