"""Phase 4b on full-size bricks through a web server of this machine: bytes by ranges, and bricks an hour of a
server that fails.

    python -m benchmarks.staging [--sky FOLDER] [--bricks N] [--rounds N] [--json]

Bytes: what the server sent for one brick whole, and with 36 and 864 stamps of 64 pixels at random places by
the default rule. Rate: every round caches all bricks anew, in four threads; of the requests
5 % fail in each of the ways of tests/survey/portal.py, and then none, for comparison. A round whose bricks
could not all be fetched is started again, as the state machine does, and counted. Nothing is lost if every
brick is cached, no brick is quarantined, and every file is the one that a folder gives. A full-size sky takes
two minutes a brick to make; --sky keeps it.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.right_source import RightSource
from pipeline.staging import Tally, cache_brick, stage_bricks
from pipeline.store import FolderStore
from survey.cache import FolderSource, fetch_brick
from survey.coadd import BrickReader
from survey.errors import TransientError
from survey.ranges import Targets
from survey.sky import write_sky
from survey.sources import open_source
from survey.web import Manners
from tests.survey.portal import FAULTS, Portal

STAMPS = (36, 864)
N_PIX = 64
SHARE = 0.05
MANNERS = Manners(first_pause=0.05, longest_pause=1.0, stall_timeout=1.0)
"""Pauses for a server on this machine; the defaults are for one across the world."""


def random_positions(folder: Path, brick: str, count: int) -> tuple[tuple[float, float], ...]:
    """Positions whose stamps lie in the brick, degrees."""
    with BrickReader(folder, brick) as reader:
        rows, columns = reader.shape
        x, y = np.random.default_rng(count).uniform(N_PIX, np.array([[columns], [rows]]) - N_PIX, (2, count))
        ra, dec = reader.wcs.to_sky(x, y)
    return tuple(zip(ra.tolist(), dec.tolist(), strict=True))


def bytes_a_brick(folder: Path, brick: str) -> list[dict[str, Any]]:
    """What the server sends for a brick, by number of stamps."""
    rows = []
    for count in (None, *STAMPS):
        targets = None if count is None else Targets(random_positions(folder, brick, count), N_PIX)
        with Portal(folder) as portal, tempfile.TemporaryDirectory() as copy:
            started = time.process_time()
            files = fetch_brick(open_source(portal.address, manners=MANNERS), brick, Path(copy), targets)
            whole = sum(file.source_bytes for file in files)
            rows.append({
                "stamps": count or "whole files",
                "whole_bytes": whole,
                "sent_bytes": portal.sent,
                "share": round(portal.sent / whole, 4),
                "stored_bytes": sum(file.bytes for file in files),
                "requests": len(portal.seen),
                "by_ranges": sum(file.verified == "tiles" for file in files),
                "cpu_seconds_with_server": round(time.process_time() - started, 2),
            })  # fmt: skip
    return rows


class Unlucky:
    """Fails `SHARE` of the requests in each way, by a draw that is the same in every run."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def __call__(self, method: str, path: str, number: int) -> str | None:
        digest = hashlib.sha256(f"{method} {path} {number}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        fault = FAULTS[int(draw / SHARE)] if draw < SHARE * len(FAULTS) else None
        if fault:
            self.done[fault] += 1
        return fault


def rate(folder: Path, bricks: list[str], rounds: int, staging: str, unlucky: bool) -> dict[str, Any]:
    """Bricks an hour, and whether anything was lost."""
    expected = _from_the_folder(folder, bricks, staging)
    fail, wrong, quarantined, reruns = Unlucky(), 0, 0, 0
    started = time.monotonic()
    with Portal(folder, stall_seconds=5.0) as portal:
        if unlucky:
            portal.fail_with = fail
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as bucket:
                records, tries = _staged(FolderStore(Path(bucket)), portal.address, folder, bricks, staging)
            reruns += tries - 1
            quarantined += sum("reason" in record for record in records.values())
            wrong += sum(_differs(records[name], expected[name]) for name in bricks)
        seconds = time.monotonic() - started
        requests, sent = len(portal.seen), portal.sent
    cached = rounds * len(bricks) - quarantined
    return {
        "staging": staging,
        "faults": dict(sorted(fail.done.items())),
        "requests": requests,
        "failed_share": round(sum(fail.done.values()) / requests, 3),
        "bricks": rounds * len(bricks),
        "bricks_cached": cached,
        "bricks_quarantined": quarantined,
        "bricks_that_differ": wrong,
        "reruns": reruns,
        "seconds": round(seconds, 1),
        "bricks_an_hour": round(3600 * cached / seconds),
        "mb_sent_a_brick": round(sent / 1e6 / (rounds * len(bricks)), 1),
        "nothing_lost": cached == rounds * len(bricks) and not wrong,
    }


def _staged(
    store: FolderStore, sky: str, folder: Path, bricks: list[str], staging: str
) -> tuple[dict[str, dict[str, Any]], int]:
    """The records of the bricks, and how many times staging was started."""
    targets = _targets(folder, bricks, staging)
    for tries in range(1, 10):
        try:
            source = open_source(sky, manners=MANNERS)
            right = RightSource(source, lambda: bricks)
            return stage_bricks(store, source, sky, tuple(bricks), targets.get, Tally(), right), tries
        except TransientError as error:
            print(f"started again: {error}", file=sys.stderr)
    raise SystemExit("nine starts were not enough")


def _targets(folder: Path, bricks: list[str], staging: str) -> dict[str, Targets]:
    if staging == "whole":
        return {}
    return {name: Targets(random_positions(folder, name, STAMPS[0]), N_PIX) for name in bricks}


def _from_the_folder(folder: Path, bricks: list[str], staging: str) -> dict[str, dict[str, Any]]:
    """The records that a folder gives: what must arrive."""
    targets = _targets(folder, bricks, staging)
    with tempfile.TemporaryDirectory() as bucket:
        store = FolderStore(Path(bucket))
        return {name: cache_brick(store, FolderSource(folder), name, targets.get(name)) for name in bricks}


def _differs(record: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a file is neither the folder's nor a whole one that the survey's hash vouches for."""
    return any(
        file["verified"] != "sha256" and file["sha256"] != expected["files"][path]["sha256"]
        for path, file in record.get("files", {}).items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sky", type=Path, help="folder of full-size bricks, made if it is not there")
    parser.add_argument("--bricks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10, help="0: the bytes alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.sky or Path(scratch)
        names = [brick.name for brick in write_sky(folder, options.bricks, seed=20240607, hosts_per_brick=24)]
        result: dict[str, Any] = {"bytes_a_brick": bytes_a_brick(folder, names[0]), "rates": []}
        for staging in ("whole", "ranges") if options.rounds else ():
            for unlucky in (False, True):
                result["rates"].append(rate(folder, names, options.rounds, staging, unlucky))
                print(result["rates"][-1], file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for row in [*result["bytes_a_brick"], *result["rates"]]:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
