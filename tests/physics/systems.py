"""Systems to test on: the measured workload, from a seed."""

import numpy as np
from hypothesis import settings

from physics import Lens, Source

PIXEL = 0.262


def random_systems(count, seed):
    """(lens, source) pairs: theta_E U(0.3, 3), q U(0.4, 0.99), shear U(0, 0.05), compact to extended
    Sersics.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        theta_e = rng.uniform(0.3, 3.0)
        lens = Lens(
            theta_e=theta_e,
            q=rng.uniform(0.4, 0.99),
            phi=rng.uniform(0, np.pi),
            gamma=rng.uniform(0, 0.05),
            phi_gamma=rng.uniform(0, np.pi),
            x=rng.uniform(-0.5, 0.5) * PIXEL,
            y=rng.uniform(-0.5, 0.5) * PIXEL,
        )
        radius, angle = 1.2 * theta_e * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        source = Source(
            flux=(1.0,),
            r_eff=float(np.exp(rng.uniform(np.log(0.05), np.log(0.5)))),
            n_sersic=rng.uniform(0.5, 6.0),
            q=rng.uniform(0.3, 1.0),
            phi=rng.uniform(0, np.pi),
            x=lens.x + radius * np.cos(angle),
            y=lens.y + radius * np.sin(angle),
        )
        yield lens, source


def columns(pairs, fwhm, center=(0.0, 0.0)):
    """render_batch's columns for a list of pairs and one row of PSF widths for all."""
    lenses, sources = zip(*pairs, strict=True)
    n = len(lenses)
    return {
        "theta_e": np.array([p.theta_e for p in lenses]),
        "q": np.array([p.q for p in lenses]),
        "phi": np.array([p.phi for p in lenses]),
        "gamma": np.array([p.gamma for p in lenses]),
        "phi_gamma": np.array([p.phi_gamma for p in lenses]),
        "lens_x": np.array([p.x for p in lenses]),
        "lens_y": np.array([p.y for p in lenses]),
        "flux": np.array([s.flux for s in sources]),
        "r_eff": np.array([s.r_eff for s in sources]),
        "n_sersic": np.array([s.n_sersic for s in sources]),
        "src_q": np.array([s.q for s in sources]),
        "src_phi": np.array([s.phi for s in sources]),
        "src_x": np.array([s.x for s in sources]),
        "src_y": np.array([s.y for s in sources]),
        "psf_fwhm": np.tile(fwhm, (n, 1)),
        "center_x": np.full(n, center[0]),
        "center_y": np.full(n, center[1]),
    }


#: The first call of a kernel compiles it: no test of this room is timed.
untimed = settings(deadline=None)
