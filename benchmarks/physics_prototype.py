"""The prototype of the physics facts, run beside ours from its own folder; nothing of it is kept here.

It imports a module `rays` that its folder lacks: the fit of the SIE's deflection on Chebyshev nodes. That
module is written into a temporary copy, with the settings that gave the prototype's figures and an effective
PSF.
"""

import importlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_RAYS = """
import numpy as np
NC = 14
TN = np.cos(np.pi * (np.arange(NC) + 0.5) / NC)
FITM = np.linalg.inv(np.vander(TN, NC, increasing=True))
"""
_SETTINGS = {"tol": "1e-5", "rcmin": "1e-4", "rcrel": "2e-4", "pixint": "False"}


def load(folder: Path) -> Callable[[list[Any], np.ndarray], np.ndarray]:
    """images(pairs, widths [n, band]): unit-flux images [n, band, 64, 64] with Gaussian PSFs."""
    copy = Path(tempfile.mkdtemp(prefix="prototype-"))
    for name in ("k3mod", "kern1", "irk", "simdmath", "workload"):
        shutil.copy(folder / f"{name}.py", copy)
    (copy / "rays.py").write_text(_RAYS)
    main = copy / "k3mod.py"
    main.chmod(0o644)
    text = main.read_text()
    for name, value in _SETTINGS.items():
        text, found = re.subn(rf"(?<![\w.]){name}=[\w.-]+(?=;|\n)", f"{name}={value}", text, count=1)
        assert found, f"{name} is not set in {folder / 'k3mod.py'}"
    main.write_text(text)
    sys.path.insert(0, str(copy))
    try:
        batch = importlib.import_module("k3mod").batch
    finally:
        sys.path.remove(str(copy))
        shutil.rmtree(copy)

    def images(pairs: list[Any], widths: np.ndarray) -> np.ndarray:
        out = np.empty((len(pairs), widths.shape[1], 64, 64), np.float32)
        batch(_columns(pairs), np.ascontiguousarray(widths), out, np.zeros((len(pairs), 8)), 0)
        return out

    return images


def _columns(pairs: list[Any]) -> np.ndarray:
    """Its order of parameters; the source relative to the lens."""
    return np.array([
        (
            p.theta_e, p.q, p.phi, p.x, p.y, p.gamma * np.cos(2 * p.phi_gamma),
            p.gamma * np.sin(2 * p.phi_gamma), s.n_sersic, s.r_eff, s.q, s.phi, s.x - p.x, s.y - p.y,
        )
        for p, s in pairs
    ])  # fmt: skip
