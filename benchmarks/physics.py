"""The table of record: speed and accuracy of physics.render_batch and of lenstronomy, on the same systems.

    python -m benchmarks.physics [--systems N] [--rate-systems N] [--json]

Workload: tests/physics/systems.py, 64x64 pixels, three bands. Speed: injections (a system in three bands)
per CPU second of one core, all engines in turn within the same run, medians of the turns. Accuracy: one band
against the adaptive oracle of tests/physics: flux in the stamp, worst pixel over the peak, and the share of
systems with both within 1e-3. lenstronomy: its rays and brightness on a grid of s x s points a pixel,
computed once for all bands, then a Gaussian PSF; the Sersic amplitude is exact. caustics and
jaxtronomy are not in the project's environment and have no row. "ours_moffat" draws another PSF
for every row and band (the slowest case), "ours_host" renders one host's PSF throughout.
Run it as a module: as a script, its folder would hide the package of the same name.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.physics_stages import stages
from physics import Psf, render, render_batch
from tests.physics.lenstronomy_model import brightness_function
from tests.physics.oracle import render_oracle
from tests.physics.systems import PIXEL, columns, random_systems

TURNS = 5
SIZE = 64
SIGMA_OF_FWHM = 1 / 2.3548200450309493
SUPERSAMPLING = (1, 5, 15)
Row = dict[str, float]


def lenstronomy_images(lens: Any, source: Any, widths: Any, s: int) -> list[np.ndarray]:
    """lenstronomy's rays and profile at s x s points a pixel, one Gaussian PSF a band, pixel centres."""
    axis = ((np.arange(SIZE * s) + 0.5) / s - 0.5 * SIZE) * PIXEL
    x, y = np.meshgrid(axis, axis)
    light = brightness_function(lens, source)(x.ravel(), y.ravel()).reshape(x.shape) * PIXEL**2
    middle = slice(s // 2, None, s)
    return [
        gaussian_filter(light, w * SIGMA_OF_FWHM / PIXEL * s, mode="constant", truncate=5)[middle, middle]
        for w in widths
    ]


def rates(count: int, seed: int) -> dict[str, float]:
    """Injections per CPU second of every engine, in turns."""
    pairs = list(random_systems(count, seed))
    widths = np.random.default_rng(seed).uniform(0.8, 2.0, (count, 3))
    host = {**columns(pairs, (1.2, 1.1, 1.0)), "flux": np.ones((count, 3))}
    varied = {**host, "psf_fwhm": widths}

    def peer(s: int) -> Callable[[], int]:
        few = max(1, 40 // s**2)
        return lambda: len([lenstronomy_images(*p, w, s) for p, w in zip(pairs[:few], widths, strict=False)])

    engines: dict[str, Callable[[], int]] = {
        "ours": lambda: len(render_batch(**varied, kind="gaussian").image),
        "ours_moffat": lambda: len(render_batch(**varied).image),
        "ours_host": lambda: len(render_batch(**host).image),
        **{f"lenstronomy_{s}": peer(s) for s in SUPERSAMPLING},
    }
    turns: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(TURNS + 1):
        for name, work in engines.items():
            start = time.process_time()
            done = work()
            if turn > 0:  # the first compiles
                turns[name].append(done / (time.process_time() - start))
    return {name: float(np.median(v)) for name, v in turns.items()}


def _errors(image: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    flux = abs(float(image.sum(dtype=float) / truth.sum()) - 1)
    return flux, float(np.abs(image - truth).max() / truth.max())


def accuracy(count: int, seed: int) -> dict[str, Row]:
    """Errors of every engine against the oracle."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[float, float]]] = {}
    for k, (lens, source) in enumerate(random_systems(count, seed)):
        fwhm, beta = rng.uniform(0.8, 2.0), rng.uniform(2.5, 4.0)
        for kind, name in (("gaussian", "ours"), ("moffat", "ours_moffat")):
            truth = render_oracle(lens, source, fwhm, kind, beta).image
            image = render(lens, source, Psf((fwhm,), kind, beta)).image[0]
            found.setdefault(name, []).append(_errors(image, truth))
            for s in SUPERSAMPLING if kind == "gaussian" else ():
                peer = lenstronomy_images(lens, source, (fwhm,), s)[0]
                found.setdefault(f"lenstronomy_{s}", []).append(_errors(peer, truth))
        if sys.stderr.isatty():
            print(f"\raccuracy {k + 1}/{count}", end="", file=sys.stderr)
    found["ours_host"] = found["ours_moffat"]
    return {name: _summary(np.array(errors)) for name, errors in found.items()}


def _summary(errors: np.ndarray) -> Row:
    row = {"ok_fraction": float((errors <= 1e-3).all(axis=1).mean())}
    for name, column in zip(("flux_error", "pixel_error"), errors.T, strict=True):
        row[f"{name}_p50"] = float(np.median(column))
        row[f"{name}_p999"] = float(np.quantile(column, 0.999))
        row[f"{name}_worst_system"] = int(column.argmax())
    return row


_FIRST = """
import time
start = time.perf_counter()
from physics import Lens, Psf, Source, render
lens = Lens(1.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0)
render(lens, Source((1.0,), 0.2, 1.0, 1.0, 0.0, 0.1, 0.0), Psf((1.2,)))
print(time.perf_counter() - start, time.process_time())
"""


def warm_start() -> dict[str, float]:
    """Seconds from the first import to the first injection with compiled kernels, and the CPU time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _FIRST], capture_output=True, text=True, check=True, env=environment
        )
    wall, cpu = map(float, done.stdout.split())
    return {"warm_wall_seconds": wall, "warm_cpu_seconds": cpu}


def main() -> None:
    """Print the table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--systems", type=int, default=100, help="systems compared with the oracle (3 s each)"
    )
    parser.add_argument("--rate-systems", type=int, default=500, help="systems in the timed batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    speed, error = rates(options.rate_systems, options.seed), accuracy(options.systems, options.seed)
    engines: dict[str, Row] = {n: {"per_second_per_core": speed[n], **error[n]} for n in speed}
    split, start = stages(options.rate_systems, options.seed), warm_start()
    if options.json:
        print(json.dumps({**engines, "stages_us": split, "start": start, "systems": options.systems}))
        return
    print(
        f"{'engine':16}{'inj/s/core':>11}{'ok':>7}  flux p50/p99.9      pixel p50/p99.9    (worst: systems)"
    )
    for name, row in engines.items():
        print(
            f"{name:16}{row['per_second_per_core']:11.1f}{100 * row['ok_fraction']:6.1f}%"
            f"  {row['flux_error_p50']:.1e} / {row['flux_error_p999']:.1e}"
            f"  {row['pixel_error_p50']:.1e} / {row['pixel_error_p999']:.1e}"
            f"  #{row['flux_error_worst_system']} #{row['pixel_error_worst_system']}"
        )
    print(f"ours / lenstronomy_5: {speed['ours'] / speed['lenstronomy_5']:.0f}")
    print("us: " + ", ".join(f"{name} {value:.1f}" for name, value in split.items()))
    print("start: " + ", ".join(f"{name} {value:.2f}" for name, value in start.items()))


if __name__ == "__main__":
    main()
