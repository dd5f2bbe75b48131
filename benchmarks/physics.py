"""Accuracy and speed of physics.render_batch on the measured workload, against lenstronomy.

    python -m benchmarks.physics [--systems N] [--rate-systems N] [--json]

Accuracy: every system is rendered again by the adaptive oracle of tests/physics (one band, Moffat and
Gaussian in turn). Speed: CPU time of 64x64x3 Moffat renders, with a PSF that differs in every row and
band (the slowest case) and with one host's PSF, in turns with lenstronomy at supersampling 5; medians.
Run it as a module: as a script, its folder would hide the package of the same name.
"""

import argparse
import json
import sys
import time

import numpy as np
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel

from physics import Psf, render, render_batch
from tests.physics.oracle import render_oracle
from tests.physics.systems import PIXEL, columns, random_systems

TURNS = 5


def accuracy(count: int, seed: int) -> dict[str, dict[str, float]]:
    """Errors against the oracle: flux in the stamp, worst pixel over peak, magnification."""
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {"flux": [], "pixel": [], "magnification": []}
    for k, (lens, source) in enumerate(random_systems(count, seed)):
        fwhm, beta, kind = rng.uniform(0.8, 2.0), rng.uniform(2.5, 4.0), ("moffat", "gaussian")[k % 2]
        got = render(lens, source, Psf((fwhm,), kind, beta))
        truth = render_oracle(lens, source, fwhm, kind, beta, tolerance=1e-8)
        errors["flux"].append(abs(got.image[0].sum(dtype=float) / truth.image.sum() - 1))
        errors["pixel"].append(np.abs(got.image[0] - truth.image).max() / truth.image.max())
        errors["magnification"].append(abs(got.magnification / truth.magnification - 1))
        if sys.stderr.isatty():
            print(f"\raccuracy {k + 1}/{count}", end="", file=sys.stderr)
    summary = {
        name: {"p50": float(np.median(v)), "p99.9": float(np.quantile(v, 0.999)), "worst": float(np.max(v))}
        for name, v in errors.items()
    }
    good = (np.array(errors["flux"]) <= 5e-4) & (np.array(errors["pixel"]) <= 1e-3)
    return {**summary, "within": {"share": float(good.mean())}}


def _lenstronomy_render(lens, source, fwhm, supersampling):  # type: ignore[no-untyped-def]
    half = 0.5 * 63 * PIXEL
    grid = PixelGrid(64, 64, np.eye(2) * PIXEL, -half, -half)
    e, s = (1 - lens.q) / (1 + lens.q), (1 - source.q) / (1 + source.q)
    kwargs_lens = [
        {
            "theta_E": lens.theta_e, "e1": e * np.cos(2 * lens.phi), "e2": e * np.sin(2 * lens.phi),
            "center_x": lens.x, "center_y": lens.y,
        },
        {
            "gamma1": lens.gamma * np.cos(2 * lens.phi_gamma),
            "gamma2": lens.gamma * np.sin(2 * lens.phi_gamma), "ra_0": lens.x, "dec_0": lens.y,
        },
    ]  # fmt: skip
    kwargs_light = [
        {
            "amp": 1.0, "R_sersic": source.r_eff, "n_sersic": source.n_sersic,
            "e1": s * np.cos(2 * source.phi), "e2": s * np.sin(2 * source.phi),
            "center_x": source.x, "center_y": source.y,
        }
    ]  # fmt: skip
    for width in fwhm:
        ImageModel(
            grid, PSF("GAUSSIAN", fwhm=width, pixel_size=PIXEL), LensModel(["SIE", "SHEAR"]),
            LightModel(["SERSIC_ELLIPSE"]), kwargs_numerics={"supersampling_factor": supersampling},
        ).image(kwargs_lens, kwargs_light)  # fmt: skip


def rate(count: int, seed: int) -> dict[str, float]:
    """Injections per CPU second: physics with PSFs all different, with one host's PSF, and lenstronomy."""
    pairs = list(random_systems(count, seed))
    table = columns(pairs, (1.2, 1.1, 1.0))
    table["flux"] = np.ones((count, 3))
    varied = {**table, "psf_fwhm": np.random.default_rng(seed).uniform(0.8, 2.0, (count, 3))}
    few = pairs[: max(count // 100, 3)]
    render_batch(**table)
    turns: dict[str, list[float]] = {"psf_varies": [], "same_psf": [], "lenstronomy_5x": []}
    for _ in range(TURNS):
        for name, work, n in (
            ("psf_varies", lambda: render_batch(**varied), count),
            ("same_psf", lambda: render_batch(**table), count),
            ("lenstronomy_5x", lambda: [_lenstronomy_render(*p, (1.2, 1.1, 1.0), 5) for p in few], len(few)),
        ):
            start = time.process_time()
            work()
            turns[name].append(n / (time.process_time() - start))
    return {name: float(np.median(v)) for name, v in turns.items()}


def main() -> None:
    """Run both and print a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--systems", type=int, default=100, help="systems compared with the oracle (1 s each)"
    )
    parser.add_argument("--rate-systems", type=int, default=500, help="systems in the timed batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {
        "systems": options.systems,
        "injections_per_second_per_core": rate(options.rate_systems, options.seed),
        "error": accuracy(options.systems, options.seed),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result["injections_per_second_per_core"].items():
        print(f"{name:>16}: {value:10.1f} injections/s/core")
    for name, values in result["error"].items():
        print(f"{name:>16}: " + "  ".join(f"{k} {v:.2e}" for k, v in values.items()))


if __name__ == "__main__":
    main()
