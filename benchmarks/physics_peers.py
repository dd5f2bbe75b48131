"""The rows of jaxtronomy and caustics, which need packages of their own: `--peers-python PATH` names a Python
that has one of them or both; its workers are in benchmarks/peers.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.physics.lenstronomy_model import lens_model, light_kwargs

PEERS = ("jaxtronomy", "caustics")
_WORKERS = Path(__file__).parent / "peers"
_SIGMA_OF_FWHM = 1 / 2.3548200450309493


def installed(python: str, peer: str) -> bool:
    """Whether that Python has the peer."""
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{peer}') is None)"
    return subprocess.run([python, "-c", look]).returncode == 0


class Peer:
    """images(pairs, widths) by a worker process; `cpu` is the CPU time of the last call, seconds."""

    def __init__(self, python: str, peer: str, supersampling: int) -> None:
        self.cpu = 0.0
        self._s = supersampling
        self._folder = tempfile.TemporaryDirectory()
        self._worker = subprocess.Popen(
            [python, str(_WORKERS / f"{peer}_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, pairs: Any, widths: np.ndarray) -> np.ndarray:
        path = Path(self._folder.name) / "systems.npz"
        np.savez(path, **_arguments(pairs), sigmas=(widths * _SIGMA_OF_FWHM).astype(np.float32))
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(f"{self._s} {path}\n")
        self._worker.stdin.flush()
        self.cpu = float(self._worker.stdout.readline())
        return np.asarray(np.load(f"{path}.npy"))


def _arguments(pairs: Any) -> dict[str, np.ndarray]:
    """Columns of the profiles' arguments, "profile.argument" -> float32 [n]."""
    columns: dict[str, list[float]] = {}
    for lens, source in pairs:
        sie, shear = lens_model(lens)[1]
        for name, values in (("sie", sie), ("shear", shear), ("sersic", light_kwargs(source))):
            for key, value in values.items():
                columns.setdefault(f"{name}.{key}", []).append(value)
    return {key: np.array(values, np.float32) for key, values in columns.items()}
