"""python -m benchmarks.gate [--rows N] [--folder DIR] [--json]: time, memory and bytes of the whole gate.

The tables of a clean run of six bricks, repeated with other keys, hosts, bricks, places and hashes until they
have N rows, judged check by check on the engine that `darkhalo validate` uses. The draws repeat, so checks of
distributions may fail on many rows, and nothing is to be learnt from their answers. DIR keeps the tables.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.bug_zoo.world import TABLE_ROWS_A_HOST, TIER, Tables, World, read_tables
from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.checks import load_checks, render
from pipeline.parquet import to_bytes
from pipeline.promises import promises
from pipeline.rows import REPEATING
from pipeline.schema import SPLITS
from pipeline.storage import RunLayout
from pipeline.tier import load_tier

BRICKS, SKY_SEED = 6, 1
TILES_A_PART = 6
TERABYTE, DOLLARS_A_TB, LEAST_BYTES = 1e12, 5.0, 10e6  # Athena: each query is billed for 10 MB at least
LAYOUT = RunLayout(TIER, "tiled")


def tile(table: pa.Table, number: int) -> pa.Table:
    """The rows again, as of other tasks, hosts and bricks elsewhere on the sky."""
    changed = {
        "task_id": lambda c: _marked(c, number, 6),
        "image_hash": lambda c: _marked(c, number, 6),
        "raw_hash": lambda c: _marked(c, number, 6),
        "host_id": lambda c: pc.binary_join_element_wise(c, str(number), ""),
        "brickname": lambda c: pc.binary_join_element_wise(c, str(number), "x"),
        "region_id": lambda c: pa.array(_numbered(c) + BRICKS * number, pa.int64()),
        "ra": lambda c: pa.array((c.to_numpy() + 0.61 * number) % 360.0),
        "dec": lambda c: pa.array(c.to_numpy() + 0.0137 * number),
    }
    for name, make in changed.items():
        if name in table.column_names:
            place = table.column_names.index(name)
            column = table[name].combine_chunks()
            table = table.set_column(place, table.schema.field(name), make(column))
    return table


def _marked(column: pa.Array, number: int, digits: int) -> pa.Array:
    """Hexadecimal keys with their first digits replaced."""
    rest = pc.utf8_slice_codeunits(column, digits)
    return pc.binary_join_element_wise(f"{number:0{digits}x}", rest, "")


def _numbered(column: pa.Array) -> np.ndarray:
    return np.unique(column.to_numpy(), return_inverse=True)[1]


def build(folder: Path, rows: int) -> None:
    """The tables in `folder`, from a clean run made for them."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        base = read_tables(World.make(Path(place), BRICKS, SKY_SEED).run("base", BRICKS))
        write_tiled(folder, base, rows)


def _some_hosts(manifest: pa.Table, n: int) -> list[str]:
    """n hosts, as many of each split."""
    own = [
        manifest.filter(pc.equal(manifest["region_split"], split))["host_id"].unique().to_pylist()
        for split in SPLITS
    ]
    return [host for hosts in zip(*own, strict=True) for host in hosts][:n]


def write_tiled(folder: Path, base: Tables, rows: int) -> int:
    """Tables of about `rows` rows, whole hosts, in `folder`; the number of rows."""
    per_tile = len(base["manifest"])
    tiles = max(1, -(-rows // per_tile))
    last_rows = rows - (tiles - 1) * per_tile
    last = pa.array(_some_hosts(base["manifest"], -(-last_rows // TABLE_ROWS_A_HOST)))
    made = 0
    for start in range(0, tiles, TILES_A_PART):
        numbers = range(start, min(start + TILES_A_PART, tiles))
        for name in ("manifest", "metrics", "stamps"):
            kept = base[name].filter(pc.is_in(base[name]["host_id"], last))
            part = pa.concat_tables([tile(kept if n == tiles - 1 else base[name], n) for n in numbers])
            made += len(part) if name == "manifest" else 0
            for split in SPLITS:
                mine = part.filter(pc.equal(part["region_split"], split)).drop_columns(["region_split"])
                path = folder / LAYOUT.partition(name, split).part(start // TILES_A_PART).split("/", 2)[2]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(to_bytes(mine, [c for c in REPEATING if c in mine.column_names]))
    closure = base["closure"].drop_columns(["region_split"])
    if tiles == 1:  # rows of hosts that are not there are another run's
        closure = closure.filter(pc.is_in(closure["host_id"], last))
    path = folder / LAYOUT.partition("closure").part(0).split("/", 2)[2]
    path.parent.mkdir(parents=True)
    pq.write_table(tile(closure, 0), path)
    return made


def judge(folder: Path, rows: int) -> list[dict[str, Any]]:
    """Every check: its answer, seconds and the bytes of the columns that it read."""
    engine, promised, found = Engine(FolderCatalogue(folder)), promises(load_tier(TIER)), []
    for check in load_checks():
        started = time.perf_counter()
        result = engine.execute(render(check, LAYOUT, rows, promised))
        seconds = time.perf_counter() - started
        status = dict(zip([name for name, _ in result.columns], result.rows[0], strict=True))["status"]
        found.append(
            {"name": check.name, "status": status, "seconds": seconds, "bytes": result.bytes_scanned}
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("--rows", type=int, default=17_280)
    parser.add_argument("--folder", type=Path, help="where the tables are kept, and taken from if there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place) / "tables"
        if not folder.is_dir():  # in a process of its own, so that its memory does not count
            builder = get_context("spawn").Process(target=build, args=(folder, options.rows))
            builder.start()
            builder.join()
        cpu = time.process_time()
        rows = sum(pq.read_metadata(path).num_rows for path in (folder / "manifest").rglob("*.parquet"))
        answer = {"rows": rows, **summed(judge(folder, rows), rows)}
        answer["cpu_seconds"] = time.process_time() - cpu
    if options.json:
        print(json.dumps(answer))
    for check in sorted(answer["checks"], key=lambda one: -one["seconds"]):
        told = f"{check['seconds']:7.2f} s {check['bytes'] / 1e6:9.1f} MB  {check['status']}"
        print(f"{check['name']:20} {told}", file=sys.stderr)
    print(
        f"{rows:,} rows: {answer['seconds']:.1f} s ({answer['cpu_seconds']:.1f} s of CPU), "
        f"{answer['peak_mb']:.0f} MB at most, "
        f"{answer['bytes'] / 1e6:.1f} MB read ({answer['bytes_a_row']:.0f} B a row), "
        f"{answer['dollars']:.4f} dollars",
        file=sys.stderr,
    )
    return 0


def summed(checks: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    scanned = sum(check["bytes"] for check in checks)
    billed = sum(max(check["bytes"], LEAST_BYTES) for check in checks)
    unit = 1024 if sys.platform != "darwin" else 1024**2  # KiB on Linux, bytes on macOS
    return {
        "seconds": sum(check["seconds"] for check in checks), "bytes": scanned, "bytes_a_row": scanned / rows,
        "dollars": billed / TERABYTE * DOLLARS_A_TB,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "checks": checks,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
