"""python -m benchmarks.bug_zoo [--only WORD] [--noise] [--clean N [--results FILE]] [--json]

Plants every known bug, runs a small tier and the gate, and prints a table: family, bug, stopped or not, by
which check, rows. With --clean N instead: N whole runs without a bug, of other seeds, for the rate of false
alarms. Exit code 1 if a bug got through or a clean run was stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from scipy.stats import beta

from benchmarks.bug_zoo import code_bugs, table_bugs
from benchmarks.bug_zoo.clean_runs import clean_runs
from benchmarks.bug_zoo.sky_bugs import SKY_BUGS
from benchmarks.bug_zoo.world import World, judge, judge_again, read_tables, stopped_by, write_tables

CODE_BRICKS, TABLE_BRICKS = 3, 6
SKY_BRICKS = max(TABLE_BRICKS, *code_bugs.BRICKS.values())
Row = dict[str, Any]


def plant_in_code(world: World, only: str, noise: bool) -> Iterator[Row]:
    """Each bug in the code of 4a or 4c, on the run that it makes."""
    clean = [("none", "no bug", code_bugs.with_noise(nullcontext))] if noise else []
    for family, name, bug in (*clean, *code_bugs.BUGS, *SKY_BUGS):
        patch = code_bugs.with_noise(bug) if noise else bug
        if only not in f"{family}: {name}":
            continue
        try:
            with patch():
                folder = world.run("planted", code_bugs.BRICKS.get(name, CODE_BRICKS))
            judged = judge(folder)
            checks, rows = stopped_by(judged), judged["rows"]
        except code_bugs.NotPlantedError:
            raise
        except Exception as error:  # a phase that refuses stops the run as well
            checks, rows = [f"refused: {textwrap.shorten(str(error), 150)}"], 0
        yield {"family": family, "bug": name, "stopped_by": checks, "rows": rows}
        world.forget("planted")


def plant_in_tables(world: World, root: Path, only: str) -> Iterator[Row]:
    """Each bug in the tables of a clean run."""
    bugs = [bug for bug in table_bugs.BUGS if only in f"{bug[0]}: {bug[1]}"]
    if not bugs:
        return
    clean = read_tables(world.run("clean", TABLE_BRICKS))
    tables = {False: clean, True: table_bugs.with_controls(clean)}
    for number, (family, name, change, controls) in enumerate(
        [("none", "no bug", lambda t: t, c) for c in (False, True)] + bugs
    ):
        folder = write_tables(root / f"planted-{number}", change(tables[controls]))
        judged = judge(folder)
        yield {"family": family, "bug": name, "stopped_by": stopped_by(judged), "rows": judged["rows"]}


def plant_in_reruns(world: World, root: Path, only: str) -> Iterator[Row]:
    """Each bug that a second run alone can show, on the second of two runs."""
    bugs = [bug for bug in code_bugs.RERUN_BUGS if only in f"{bug[0]}: {bug[1]}"]
    if not bugs:
        return
    first = world.run("first", CODE_BRICKS)
    for number, (family, name, patch) in enumerate([("none", "a rerun", nullcontext), *bugs]):
        with patch():
            second = world.run("second", CODE_BRICKS)
        judged = judge_again(root / f"rerun-{number}", first, second)
        yield {"family": family, "bug": name, "stopped_by": stopped_by(judged), "rows": judged["rows"]}
        world.forget("second")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bug_zoo")
    parser.add_argument("--only", default="", metavar="WORD", help="bugs whose `family: name` holds WORD")
    parser.add_argument(
        "--noise", action="store_true", help="on light with Poisson noise, bugs in code alone"
    )
    parser.add_argument("--clean", type=int, default=0, metavar="N", help="N runs without a bug instead")
    parser.add_argument("--results", type=Path, metavar="FILE", help="clean runs kept in FILE, and not again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(_shown(_rows(Path(folder), options)))
    if options.json:
        print(json.dumps(rows))
    clean, planted = (
        [row for row in rows if row["family"] == "none"],
        [row for row in rows if row["family"] != "none"],
    )
    through = [row["bug"] for row in planted if not row["stopped_by"]]
    alarms = [row["bug"] for row in clean if row["stopped_by"]]
    print(
        f"{len(planted) - len(through)} of {len(planted)} bugs stopped; got through: {through or 'none'}",
        file=sys.stderr,
    )
    print(f"{len(alarms)} of {len(clean)} clean runs stopped: {alarms or 'none'}", file=sys.stderr)
    if options.clean:
        print(f"so fewer than {_limit(len(alarms), len(clean)):.1%} are (95 %)", file=sys.stderr)
    return 1 if through or alarms else 0


def _limit(k: int, n: int) -> float:
    """The upper 95 % limit on a rate of which k of n were found (3 / n for none)."""
    return float(beta.ppf(0.95, k + 1, n - k)) if k < n else 1.0


def _rows(root: Path, options: argparse.Namespace) -> Iterator[Row]:
    if options.clean:
        yield from clean_runs(root, options.clean, options.results)
        return
    world = World.make(root, SKY_BRICKS)
    if not options.noise:
        yield from plant_in_tables(world, root, options.only)
        yield from plant_in_reruns(world, root, options.only)
    yield from plant_in_code(world, options.only, options.noise)


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, each printed as a line of a Markdown table when it is known."""
    print("| family | bug | stopped by | rows |\n|---|---|---|---|", file=sys.stderr)
    start = time.monotonic()
    for row in rows:
        checks = ", ".join(row["stopped_by"]) or "NOTHING"
        if row["family"] == "none" and not row["stopped_by"]:
            checks = "nothing, as it should be"
        print(f"| {row['family']} | {row['bug']} | {checks} | {row['rows']:,} |", file=sys.stderr, flush=True)
        yield row
    print(f"\n{time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
