"""Errors of physics.render against the adaptive quadrature of tests/physics/oracle.py, system by system.

    python -m benchmarks.accuracy [--set NAME ...] [--systems N] [--seed S] [--index I ...] [--rows FILE]
        [--json]

0.1 s a system, 1 s on the caustic. The sets are in tests/physics/sets.py; the worst systems are printed
with all their parameters, and `--set S --seed N --index I` renders the named ones again.

Errors and what they are relative to: tests/physics/sets.py. ok: flux error <= 5e-4 and pixel error <= 1e-3.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.physics.sets import SETS, errors, is_ok

QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
KINDS = ("flux_error", "pixel_error", "magnification_error")
_WORST = 5


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Quantiles of each error and the share of systems within the bounds."""
    out: dict[str, Any] = {
        "systems": len(rows),
        "ok_fraction": float(np.mean([is_ok(r) for r in rows])),
        "ok_by_place": {},
        "failed": [int(r["index"]) for r in rows if not is_ok(r)],
    }
    for place in sorted({r["place"] for r in rows}):
        out["ok_by_place"][place] = float(np.mean([is_ok(r) for r in rows if r["place"] == place]))
    for kind in KINDS:
        values = [r[kind] for r in rows]
        out[kind] = {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
    return out


def _worst(name: str, seed: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The systems with the largest error of each kind, by their parameters."""
    leading = [r for kind in KINDS for r in sorted(rows, key=lambda r: -r[kind])[:_WORST]]
    chosen = {int(r["index"]): r for r in leading}
    return [{**row, "system": dataclasses.asdict(SETS[name](seed, k))} for k, row in chosen.items()]


def campaign(name: str, seed: int, indices: list[int], keep: Path | None = None) -> list[dict[str, Any]]:
    """Errors of the systems of a set, with progress on stderr. keep: file of rows to resume from."""
    rows = _kept(name, seed, keep)
    left = [k for k in indices if k not in {r["index"] for r in rows}]
    start = said = time.monotonic()
    for done, index in enumerate(left, 1):
        case = SETS[name](seed, index)
        row = {"set": name, "seed": seed, "index": index, "place": case.place, **errors(case)}
        rows.append(row)
        if keep is not None:
            with keep.open("a") as file:
                file.write(json.dumps(row) + "\n")
        if not is_ok(row):
            print(f"not ok: {row}", file=sys.stderr)
        now = time.monotonic()
        if now - said > 10 or done == len(left):
            said, rest = now, (now - start) / done * (len(left) - done)
            print(f"{name}: {done}/{len(left)}, {rest:.0f} s left", file=sys.stderr)
    wanted = set(indices)
    return [r for r in rows if r["index"] in wanted]


def _kept(name: str, seed: int, keep: Path | None) -> list[dict[str, Any]]:
    if keep is None or not keep.exists():
        return []
    rows = [json.loads(line) for line in keep.read_text().splitlines()]
    return [r for r in rows if (r["set"], r["seed"]) == (name, seed)]


def _print(name: str, result: dict[str, Any]) -> None:
    print(f"{name}: {result['systems']} systems, ok {100 * result['ok_fraction']:.2f} %")
    print("  " + "  ".join(f"{place} {100 * v:.1f}" for place, v in result["ok_by_place"].items()))
    for kind in KINDS:
        print(f"  {kind:20}" + "  ".join(f"{q} {v:.1e}" for q, v in result[kind].items()))
    for row in result["worst"]:
        print("  " + "  ".join(f"{k} {v:.3g}" for k, v in row.items() if isinstance(v, (int, float))))
        print(f"    {json.dumps(row['system'])}")


def main() -> None:
    """Run the campaigns and print their quantiles, or one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", dest="sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--systems", type=int, default=2000, help="of each set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", type=int, nargs="+", help="these systems only")
    parser.add_argument("--rows", type=Path, help="keep each system's errors here, and resume from them")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    for name in options.sets:
        rows = campaign(name, options.seed, options.index or list(range(options.systems)), options.rows)
        worst = _worst(name, options.seed, rows)
        results[name] = {"seed": options.seed, **summary(rows), "worst": worst}
        if not options.json:
            _print(name, results[name])
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
