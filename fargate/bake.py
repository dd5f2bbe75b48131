"""Compile the kernels into NUMBA_CACHE_DIR: a build step of the image, with the call that 4c makes.

The argument types below are those of pipeline.inject; other types would compile other code.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from physics import Psf, matched_filter_snr, peak_snr, render_batch

N_BANDS, N_PIX = 3, 64


def bake() -> float:
    """Render two small arcs with each kind of PSF; the seconds it took."""
    start = time.perf_counter()
    images = Psf.from_images(np.ones((N_BANDS, 63, 63))).images
    render_batch(**_two_tasks("gaussian") | {"psf_fwhm": None, "psf_image": images})
    for kind in ("moffat", "gaussian"):
        arcs = render_batch(**_two_tasks(kind))
    added = arcs.image[0][0]
    invvar, good = np.ones_like(added), np.ones(added.shape, dtype=bool)
    matched_filter_snr(added, invvar, good)
    peak_snr(added, invvar, good)
    return time.perf_counter() - start


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
    print(f"kernels compiled in {bake():.1f} s")
