"""python -m benchmarks.false_alarms RUN_DIR [--bricks N ...] [--draws N] [--json]: clean small runs, judged.

Bricks are drawn from a clean run's tables, without replacement and at least one of each split; every check
judges the rows of the draw as a run of its own. A FAIL is a false alarm. The draws of one run share bricks,
so they tell little of other skies.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline.checks import Check, CheckResult, load_checks, render, result_from_row
from pipeline.promises import promises
from pipeline.schema import CLOSURE, MANIFEST, METRICS, SKY, SPLITS, STAMPS
from pipeline.storage import RunLayout
from pipeline.tier import Tier, load_tier

Tables = dict[str, pa.Table]
_KEYS = ("tier", "run_id", "region_split")


def read(run: Path) -> Tables:
    """The tables that the checks read, each with region_split as a column where its folders have it."""
    names = (table.name for table in (MANIFEST, METRICS, STAMPS, CLOSURE, SKY))
    return {name: ds.dataset(run / name, partitioning="hive").to_table() for name in names}


def draw(tables: Tables, n_bricks: int, rng: np.random.Generator) -> Tables:
    """The rows of n bricks; of the stamps, whatever bytes they hold."""
    manifest = tables[MANIFEST.name]
    pairs = sorted(
        set(zip(manifest["region_split"].to_pylist(), manifest["brickname"].to_pylist(), strict=True))
    )
    chosen = [str(rng.choice([b for split, b in pairs if split == one])) for one in SPLITS]
    left = sorted({brick for _, brick in pairs} - set(chosen))
    chosen += rng.choice(left, n_bricks - len(chosen), replace=False).tolist()
    return {
        name: table.filter(pc.is_in(table["brickname"], pa.array(chosen))) for name, table in tables.items()
    }


def judge(tables: Tables, tier: Tier, layout: RunLayout) -> list[CheckResult]:
    """Every check's answer for the tables as a run of `layout`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            pq.write_to_dataset(
                table, Path(folder) / name, partition_cols=[c for c in _KEYS if c in table.column_names]
            )
        engine = Engine(FolderCatalogue(Path(folder)))
        return [_asked(engine, check, tier, layout, len(tables[MANIFEST.name])) for check in load_checks()]


def _asked(engine: Engine, check: Check, tier: Tier, layout: RunLayout, rows: int) -> CheckResult:
    answer = engine.execute(render(check, layout, rows, promises(tier)))
    return result_from_row(check.name, [name for name, _ in answer.columns], answer.rows, False)


def measure(run: Path, sizes: Sequence[int], draws: int) -> list[dict[str, Any]]:
    """One row a size: draws, how many were stopped, and by what."""
    request = json.loads((run / "plan.json").read_text("utf-8"))["request"]
    layout, tier = RunLayout(request["tier"], request["run_id"]), load_tier(request["tier"])
    tables = {name: _keyed(table, layout) for name, table in read(run).items()}
    rng = np.random.default_rng(1)
    rows = []
    for n_bricks in sizes:
        failed = Counter[str]()
        stopped = 0
        for _ in range(draws):
            names = [r.name for r in judge(draw(tables, n_bricks, rng), tier, layout) if r.status == "FAIL"]
            failed.update(names)
            stopped += bool(names)
        rows.append({"bricks": n_bricks, "draws": draws, "stopped": stopped, "by": dict(failed)})
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _keyed(table: pa.Table, layout: RunLayout) -> pa.Table:
    """With tier and run_id as columns, if the folder names lay above the run's."""
    for name, value in (("tier", layout.tier), ("run_id", layout.run_id)):
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--bricks", type=int, nargs="+", default=[6, 10, 20, 30])
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = measure(given.run, given.bricks, given.draws)
    print(json.dumps(rows, indent=1) if given.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
