"""CPU time of the stages of physics.render_batch, microseconds a system or a band, on the workload."""

import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from physics import psf
from physics._batch import PSF_LOST, TOLERANCE, row_constants
from physics.convolve import buffers, image, modes_of, place_image, set_transfer, spectrum
from physics.deposit import root_grid
from physics.geometry import PADS, geometry
from physics.gridding import DENSITY_FLOOR, density
from physics.plane import integrate
from physics.quadtree import Job, scratch
from physics.rays import desk, prepare
from tests.physics.systems import PIXEL, columns, random_systems

REPEATS = 5
FWHM, BETA = 1.2, psf.DEFAULT_BETA
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_LENS = ("theta_e", "q", "phi", "gamma", "phi_gamma", "lens_x", "lens_y")
_SOURCE = ("r_eff", "n_sersic", "src_q", "src_phi", "src_x", "src_y")


@numba.njit
def _prepare_all(lenses, sources, desk, pixel_scale):  # type: ignore[no-untyped-def]
    total = 0.0
    for row in range(len(lenses)):
        total += prepare(lenses[row], sources[row], desk, pixel_scale).numbers.frame.tx
    return total


@numba.njit
def _integrate_all(lenses, sources, centers, constants, desk, work, roots, buf):  # type: ignore[no-untyped-def]
    total = 0.0
    for row in range(len(lenses)):
        rays = prepare(lenses[row], sources[row], desk, constants.numbers.pixel_scale)
        job = Job(rays, constants.tables, work, buf.grid, constants.numbers.stride, TOLERANCE)
        plane = integrate(job, roots, lenses[row], sources[row], centers[row], constants.numbers)
        total += plane[0]
    return total


@numba.njit
def _spectrum_all(n, buf, plan, modes):  # type: ignore[no-untyped-def]
    for _ in range(n):
        spectrum(buf, plan, modes)


@numba.njit
def _image_all(n, buf, plan, modes, out):  # type: ignore[no-untyped-def]
    for _ in range(n):
        image(buf, plan, buf.transfer[0], modes, modes)
        place_image(buf, plan, out, 0, 64, _ONE)


@numba.njit
def _transfer_all(n, buf, plan, rates, weights, unit, modes):  # type: ignore[no-untyped-def]
    for _ in range(n):
        set_transfer(buf, plan, buf.transfer[0], rates, weights, unit, _ZERO, modes)


def _microseconds(count: int, work: Callable[..., Any], *arguments: Any) -> float:
    work(*arguments)
    took = []
    for _ in range(REPEATS):
        start = time.process_time()
        work(*arguments)
        took.append(time.process_time() - start)
    return 1e6 * float(np.median(took)) / count


def stages(count: int, seed: int) -> dict[str, float]:
    """Microseconds of each stage for 64x64 stamps and a Moffat PSF of 1.2"."""
    table = columns(list(random_systems(count, seed)), (FWHM,))
    lenses, sources = (np.stack([table[name] for name in names], axis=1) for names in (_LENS, _SOURCE))
    rates, weights = (values.astype(np.float32) for values in psf.fourier_gaussians("moffat", BETA))
    scale = float(psf.fourier_scale("moffat", np.array(FWHM), BETA))
    steps = density(psf.cutoff("moffat", BETA, DENSITY_FLOOR) / (2 * np.pi * scale / PIXEL))
    g = geometry(64, steps, PADS[0][0])  # the images lie in the stamp
    constants = row_constants(g, PIXEL)
    plan, buf = constants.plan, buffers(g, constants.plan, 1, rates.size)
    unit = 2 * np.pi / (g.period * PIXEL) * scale
    modes = modes_of(plan, psf.cutoff_of_peak("moffat", BETA, PSF_LOST) / unit)
    work, roots = scratch(), root_grid(g.n_root, g.stride)
    ready = _microseconds(count, _prepare_all, lenses, sources, desk(), PIXEL)
    plane = _microseconds(
        count, _integrate_all, lenses, sources, np.zeros((count, 2)), constants, desk(), work, roots, buf
    )
    out = np.zeros(64 * 64, np.float32)
    return {
        "prepare": ready,
        "integrate": plane - ready,
        "spectrum": _microseconds(count, _spectrum_all, count, buf, plan, modes),
        "transfer (a band)": _microseconds(
            count, _transfer_all, count, buf, plan, rates, weights, np.float32(unit), modes
        ),
        "image (a band)": _microseconds(count, _image_all, count, buf, plan, modes, out),
    }
