"""The slope that `flux_theta_e` measures, of greatest(light gained, 4) on ln theta_E, as lensing gives it.

    python -m benchmarks.flux_slope [--hosts 400]

Sources and lenses are drawn as the tiers draw them, and each is traced back through lenstronomy's SIE and
shear from a jittered grid of the image plane: no PSF, no noise, nothing of physics/. The theta_E of the prior
follows the host's light, so it has three rows: hosts at both limits of the median, and one between.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from closure.reference import Lens, Source, _brightness
from pipeline import prior
from pipeline.tier import load_tier

RAYS = 128  # a side
HALF_STAMP = 32 * 0.262  # arcsec
FWHM = (1.1, 1.6)  # arcsec: what theta_e_over_fwhm is multiplied by
PILOT = load_tier("pilot")

Columns = dict[str, np.ndarray]


def gained(row: dict[str, float], rng: np.random.Generator) -> float:
    """Light in the stamp over that of the unlensed source."""
    lens = Lens(row["theta_e_arcsec"], row["lens_e"], row["lens_phi_rad"], row["shear"], row["shear_phi_rad"])
    source = Source(row["src_x_arcsec"], row["src_y_arcsec"], row["src_reff_arcsec"], row["src_n_sersic"],
                    row["src_e"], row["src_phi_rad"])  # fmt: skip
    half = min(HALF_STAMP, 2.5 * lens.theta_e + 6 * source.r_eff)
    step = 2 * half / RAYS
    x, y = (-half + step * (np.arange(RAYS) + rng.uniform()) for _ in "xy")
    light, _ = _brightness(lens, source)(*(part.ravel() for part in np.meshgrid(x, y)))
    return float(light.sum() * step**2)


def of_grid(name: str, n_hosts: int, rng: np.random.Generator) -> Columns:
    """Every point of the tier's grid on each host."""
    tier = load_tier(name)
    grid = tier.grid
    assert grid is not None
    points = list(tier.combinations())
    host = np.repeat(np.arange(n_hosts), len(points))
    n = len(host)
    own = {axis: np.tile([point[axis] for point in points], n_hosts) for axis in tier.axes}
    if "theta_e_over_fwhm" in own:
        own["theta_e_arcsec"] = own["theta_e_over_fwhm"] * rng.uniform(*FWHM, n_hosts)[host]
    radius = grid.source.disc_theta_e * own["theta_e_arcsec"] * np.sqrt(rng.uniform(size=n))
    angle = rng.uniform(0, 2 * np.pi, n)
    return {
        **own, "host": host, "lens_e": rng.uniform(0, grid.lens.e_max, n),
        **{f"{part}_rad": rng.uniform(0, np.pi, n) for part in ("lens_phi", "shear_phi", "src_phi")},
        "src_n_sersic": np.full(n, grid.source.n_sersic),
        "src_x_arcsec": radius * np.cos(angle), "src_y_arcsec": radius * np.sin(angle),
    }  # fmt: skip


def of_prior(mag_z: float, n_hosts: int, rng: np.random.Generator) -> Columns:
    """Two injections on each of 24 times as many hosts, all of one magnitude."""
    assert PILOT.prior is not None
    host = np.repeat(np.arange(24 * n_hosts), 2)
    n = len(host)
    hosts = {"flux_z_nmgy": np.full(n, 10 ** (-0.4 * (mag_z - 22.5)))}
    hosts |= {name: rng.normal(0, 0.1, 24 * n_hosts)[host] for name in ("shape_e1", "shape_e2")}
    return {"host": host, **prior.draw(hosts, rng.uniform(size=(len(prior.USES), n)), PILOT.prior)}


def slope(columns: Columns, rng: np.random.Generator) -> tuple[float, float]:
    """Within hosts, with its error clustered by host."""
    names = [name for name in columns if name != "host"]
    rows = zip(*(columns[name] for name in names), strict=True)
    y = np.array([max(gained(dict(zip(names, map(float, row), strict=True)), rng), 4.0) for row in rows])
    x, host = np.log(columns["theta_e_arcsec"]), columns["host"]
    n = np.bincount(host)
    dx, dy = (v - (np.bincount(host, v) / n)[host] for v in (x, y))
    fit = (dx * dy).sum() / (dx**2).sum()
    scores = np.bincount(host, dx * (dy - fit * dx))
    return float(fit), float(np.sqrt((scores**2).sum()) / (dx**2).sum())


CASES: dict[str, Callable[[int, np.random.Generator], Columns]] = {
    "debug": lambda n, rng: of_grid("debug", n, rng),
    "grid": lambda n, rng: of_grid("grid", n, rng),
    "pilot, theta_E of 0.8 arcsec": lambda n, rng: of_prior(20.0, n, rng),
    "pilot, theta_E of 1.2 arcsec": lambda n, rng: of_prior(19.0, n, rng),
    "pilot, theta_E of 2.0 arcsec": lambda n, rng: of_prior(17.0, n, rng),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hosts", type=int, default=400, help="of a grid; 24 times as many of the prior")
    n_hosts = parser.parse_args().hosts
    for name, draw in CASES.items():
        rng = np.random.default_rng(1)
        columns = draw(n_hosts, rng)
        found, error = slope(columns, rng)
        print(f"{name}: {found:.3f} +- {error:.3f} ({len(columns['host'])} rows)", flush=True)


if __name__ == "__main__":
    main()
