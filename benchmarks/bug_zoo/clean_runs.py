"""Whole runs of the debug tier without a bug, for the rate of false alarms.

Every run has its own seed, so other hosts, draws and closure sample; RUNS_A_SKY of them share a synthetic sky
(bricks of 600 pixels; masks, noise, psfsize, positions), of which each draws 20 of 26 bricks. Nothing is left
out between 4a and the verdict but the cloud: 17,280 rows a run, every stamp rendered and written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bug_zoo.world import World, judge, stopped_by

RUNS_A_SKY, SKY_BRICKS, HOSTS_PER_BRICK = 5, 26, 24
FIRST_SEED = 1000


def clean_runs(root: Path, n: int, results: Path | None) -> Iterator[dict[str, Any]]:
    """One row a run; those that `results` (JSON lines) holds already are taken from there."""
    known = {row["seed"]: row for row in _read(results)}
    world, sky = None, -1
    for number in range(n):
        seed = FIRST_SEED + number
        if seed not in known:
            if world is None or sky != number // RUNS_A_SKY:
                sky = number // RUNS_A_SKY
                world = World.make(root / f"world-{sky}", SKY_BRICKS, FIRST_SEED + sky, HOSTS_PER_BRICK)
                shutil.rmtree(root / f"world-{sky - 1}", ignore_errors=True)
            known[seed] = _judged(world, seed)
            if results is not None:
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(known[seed]) + "\n")
        row = known[seed]
        yield {
            "family": "none", "bug": f"seed {seed}", "stopped_by": row["stopped_by"], "rows": row["rows"],
        }  # fmt: skip


def _judged(world: World, seed: int) -> dict[str, Any]:
    """Run and judge; every check's status, statistic and bound are kept, to see how near it came."""
    run_id = f"seed-{seed}"
    judged = judge(world.run(run_id, None, seed))
    world.forget(run_id)
    checks = {c["name"]: [c["status"], c["statistic"], c["bound"]] for c in judged["checks"]}
    messages = {c["name"]: c["message"] for c in judged["checks"] if c["name"] in stopped_by(judged)}
    return {
        "seed": seed, "verdict": judged["verdict"], "rows": judged["rows"], "stopped_by": stopped_by(judged),
        "checks": checks, "messages": messages,
    }  # fmt: skip


def _read(results: Path | None) -> list[dict[str, Any]]:
    if results is None or not results.is_file():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
