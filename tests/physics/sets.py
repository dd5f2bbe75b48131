"""The sets of systems that accuracy is measured on. A system is named by (set, seed, index) and drawn from
them alone.

workload  the facts' workload: tests/physics/systems.py, FWHM U(0.8, 2)".
stress    compact and cuspy sources on, or within half of r_eff of, the tangential caustic.
range     everything that is accepted: theta_E 0.1 to 5", q 0.1 to 1, shear to 0.12, r_eff 0.02 to 1",
          n 0.3 to 8, FWHM 0.6 to 2.5", sources in the nine places of PLACES.
exact     what people type: zeros, lenses and hosts on centres, edges and corners of pixels, round ones
          without shear, sources on the lens or its axes, both ends of every range, no lens and next to
          none; half of the sources steep and compact.

The errors of a system:
flux error           |flux in the stamp - true| / true
pixel error          largest |pixel - true| / brightest true pixel
magnification error  |magnification - true| / true, whole plane
A stamp that holds less than 1 % of the light (the source is beside it) has no flux or peak of its own to
speak of: its errors are relative to 1 % of all light, and to the peak of a star with 1 % of all light.
ok: flux error <= 5e-4 and pixel error <= 1e-3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physics import Lens, Psf, Source, caustics, cut, render
from tests.physics.oracle import TOLERANCE, Oracle, psf_density, render_oracle
from tests.physics.systems import PIXEL, random_systems

N_PIX = 64
FLUX_BOUND, PIXEL_BOUND, MAGNIFICATION_BOUND = 5e-4, 1e-3, 1e-3
#: Errors are not taken relative to less than this part of the whole.
LEAST_SHARE = 0.01
#: Stamps that hold less than this part of the light have their truth integrated finer.
FAINT = 0.1
PLACES = ("inside", "lens", "caustic", "near caustic", "cut", "outside", "edge", "off", "far")


@dataclass(frozen=True)
class Case:
    """One system in one band. center: the host's offset, arcsec; place: where the source was put; n_pix: the
    stamp's side.
    """

    lens: Lens
    source: Source
    fwhm: float
    kind: str
    beta: float
    center: tuple[float, float]
    place: str
    n_pix: int = N_PIX


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _psf(rng: np.random.Generator, low: float, high: float) -> tuple[float, str, float]:
    """FWHM, kind and beta; beta in steps of 0.05, since each needs a table of its own."""
    return rng.uniform(low, high), ("moffat", "gaussian")[rng.integers(2)], int(rng.integers(50, 81)) / 20


def _lens(
    rng: np.random.Generator, theta_e: tuple[float, float], q: tuple[float, float], most_shear: float
) -> Lens:
    """A lens with theta_e and q in these ranges, anywhere in the host's pixel."""
    return Lens(
        rng.uniform(*theta_e), rng.uniform(*q), rng.uniform(0, np.pi), rng.uniform(0, most_shear),
        rng.uniform(0, np.pi), *(PIXEL * rng.uniform(-0.5, 0.5, 2)).tolist(),
    )  # fmt: skip


def _around(rng: np.random.Generator, lens: Lens, low: float, high: float) -> tuple[float, float]:
    """A place at a distance of low to high from the lens, arcsec, uniform in area."""
    radius, angle = np.sqrt(rng.uniform(low**2, high**2)), rng.uniform(0, 2 * np.pi)
    return lens.x + float(radius * np.cos(angle)), lens.y + float(radius * np.sin(angle))


def _on(
    rng: np.random.Generator, curve: tuple[np.ndarray, np.ndarray], scatter: float
) -> tuple[float, float]:
    k = rng.integers(curve[0].size)
    dx, dy = scatter * rng.uniform(-1, 1, 2)
    return float(curve[0][k] + dx), float(curve[1][k] + dy)


def _place(rng: np.random.Generator, place: str, lens: Lens, r_eff: float) -> tuple[float, float]:
    half = 0.5 * N_PIX * PIXEL
    if place == "lens":
        return lens.x, lens.y
    if place in ("caustic", "near caustic"):
        return _on(
            rng, caustics(lens, 1000), 0.0 if place == "caustic" else _log_uniform(rng, 1e-3, 0.5) * r_eff
        )
    if place == "cut":
        return _on(rng, cut(lens, 1000), 0.0)
    if place == "edge":
        side, along = rng.choice((-1, 1)) * (half + rng.uniform(-1.5, 1.5)), rng.uniform(-half, half)
        return (side, along) if rng.integers(2) else (along, side)
    low, high = {
        "inside": (0.0, 1.2 * lens.theta_e),
        "outside": (1.2 * lens.theta_e, 3 * lens.theta_e),
        "off": (half, 2 * half),
        "far": (2 * half, 8 * half),
    }[place]
    return _around(rng, lens, low, high)


def workload(seed: int, index: int) -> Case:
    """One system of the workload."""
    rng = np.random.default_rng([1, seed, index])
    ((lens, source),) = random_systems(1, rng)
    return Case(lens, source, *_psf(rng, 0.8, 2.0), (0.0, 0.0), "disc")


def stress(seed: int, index: int) -> Case:
    """One system near the caustic."""
    rng = np.random.default_rng([2, seed, index])
    lens = _lens(rng, (0.3, 4), (0.2, 0.95), 0.1)
    r_eff, place = _log_uniform(rng, 0.02, 0.1), ("caustic", "near caustic")[rng.integers(2)]
    x, y = _place(rng, place, lens, r_eff)
    source = Source((1.0,), r_eff, rng.uniform(2, 8), rng.uniform(0.2, 1), rng.uniform(0, np.pi), x, y)
    return Case(lens, source, *_psf(rng, 0.6, 1.5), (0.0, 0.0), place)


def full_range(seed: int, index: int) -> Case:
    """One system of the whole range; the nine places in turn."""
    rng = np.random.default_rng([3, seed, index])
    lens = _lens(rng, (0.1, 5), (0.1, 1), 0.12)
    r_eff, place = _log_uniform(rng, 0.02, 1.0), PLACES[index % len(PLACES)]
    x, y = _place(rng, place, lens, r_eff)
    source = Source((1.0,), r_eff, rng.uniform(0.3, 8), rng.uniform(0.1, 1), rng.uniform(0, np.pi), x, y)
    cx, cy = PIXEL * rng.uniform(-0.5, 0.5, 2)
    return Case(lens, source, *_psf(rng, 0.6, 2.5), (float(cx), float(cy)), place)


def exact(seed: int, index: int) -> Case:
    """One system of exact values."""
    rng = np.random.default_rng([4, seed, index])

    def one(*values: float) -> float:
        return float(rng.choice(values))

    on_grid = tuple(PIXEL * np.array([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0, -4.0]))
    lens = Lens(
        one(0.0, 1e-3, 0.1, 0.3, 1.0, 2.0, 5.0, rng.uniform(1, 5)), one(0.1, 0.5, 0.8, 0.99, 1.0, 1.0),
        one(0.0, 0.0, 0.25 * np.pi, 0.5 * np.pi, np.pi, rng.uniform(0, np.pi)), one(0.0, 0.0, 0.03, 0.12),
        one(0.0, 0.5 * np.pi, rng.uniform(0, np.pi)), one(*on_grid), one(*on_grid),
    )  # fmt: skip
    compact = rng.integers(2) == 1
    r_eff = _log_uniform(rng, 0.03, 0.2) if compact else one(0.02, 0.1, 1.0)
    n_sersic = rng.uniform(0.3, 1.5) if compact else one(0.3, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)
    place = ("on", "axis", "near", "edge")[rng.integers(4)]
    far = one(0.05, 0.3, 1.0, lens.theta_e)
    x, y = {
        "on": (lens.x, lens.y), "axis": (lens.x + far, lens.y), "edge": (0.0, 32 * PIXEL),
        "near": _around(rng, lens, 0.0, 1.2 * lens.theta_e),
    }[place]  # fmt: skip
    if place == "on" and lens.q == 1.0 and lens.gamma == 0.0 and lens.theta_e > 0.0:
        # the oracle takes hours for a compact or cuspy ring, which has a closed form (test_exact_places.py)
        r_eff, n_sersic = max(r_eff, 0.05 * lens.theta_e), min(n_sersic, 1.5)
    source = Source(
        (1.0,), r_eff, n_sersic, one(0.1, 0.1, 0.8, 1.0, 1.0), one(0.0, 0.0, 0.5 * np.pi, 0.2), x, y
    )
    center = one(0.0, 0.0, -0.5 * PIXEL, PIXEL), one(0.0, 0.0, 0.5 * PIXEL)
    psf = one(0.6, 1.2, 2.5), ("moffat", "gaussian")[rng.integers(2)], one(2.5, 2.85, 4.0)
    return Case(lens, source, *psf, center, place, int(one(64, 64, 63)))


SETS: dict[str, Callable[[int, int], Case]] = {
    "workload": workload,
    "stress": stress,
    "range": full_range,
    "exact": exact,
}


def _truth(case: Case, tolerance: float) -> Oracle:
    return render_oracle(
        case.lens, case.source, case.fwhm, case.kind, case.beta, n_pix=case.n_pix, center=case.center,
        tolerance=tolerance,
    )  # fmt: skip


def errors(case: Case) -> dict[str, float]:
    """The three errors of one system; of all its light the share in the stamp, and what is missing there."""
    truth = _truth(case, TOLERANCE)
    if truth.image.sum() < FAINT * truth.magnification:  # its own errors would show
        truth = _truth(case, 0.01 * TOLERANCE)
    got = render(
        case.lens, case.source, Psf((case.fwhm,), case.kind, case.beta), n_pix=case.n_pix, center=case.center
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
        "missing": (flux - float(image.sum())) / truth.magnification,
    }


def is_ok(row: dict[str, float]) -> bool:
    """Within both bounds."""
    return row["flux_error"] <= FLUX_BOUND and row["pixel_error"] <= PIXEL_BOUND
