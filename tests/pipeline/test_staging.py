"""Phase 4b against a portal on a real socket: what is cached, what is counted, what happens again."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from astropy.io import fits

from pipeline import staging
from pipeline.errors import StorageConflictError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.inject import inject_brick
from pipeline.manifest import manifest_rows
from pipeline.parquet import from_rows, read, to_bytes
from pipeline.schema import HOSTS, MANIFEST
from pipeline.staging import Tally, cache_chunk, stage_chunk
from pipeline.storage import cache_key, cached_brick_key
from pipeline.store import FolderStore, get_json, publish, publish_json
from pipeline.tier import load_tier
from survey import web
from survey.errors import SurveyError, TransientError
from survey.hosts import select_hosts
from survey.layout import coadd_folder, coadd_path, sha256_path, tractor_path
from survey.sky import write_sky
from survey.sources import open_source
from tests.survey.portal import FAULTS, Portal

TIER = load_tier("debug")


class World(NamedTuple):
    folder: Path
    names: list[str]
    manifest: bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> World:
    """Four bricks and the manifest of their hosts."""
    folder = tmp_path_factory.mktemp("sky")
    bricks = write_sky(folder, 4, brick_pixels=700, seed=21, hosts_per_brick=2)
    hosts = select_hosts([folder / tractor_path(brick.name) for brick in bricks])
    hosts = read(to_bytes(hosts.replace_schema_metadata(None)), HOSTS, "hosts")
    return World(folder, [brick.name for brick in bricks], to_bytes(manifest_rows(hosts, TIER)))


@pytest.fixture(autouse=True)
def _hasty(monkeypatch) -> None:
    """Defaults that tests can wait for."""
    hasty = web.Manners(first_pause=0.001, longest_pause=0.01, stall_timeout=1.0)
    monkeypatch.setattr(web, "Manners", lambda: hasty)


@pytest.fixture
def world(made, tmp_path) -> World:
    """The same bricks, but the last has no image in r."""
    folder = tmp_path / "sky"
    shutil.copytree(made.folder / "coadd", folder / "coadd")
    (folder / coadd_path("image", made.names[-1], "r")).unlink()
    return made._replace(folder=folder)


def chunk_of(world: World, store: FolderStore, sky: str, staging: str | None = None, run_id: str = "a-run"):
    request = RunRequest("debug", run_id, "hosts/x.parquet", sky, staging=staging)
    chunk = ChunkRecord("train-00000", "train", 0, tuple(world.names), 1)
    publish(store, request.layout.partition(MANIFEST.name, "train").part(0), world.manifest)
    publish_json(store, request.layout.chunks, [chunk.to_event()])
    return request, chunk


def stage(world, store, sky, staging=None, run_id="a-run"):
    request, chunk = chunk_of(world, store, sky, staging, run_id)
    counts = cache_chunk(store, request, chunk)
    return counts, get_json(store, request.layout.receipt(CACHE_PHASE, chunk.chunk_id))["bricks"]


def check_cached(store: FolderStore, bricks) -> None:
    """Every object of the cache is what its key says, and what the records say."""
    for record in bricks.values():
        for path, file in record.get("files", {}).items():
            content = store.get(cache_key(path, file["sha256"]))
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert len(content) == file["bytes"]
    assert not [path for path in store.root.rglob("*") if path.name.startswith(".") or ".part" in path.name]


def test_a_chunk_is_cached_and_a_bad_brick_is_a_row_with_its_reason(world, store):
    with Portal(world.folder) as portal:
        counts, bricks = stage(world, store, portal.address, "whole")
        assert portal.most_at_once <= web.Manners().connections
    check_cached(store, bricks)
    bad = world.names[-1]
    name = Path(coadd_path("image", bad, "r")).name
    assert (bricks[bad]["reason"], bricks[bad]["file"]) == ("missing_file", name)
    assert f"absent: {name}; put them there, or leave brick {bad} out" in bricks[bad]["message"]
    assert counts["bricks"] == 4
    assert counts["quarantined_bricks"] == 1
    assert counts["files_verified_by"] == {"sha256": 30}
    assert counts["saved_bytes"] == 0


def test_a_second_run_fetches_nothing(world, store):
    with Portal(world.folder) as portal:
        _, first = stage(world, store, portal.address)
        portal.seen.clear()
        counts, second = stage(world, store, portal.address, run_id="another")
        assert second == first
        assert counts["cached_before"] == 4
        assert counts["fetched_bytes"] == 0
        assert portal.seen == []


def test_a_brick_that_was_mended_is_taken_when_asked_for_again(world, store, made):
    brick, path = world.names[-1], coadd_path("image", world.names[-1], "r")
    with Portal(world.folder) as portal:
        stage(world, store, portal.address)
        request, chunk = chunk_of(world, store, portal.address, run_id="another")
        source = open_source(portal.address)
        still = stage_chunk(store, source, request, chunk, Tally(), retry_bad=True)
        assert still[brick]["reason"] == "missing_file"
        shutil.copyfile(made.folder / path, world.folder / path)
        _, pinned = stage(world, store, portal.address, run_id="pinned")
        assert pinned == still
        mended = stage_chunk(store, source, request, chunk, Tally(), retry_bad=True)
        assert "files" in mended[brick]
        _, bricks = stage(world, store, portal.address, run_id="mended")
    assert bricks == mended
    check_cached(store, bricks)


def test_a_page_in_place_of_one_brick_is_not_pinned(world, store):
    with Portal(world.folder) as portal:
        portal.fail_with = lambda method, path, number: "page" if world.names[0] in path else None
        _, bricks = stage(world, store, portal.address)
        assert bricks[world.names[0]]["reason"] == "web_page"
        portal.fail_with = lambda *_: None
        _, bricks = stage(world, store, portal.address, run_id="another")
    assert sum("files" in record for record in bricks.values()) == 3


@pytest.mark.parametrize(("how", "words"), [("path", "is there; give"), ("page", "but web pages; give")])
def test_a_source_without_any_brick_is_the_wrong_one_and_nothing_is_recorded(how, words, world, store):
    """A mistyped folder, where every file is absent, or a server in maintenance."""
    with Portal(world.folder) as portal:
        portal.fail_with = lambda *_: "page" if how == "page" else None
        address = f"{portal.address}/soth" if how == "path" else portal.address
        request, chunk = chunk_of(world, store, address)
        with pytest.raises(SurveyError, match=f"none of 4 bricks of this run is there|{words}") as caught:
            cache_chunk(store, request, chunk)
        assert str(caught.value).startswith(f"{address}/coadd/: ")
    assert {path.name for path in store.root.rglob("*.json")} == {"chunks.json"}
    with pytest.raises(SurveyError, match="none of 4 bricks"):
        cache_chunk(store, *chunk_of(world, store, world.folder.parent.as_uri(), run_id="folder"))


def test_a_brick_alone_in_its_chunk_is_judged_by_the_others_of_its_run(world, store):
    """An absent brick is a finding if the source has others, of whatever chunk."""
    shutil.rmtree(world.folder / coadd_folder(world.names[0]))
    with Portal(world.folder) as portal:
        request = RunRequest("debug", "a-run", "hosts/x.parquet", portal.address, staging="whole")
        chunks = [ChunkRecord(f"train-{n:05d}", "train", n, (name,), 1) for n, name in enumerate(world.names)]
        publish_json(store, request.layout.chunks, [chunk.to_event() for chunk in chunks])
        counts = cache_chunk(store, request, chunks[0])
        assert counts["quarantined_bricks"] == 1
        asked = {Path(path).parent.name for _, path, _ in portal.seen}
        assert asked == set(world.names[:2]), "one brick that is there is enough"


def test_a_replaced_brick_stays_the_one_that_was_pinned(world, store):
    with Portal(world.folder) as portal:
        _, first = stage(world, store, portal.address)
        for name in world.names:
            shutil.rmtree(world.folder / coadd_folder(name))
        _, second = stage(world, store, portal.address, run_id="another")
    assert {name: second[name] for name in world.names[:3]} == {name: first[name] for name in world.names[:3]}


def test_a_cache_that_lost_a_file_fetches_the_brick_again(world, store):
    with Portal(world.folder) as portal:
        _, first = stage(world, store, portal.address)
        path, file = next(iter(first[world.names[1]]["files"].items()))
        (store.root / cache_key(path, file["sha256"])).unlink()
        counts, second = stage(world, store, portal.address, run_id="another")
    assert second == first
    assert counts["cached_before"] == 3
    check_cached(store, second)


def test_a_lost_file_of_a_brick_that_was_replaced_is_named_with_its_mend(world, store):
    brick = world.names[0]
    with Portal(world.folder) as portal:
        _, first = stage(world, store, portal.address, "whole")
        path, file = next(iter(first[brick]["files"].items()))
        lost = store.root / cache_key(path, file["sha256"])
        content = lost.read_bytes()
        lost.unlink()
        (world.folder / sha256_path(brick)).unlink()
        _, same = stage(world, store, portal.address, "whole", run_id="same")
        assert same == first, "verified otherwise, but the same bytes"
        lost.unlink()
        with fits.open(world.folder / path, mode="update", disable_image_compression=True) as hdus:
            hdus[1].header["VERSION"] = "newer"
            hdus[1].add_checksum()
        request, chunk = chunk_of(world, store, portal.address, "whole", run_id="third")
        with pytest.raises(StorageConflictError) as caught:
            cache_chunk(store, request, chunk)
        record = store.root / cached_brick_key(portal.address, brick, "whole")
        assert str(caught.value).startswith(f"{record}: pins files of brick {brick}")
        assert "put the lost file back, or remove this record" in str(caught.value)
        lost.write_bytes(content)
        assert cache_chunk(store, request, chunk)["cached_before"] == 4
        lost.unlink()
        record.unlink()
        _, newer = stage(world, store, portal.address, "whole", run_id="fourth")
    assert newer[brick]["files"][path]["sha256"] != file["sha256"]
    check_cached(store, newer)


def test_a_brick_that_was_mended_for_some_stamps_is_no_longer_bad_for_others(world, store, made):
    brick, path = world.names[-1], coadd_path("image", world.names[-1], "r")
    with Portal(world.folder) as portal:
        stage(world, store, portal.address, "ranges")
        shutil.copyfile(made.folder / path, world.folder / path)
        request, chunk = chunk_of(world, store, portal.address, "ranges", run_id="again")
        source = open_source(portal.address)
        mended = stage_chunk(store, source, request, chunk, Tally(), retry_bad=True)
        assert {file["verified"] for file in mended[brick]["files"].values()} == {"sha256", "tiles"}
        rows = read(world.manifest, MANIFEST, "manifest").to_pylist()
        other = [row for row in rows if row["brickname"] != brick or row["host_id"] == rows[-1]["host_id"]]
        fewer = world._replace(manifest=to_bytes(from_rows(MANIFEST, other)))
        _, bricks = stage(fewer, store, portal.address, "ranges", run_id="others")
    assert "files" in bricks[brick]
    assert bricks[brick] != mended[brick]


def test_every_kind_of_fault_and_nothing_is_lost(world, store):
    """One request in five fails, each in its way; the same bytes arrive as from the folder."""

    def fail(method: str, path: str, number: int) -> str | None:
        draw = int.from_bytes(hashlib.sha256(f"{method}{path}{number}".encode()).digest()[:4], "big")
        return FAULTS[draw // 5 % len(FAULTS)] if draw % 5 == 0 else None

    with Portal(world.folder) as portal:
        portal.fail_with = fail
        _, bricks = stage(world, store, portal.address, "whole")
        assert len(portal.seen) > len({(method, path) for method, path, _ in portal.seen}) + 10
    _, local = stage(world, FolderStore(store.root.parent / "local"), world.folder.as_uri())
    assert bricks == local
    check_cached(store, bricks)


def test_a_portal_that_goes_down_midway_leaves_what_is_whole(world, store):
    brick = world.names[2]

    def fail(method: str, path: str, number: int) -> str | None:
        return "503" if brick in path and "invvar-r" in path and method == "GET" else None

    with Portal(world.folder) as portal:
        portal.fail_with = fail
        request, chunk = chunk_of(world, store, portal.address)
        with pytest.raises(TransientError, match="invvar-r.*1 of 4 bricks failed for now: run it again"):
            cache_chunk(store, request, chunk)
        assert not store.exists(request.layout.receipt(CACHE_PHASE, chunk.chunk_id))
        cached = {path.parent.name for path in (store.root / "cache" / "bricks").rglob("*.json")}
        assert cached == {*world.names[:2], world.names[3]}
        portal.fail_with = lambda *_: None
        portal.seen.clear()
        counts = cache_chunk(store, request, chunk)
        assert counts["cached_before"] == 3
        asked = {Path(path).parent.name for _, path, _ in portal.seen if not path.startswith("tractor/")}
        assert asked == {brick}


def test_a_portal_that_is_down_is_not_asked_for_every_brick(world, store):
    with Portal(world.folder) as portal:
        portal.fail_with = lambda *_: "503"
        request, _ = chunk_of(world, store, portal.address, "whole")
        many = ChunkRecord("train-00000", "train", 0, tuple(f"{i:04d}p020" for i in range(50)), 1)
        with pytest.raises(TransientError, match=r"status 503; \d of 50 bricks failed"):
            cache_chunk(store, request, many)
        assert len({Path(path).parent.name for _, path, _ in portal.seen}) < 10


@pytest.mark.parametrize("end", ["403", "interrupt"])
def test_an_end_does_not_wait_for_the_other_bricks_pauses(end, world, store, monkeypatch):
    """One brick is refused, or the user stops; for the others the portal is down, and pauses are long."""
    monkeypatch.setattr(web, "Manners", lambda: real(first_pause=60.0, longest_pause=60.0))
    if end == "interrupt":
        monkeypatch.setattr(staging, "wait", interrupt)
    with Portal(world.folder) as portal:
        portal.fail_with = lambda method, path, number: (
            end if end == "403" and world.names[0] in path else "503"
        )
        request, chunk = chunk_of(world, store, portal.address, "whole")
        with pytest.raises(KeyboardInterrupt if end == "interrupt" else SurveyError):
            cache_chunk(store, request, chunk)
        assert set(Counter(portal.seen).values()) <= {1}, "no second try"


real = web.Manners


def interrupt(running, return_when):
    raise KeyboardInterrupt


def test_a_portal_that_refuses_is_bad_input(world, store):
    with Portal(world.folder) as portal:
        portal.fail_with = lambda *_: "403"
        request, chunk = chunk_of(world, store, portal.address)
        with pytest.raises(SurveyError, match="refuses access"):
            cache_chunk(store, request, chunk)


def test_a_stop_in_the_middle_leaves_nothing_half_written(world, store, monkeypatch):
    """The process ends between two files of a brick: its record is not there, so it is fetched again."""
    published = []
    original = FolderStore.publish_file

    def stop_at_15(self, key, path):
        published.append(key)
        if len(published) == 15:
            raise KeyboardInterrupt
        return original(self, key, path)

    with Portal(world.folder) as portal:
        request, chunk = chunk_of(world, store, portal.address)
        monkeypatch.setattr(FolderStore, "publish_file", stop_at_15)
        with pytest.raises(KeyboardInterrupt):
            cache_chunk(store, request, chunk)
        monkeypatch.undo()
        _, bricks = stage(world, store, portal.address)
    check_cached(store, bricks)
    assert sum("files" in record for record in bricks.values()) == 3


def test_ranges_bring_less_and_4c_cannot_tell(world, store):
    whole = FolderStore(store.root.parent / "whole")
    with Portal(world.folder) as portal:
        counts, some = stage(world, store, portal.address, "ranges")
        _, all_of_it = stage(world, whole, portal.address, "whole")
    check_cached(store, some)
    assert counts["saved_bytes"] > 0.3 * (counts["fetched_bytes"] + counts["saved_bytes"])
    assert counts["files_verified_by"] == {"sha256": 12, "tiles": 18}
    tasks = read(world.manifest, MANIFEST, "manifest").to_pylist()
    for name in world.names[:3]:
        own = [task for task in tasks if task["brickname"] == name][:60]
        ours = inject_brick(store, name, some[name], own, TIER)
        theirs = inject_brick(whole, name, all_of_it[name], own, TIER)
        assert ours == theirs
        assert any(row["cutout_ok"] for row in ours.metrics)


def test_other_stamps_are_other_tiles(world, store):
    with Portal(world.folder) as portal:
        stage(world, store, portal.address, "ranges")
        rows = read(world.manifest, MANIFEST, "manifest")
        other = world._replace(manifest=to_bytes(rows.slice(0, len(rows) // 8 * 7)))
        counts, bricks = stage(other, store, portal.address, "ranges", run_id="another")
    assert counts["cached_before"] == 4 - 1  # hosts of one brick are fewer now
    check_cached(store, bricks)


def test_whole_files_serve_ranges_too(world, store):
    with Portal(world.folder) as portal:
        stage(world, store, portal.address, "whole")
        counts, _ = stage(world, store, portal.address, "ranges", run_id="another")
    assert counts["cached_before"] == 4
    assert counts["files_verified_by"] == {"sha256": 30}


def test_a_folder_is_read_whole_and_never_pinned(world, store):
    _, first = stage(world, store, world.folder.as_uri())
    assert not (store.root / "cache" / "bricks").exists()
    for name in world.names[:2]:
        (world.folder / sha256_path(name)).unlink()
    counts, second = stage(world, store, world.folder.as_uri(), run_id="another")
    assert counts["files_verified_by"] == {"fits": 20, "sha256": 10}
    assert {n: r["files"].keys() for n, r in second.items() if "files" in r} == {
        n: r["files"].keys() for n, r in first.items() if "files" in r
    }


def test_4c_compares_the_cache_with_the_record(world, store):
    _, bricks = stage(world, store, world.folder.as_uri())
    name = world.names[0]
    path, file = next(iter(bricks[name]["files"].items()))
    target = store.root / cache_key(path, file["sha256"])
    content = bytearray(target.read_bytes())
    content[-3000] ^= 1
    target.write_bytes(content)
    tasks = [t for t in read(world.manifest, MANIFEST, "m").to_pylist() if t["brickname"] == name][:2]
    result = inject_brick(store, name, bricks[name], tasks, TIER)
    assert [row["quarantine_reason"] for row in result.metrics] == ["hash_mismatch"] * 2
