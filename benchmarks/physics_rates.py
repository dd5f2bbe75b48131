"""Rates of physics.render_batch by what a system is made of, and the processor they were measured on."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name  # type: ignore[import-untyped]
from numba.core import config

from physics import render_batch
from tests.physics.systems import columns, random_systems

TURNS = 5
N_SERSIC = (0.3, 0.5, 1.0, 2.0, 4.0)
THETA_E = (0.3, 1.0, 3.0)
KINDS = ("gaussian", "moffat")
Pairs = list[tuple[Any, Any]]


def processor() -> dict[str, str]:
    """The processor's own name, LLVM's, what kernels are compiled for, and its widest vectors."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    features = get_host_cpu_features()
    vectors = next((f for f in ("avx512f", "avx2", "sve", "neon") if features.get(f)), "?")
    return {
        "processor": model, "llvm": get_host_cpu_name(),
        "compiled_for": config.CPU_NAME or "the processor at hand", "vectors": vectors,
    }  # fmt: skip


def with_theta_e(pairs: Pairs, theta_e: float) -> Pairs:
    """The same systems with another Einstein radius, the source behind a tenth of it."""
    return [(replace(p, theta_e=theta_e), replace(s, x=p.x + 0.1 * theta_e, y=p.y)) for p, s in pairs]


def _cases(pairs: Pairs) -> dict[str, Pairs]:
    cases = {"workload": pairs}
    for n in N_SERSIC:
        cases[f"n {n:g}"] = [(p, replace(s, n_sersic=n)) for p, s in pairs]
    for theta_e in THETA_E:
        cases[f"theta_e {theta_e:g}"] = with_theta_e(pairs, theta_e)
    return cases


def rates_by_kind(count: int, seed: int) -> dict[str, dict[str, float]]:
    """Injections (three bands, a PSF for each row and band) per CPU second, by case and PSF, in turns."""
    cases = _cases(list(random_systems(count, seed)))
    widths = np.random.default_rng(seed).uniform(0.8, 2.0, (count, 3))
    turns: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in cases for kind in KINDS}
    for turn in range(TURNS + 1):
        for (name, kind), rates in turns.items():
            table = {**columns(cases[name], (1.0,)), "flux": np.ones((count, 3)), "psf_fwhm": widths}
            start = time.process_time()
            render_batch(**table, kind=kind)
            spent = time.process_time() - start
            if turn > 0:  # the first makes tables
                rates.append(count / spent)
    return {name: {kind: float(np.median(turns[name, kind])) for kind in KINDS} for name in cases}


def slowest_rows(count: int, seed: int) -> dict[str, float]:
    """CPU time of single rows, least of three: the largest over the median, and whose it is."""
    pairs, took = list(random_systems(count, seed)), []
    for pair in pairs:
        table = {**columns([pair], (1.2, 1.1, 1.0)), "flux": np.ones((1, 3))}
        tries = []
        for _ in range(3):
            start = time.process_time()
            render_batch(**table)
            tries.append(time.process_time() - start)
        took.append(min(tries))
    return {"largest_over_median": max(took) / float(np.median(took)), "row": int(np.argmax(took))}
