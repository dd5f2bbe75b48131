"""Compile the kernels into NUMBA_CACHE_DIR for every processor the task may meet: a build step of the image.

    python -m fargate.bake [TARGET ...]

The first target that this machine can run makes the calls that 4c makes and remembers which kernels were
compiled with which argument types; the others are compiled from that list alone, so that a machine without
AVX-512 can bake for one that has it. numba takes its processor once a process, so each target is a process.
"""

from __future__ import annotations

import os
import pickle
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from physics import Psf, _cache, _targets, matched_filter_snr, peak_snr, render_batch

N_BANDS, N_PIX = 3, 64


def bake(targets: list[str]) -> None:
    """Fill the cache for these targets; ValueError if this machine can run none of them."""
    runnable = [name for name in _targets.supported(_targets.host_features()) if name in targets]
    if not runnable:
        raise ValueError(
            f"this {platform.machine()} machine can run none of {', '.join(targets) or 'no target'}"
        )
    folder = _cache.cache_folder()
    kernels = folder / "kernels.pickle"
    for name in [runnable[0], *(other for other in targets if other != runnable[0])]:
        start = time.perf_counter()
        environment = {**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
        subprocess.run(  # noqa: S603 - this program itself
            [sys.executable, "-m", "fargate.bake", "--one", str(kernels)], env=environment, check=True
        )
        print(f"kernels compiled for {name} in {time.perf_counter() - start:.1f} s", flush=True)
    kernels.unlink()
    (folder / _targets.BAKED).write_text("".join(f"{name}\n" for name in targets))


def _one(kernels: Path) -> None:
    """One target: by doing what 4c does, or from the list of kernels where there is one."""
    if kernels.exists():
        found = pickle.loads(kernels.read_bytes())  # noqa: S301 - written by the process before
        for (module, name), signatures in found.items():
            for signature in signatures:
                getattr(sys.modules[module], name).compile(signature)
        return
    warm_up()
    kernels.write_bytes(pickle.dumps({place: kernel.signatures for place, kernel in _kernels()}))


def _kernels() -> Iterator[tuple[tuple[str, str], Any]]:
    """Every kernel of the room, by the module and name that define it."""
    for module in [m for name, m in sys.modules.items() if name.startswith("physics.")]:
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__:
                yield (module.__name__, name), value


def warm_up() -> None:
    """Make every call of 4c, with its argument types: two small arcs with each kind of PSF, and their SNR."""
    images = Psf.from_images(np.ones((N_BANDS, 63, 63))).images
    render_batch(**_two_tasks("gaussian") | {"psf_fwhm": None, "psf_image": images})
    for kind in ("moffat", "gaussian"):
        arcs = render_batch(**_two_tasks(kind))
    added = arcs.image[0][0]
    invvar, good = np.ones_like(added), np.ones(added.shape, dtype=bool)
    matched_filter_snr(added, invvar, good)
    peak_snr(added, invvar, good)


def _two_tasks(kind: str) -> dict[str, Any]:
    def both(value: float) -> np.ndarray:
        return np.full(2, value)

    per_band = np.ones((2, N_BANDS))
    return {
        "theta_e": both(1.0), "q": both(0.8), "phi": both(0.3), "gamma": both(0.03), "phi_gamma": both(0.5),
        "lens_x": both(0.0), "lens_y": both(0.0), "flux": per_band, "r_eff": both(0.15),
        "n_sersic": np.array([1.0, 4.0]), "src_q": both(0.7), "src_phi": both(0.1), "src_x": both(0.1),
        "src_y": both(0.05), "psf_fwhm": per_band, "kind": kind, "beta": 2.9, "center_x": both(0.02),
        "center_y": both(-0.03), "n_pix": N_PIX, "pixel_scale": 0.262,
    }  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(Path(sys.argv[2]))
    else:
        bake(sys.argv[1:] or list(_targets.TARGETS[platform.machine()]))
