"""Errors of physics.render against the adaptive quadrature of tests/physics/oracle.py, system by system.

    python -m benchmarks.accuracy [--set NAME ...] [--systems N] [--seed S] [--index I ...] [--json]

0.1 s a system, 1 s on the caustic. The sets are in benchmarks/physics_sets.py; the worst systems are printed
with all their parameters, and `--set S --seed N --index I` renders the named ones again.

flux error           |flux in the stamp - true| / true
pixel error          largest |pixel - true| / brightest true pixel
magnification error  |magnification - true| / true, whole plane
A stamp that holds less than 1 % of the light (the source is beside it) has no flux or peak of its own to
speak of: its errors are relative to 1 % of all light, and to the peak of a star with 1 % of all light.
ok: flux error <= 5e-4 and pixel error <= 1e-3.
"""

import argparse
import dataclasses
import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks.physics_sets import N_PIX, SETS, Case
from physics import Psf, render
from tests.physics.oracle import psf_density, render_oracle
from tests.physics.systems import PIXEL

FLUX_BOUND, PIXEL_BOUND = 5e-4, 1e-3
#: Errors are not taken relative to less than this part of the whole.
LEAST_SHARE = 0.01
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
KINDS = ("flux_error", "pixel_error", "magnification_error")
_WORST = 5


def errors(case: Case) -> dict[str, float]:
    """The three errors of one system, and the share of its light that the stamp holds."""
    truth = render_oracle(
        case.lens, case.source, case.fwhm, case.kind, case.beta, n_pix=N_PIX, center=case.center
    )
    got = render(
        case.lens, case.source, Psf((case.fwhm,), case.kind, case.beta), n_pix=N_PIX, center=case.center
    )
    flux, image = float(truth.image.sum()), got.image[0].astype(float)
    least, star = LEAST_SHARE * truth.magnification, psf_density(0.0, case.fwhm, case.kind, case.beta)
    if flux < least:
        scale, peak = least, max(float(truth.image.max()), least * star * PIXEL**2)
    else:
        scale, peak = flux, float(truth.image.max())
    return {
        "flux_error": abs(float(image.sum()) - flux) / scale,
        "pixel_error": float(np.abs(image - truth.image).max()) / peak,
        "magnification_error": abs(got.magnification / truth.magnification - 1),
        "share": flux / truth.magnification,
    }


def is_ok(row: dict[str, float]) -> bool:
    """Within both bounds."""
    return row["flux_error"] <= FLUX_BOUND and row["pixel_error"] <= PIXEL_BOUND


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Quantiles of each error and the share of systems within the bounds."""
    out: dict[str, Any] = {
        "systems": len(rows),
        "ok_fraction": float(np.mean([is_ok(r) for r in rows])),
        "failed": [int(r["index"]) for r in rows if not is_ok(r)],
    }
    for kind in KINDS:
        values = [r[kind] for r in rows]
        out[kind] = {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
    return out


def _worst(name: str, seed: int, rows: list[dict[str, float]]) -> list[dict[str, Any]]:
    """The systems with the largest error of each kind, by their parameters."""
    leading = [r for kind in KINDS for r in sorted(rows, key=lambda r: -r[kind])[:_WORST]]
    chosen = {int(r["index"]): r for r in leading}
    return [{**row, "system": dataclasses.asdict(SETS[name](seed, k))} for k, row in chosen.items()]


def campaign(name: str, seed: int, indices: list[int]) -> list[dict[str, float]]:
    """Errors of the systems of a set, with progress on stderr."""
    rows, start, said = [], time.monotonic(), time.monotonic()
    for done, index in enumerate(indices, 1):
        rows.append({"index": index, **errors(SETS[name](seed, index))})
        now = time.monotonic()
        if now - said > 10 or done == len(indices):
            said, left = now, (now - start) / done * (len(indices) - done)
            failed = sum(not is_ok(r) for r in rows)
            print(f"{name}: {done}/{len(indices)}, {failed} not ok, {left:.0f} s left", file=sys.stderr)
    return rows


def _print(name: str, result: dict[str, Any]) -> None:
    print(f"{name}: {result['systems']} systems, ok {100 * result['ok_fraction']:.2f} %")
    for kind in KINDS:
        print(f"  {kind:20}" + "  ".join(f"{q} {v:.1e}" for q, v in result[kind].items()))
    for row in result["worst"]:
        print("  " + "  ".join(f"{k} {v:.3g}" for k, v in row.items() if k != "system"))
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    for name in options.sets:
        rows = campaign(name, options.seed, options.index or list(range(options.systems)))
        worst = _worst(name, options.seed, rows)
        results[name] = {"seed": options.seed, **summary(rows), "worst": worst}
        if not options.json:
            _print(name, results[name])
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
