"""The table of record: speed and accuracy of physics.render_batch and of lenstronomy, on the same systems.

    python -m benchmarks.physics [--systems N] [--rate-systems N] [--prototype DIR]
        [--peers-python PATH ...] [--json]

Workload: tests/physics/systems.py, 64x64 pixels, three bands. Speed: injections (a system in three bands)
per CPU second of one core, all engines in turn within the same run, medians of the turns. Accuracy: the worst
of three bands against the adaptive oracle of tests/physics: flux in the stamp, worst pixel over the peak, and
the share of systems within 5e-4 and 1e-3 (15x: on every tenth system).

ours                  another Gaussian PSF for every row and band
ours_moffat           the same with Moffat PSFs of one beta
ours_host             one host's Moffat PSF throughout
prototype             with --prototype DIR: physics_prototype.py
jaxtronomy_S, caustics_S  with --peers-python PATH ...: benchmarks/peers, float32, rays shared
lenstronomy_S         its rays and brightness at S x S points a pixel, once for all bands, then a Gaussian
                      filter; the Sersic amplitude is exact
lenstronomy_S_unshared  the same, rays and brightness again for each band, as one image model a band does
lenstronomy_S_model   its own ImageModel with that supersampling, one for each band and PSF, as its users do.
                      Speed alone: it averages over pixels, which our PSFs contain already

Run it as a module: as a script, its folder would hide the package of the same name.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LightModel.light_model import LightModel
from scipy.ndimage import gaussian_filter

import physics
from benchmarks.physics_peers import PEERS, Peer, installed
from benchmarks.physics_prototype import load
from benchmarks.physics_rates import THETA_E, processor, rates_by_kind, slowest_rows, with_theta_e
from benchmarks.physics_stages import stages
from physics import DEFAULT_BETA, render_batch
from tests.physics.lenstronomy_model import brightness_function, lens_model, light_kwargs
from tests.physics.oracle import convolve, light
from tests.physics.sets import FLUX_BOUND, PIXEL_BOUND
from tests.physics.systems import PIXEL, columns, random_systems

TURNS = 5
SIZE = 64
SIGMA_OF_FWHM = 1 / 2.3548200450309493
SUPERSAMPLING = (1, 5, 15)
Row = dict[str, float]
Pairs = list[tuple[Any, Any]]
Engine = Callable[[Pairs, np.ndarray], Any]


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


def _lenstronomy(s: int) -> Engine:
    return lambda pairs, widths: [lenstronomy_images(*p, w, s) for p, w in zip(pairs, widths, strict=True)]


def _unshared(s: int) -> Engine:
    """Rays shot again for each band, as one image model a band does."""
    return lambda pairs, widths: [
        [lenstronomy_images(*p, (v,), s)[0] for v in w] for p, w in zip(pairs, widths, strict=True)
    ]


def _image_model(s: int) -> Engine:
    """lenstronomy's own simulation, with its convolution on the fine grid."""
    edge = -0.5 * (SIZE - 1) * PIXEL
    grid = PixelGrid(SIZE, SIZE, np.eye(2) * PIXEL, edge, edge)
    numerics = {"supersampling_factor": s, "supersampling_convolution": s > 1}
    light = LightModel(["SERSIC_ELLIPSE"])

    def image(lens: Any, source: Any, width: float) -> np.ndarray:
        psf = PSF("GAUSSIAN", fwhm=width, pixel_size=PIXEL, truncation=5)
        model, kwargs_lens = lens_model(lens)
        simulation = ImageModel(grid, psf, model, light, kwargs_numerics=numerics)
        return np.asarray(simulation.image(kwargs_lens, [light_kwargs(source)]))

    return lambda pairs, widths: [[image(*p, v) for v in w] for p, w in zip(pairs, widths, strict=True)]


def _ours(pairs: Pairs, widths: np.ndarray, **options: Any) -> np.ndarray:
    table = {**columns(pairs, (1.0,)), "flux": np.ones(widths.shape), "psf_fwhm": widths}
    return render_batch(**table, **options).image


def engines(prototype: Path | None, peers: list[str]) -> dict[str, tuple[Engine, float]]:
    """name -> (images of pairs and widths with Gaussian PSFs, part of the timed systems it is given)."""
    found: dict[str, tuple[Engine, float]] = {
        "ours": (lambda pairs, widths: _ours(pairs, widths, kind="gaussian"), 1.0)
    }
    if prototype is not None:
        found["prototype"] = (load(prototype), 1.0)
    for s in SUPERSAMPLING:
        found[f"lenstronomy_{s}"] = (_lenstronomy(s), 0.08 / s**2)
        found[f"lenstronomy_{s}_unshared"] = (_unshared(s), 0.08 / s**2)
        found[f"lenstronomy_{s}_model"] = (_image_model(s), 0.08 / s**2)
        for python in peers:
            for peer in filter(partial(installed, python), PEERS):
                found[f"{peer}_{s}"] = (Peer(python, peer, s), 0.3 / s)
    return found


def rates(found: dict[str, tuple[Engine, float]], count: int, seed: int) -> dict[str, float]:
    """Injections per CPU second of every engine, in turns."""
    pairs = list(random_systems(count, seed))
    widths = np.random.default_rng(seed).uniform(0.8, 2.0, (count, 3))

    def few(engine: Engine, part: float) -> Callable[[], int]:
        n = max(1, int(part * count))
        return lambda: len(engine(pairs[:n], widths[:n]))

    work = {name: few(*entry) for name, entry in found.items()}
    work["ours_moffat"] = lambda: len(_ours(pairs, widths))
    work["ours_host"] = lambda: len(_ours(pairs, np.tile((1.2, 1.1, 1.0), (count, 1))))
    turns: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(TURNS + 1):
        for name, call in work.items():
            start = time.process_time()
            done = call()
            spent = time.process_time() - start
            if isinstance(engine := found.get(name, (None,))[0], Peer):
                spent = engine.cpu
            if turn > 0:  # the first compiles
                turns[name].append(done / spent)
    return {name: float(np.median(v)) for name, v in turns.items()}


def accuracy(found: dict[str, tuple[Engine, float]], count: int, seed: int) -> dict[str, Row]:
    """Errors of every engine against the oracle, worst of three bands; slow ones on a tenth of them."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[float, float]]] = {}
    for k, (lens, source) in enumerate(random_systems(count, seed)):
        widths = rng.uniform(0.8, 2.0, (1, 3))
        seen = light(lens, source)
        truth = [convolve(seen, w, "gaussian", 0.0) for w in widths[0]]
        for name, (engine, _) in found.items():
            if name.endswith(("_unshared", "_model")) or ("_15" in name and k % 10):
                continue
            rows.setdefault(name, []).append(_worst(engine([(lens, source)], widths)[0], truth))
        truth = [convolve(seen, w, "moffat", DEFAULT_BETA) for w in widths[0]]
        rows.setdefault("ours_moffat", []).append(_worst(_ours([(lens, source)], widths)[0], truth))
        if sys.stderr.isatty() or k % 50 == 49:
            print(f"accuracy {k + 1}/{count}", file=sys.stderr)
    out = {name: _summary(np.array(errors)) for name, errors in rows.items()}
    out["ours_host"] = out["ours_moffat"]
    out.update({f"lenstronomy_{s}_unshared": out[f"lenstronomy_{s}"] for s in SUPERSAMPLING})
    return out


def _worst(images: Any, truth: list[np.ndarray]) -> tuple[float, float]:
    both = [_errors(np.asarray(image), t) for image, t in zip(images, truth, strict=True)]
    return max(e[0] for e in both), max(e[1] for e in both)


def _errors(image: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    flux = abs(float(image.sum(dtype=float) / truth.sum()) - 1)
    return flux, float(np.abs(image - truth).max() / truth.max())


def _summary(errors: np.ndarray) -> Row:
    row = {
        "ok_fraction": float((errors <= (FLUX_BOUND, PIXEL_BOUND)).all(axis=1).mean()),
        "compared": len(errors),
    }
    for name, column in zip(("flux_error", "pixel_error"), errors.T, strict=True):
        row[f"{name}_p50"] = float(np.median(column))
        row[f"{name}_p999"] = float(np.quantile(column, 0.999))
        row[f"{name}_worst_system"] = int(column.argmax())
    return row


def scaling(count: int, seed: int) -> dict[str, float]:
    """Microseconds a system of ours against the stamp's side, and against the Einstein radius (the arc)."""
    pairs, out = list(random_systems(count, seed)), {}

    def cost(name: str, systems: Pairs, n_pix: int) -> None:
        table = {**columns(systems, (1.2, 1.1, 1.0)), "flux": np.ones((count, 3)), "n_pix": n_pix}
        took = []
        for _ in range(TURNS + 1):
            start = time.process_time()
            render_batch(**table)
            took.append(1e6 * (time.process_time() - start) / count)
        out[name] = float(np.median(took[1:]))

    for n_pix in (64, 96, 128, 200, 300, 400):
        cost(f"n_pix {n_pix}", pairs, n_pix)
    for theta_e in THETA_E:
        cost(f"theta_e {theta_e}", with_theta_e(pairs, theta_e), 64)
    return out


def code_lines() -> int:
    """Lines of physics/ that are not blank."""
    files = Path(physics.__file__).parent.glob("*.py")
    return sum(bool(line.strip()) for path in files for line in path.read_text().splitlines())


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
    parser.add_argument("--systems", type=int, default=200, help="systems compared with the oracle")
    parser.add_argument("--rate-systems", type=int, default=500, help="systems in the timed batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prototype", type=Path, help="folder of the prototype, for its row")
    parser.add_argument(
        "--peers-python",
        nargs="*",
        default=[],
        help="Pythons with jaxtronomy or caustics, for their rows",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = engines(options.prototype, options.peers_python)
    speed = rates(found, options.rate_systems, options.seed)
    error = accuracy(found, options.systems, options.seed)
    table: dict[str, Row] = {n: {"per_second_per_core": speed[n], **error.get(n, {})} for n in speed}
    kinds = rates_by_kind(options.rate_systems, options.seed)
    extra = {
        "slowest_row": slowest_rows(options.rate_systems, options.seed),
        "stages_us": stages(options.rate_systems, options.seed),
        "scaling_us": scaling(min(options.rate_systems, 100), options.seed),
        "start": warm_start(),
    }
    if options.json:
        about = {"systems": options.systems, "code_lines": code_lines(), **processor()}
        print(json.dumps({**table, **extra, "rates_by_kind": kinds, **about}))
        return
    print(", ".join(f"{name} {value}" for name, value in processor().items()))
    _print(table, extra)
    _print_kinds(kinds)


def _print(table: dict[str, Row], extra: dict[str, Row]) -> None:
    print(
        f"{'engine':24}{'inj/s/core':>11}{'ok':>7}  flux p50/p99.9      pixel p50/p99.9    (worst: systems)"
    )
    for name, row in table.items():
        if "ok_fraction" not in row:
            print(f"{name:24}{row['per_second_per_core']:11.1f}")
            continue
        print(
            f"{name:24}{row['per_second_per_core']:11.1f}{100 * row['ok_fraction']:6.1f}%"
            f"  {row['flux_error_p50']:.1e} / {row['flux_error_p999']:.1e}"
            f"  {row['pixel_error_p50']:.1e} / {row['pixel_error_p999']:.1e}"
            f"  #{row['flux_error_worst_system']} #{row['pixel_error_worst_system']}"
        )
    ours = table["ours"]["per_second_per_core"]
    for name in (
        "lenstronomy_5",
        "lenstronomy_5_unshared",
        "lenstronomy_5_model",
        "prototype",
        "ours_moffat",
    ):
        if name in table:
            print(f"ours / {name}: {ours / table[name]['per_second_per_core']:.2f}")
    for name, values in extra.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in values.items()))
    print(f"lines of code of physics/: {code_lines()}")


def _print_kinds(kinds: dict[str, Row]) -> None:
    """Rates of each case, and what they are of n = 2's with the same PSF."""
    print(f"{'case':14}{'gaussian':>10}{'moffat':>10}{'gaussian / moffat':>19}{'n 2 / case':>12}")
    for name, row in kinds.items():
        of_two = kinds["n 2"]["gaussian"] / row["gaussian"]
        print(
            f"{name:14}{row['gaussian']:10.0f}{row['moffat']:10.0f}{row['gaussian'] / row['moffat']:19.2f}"
            f"{of_two:12.2f}"
        )


if __name__ == "__main__":
    main()
