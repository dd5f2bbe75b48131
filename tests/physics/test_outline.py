import math

import numpy as np
import pytest

from physics import Lens, caustics, outline
from physics.caustics import cut
from physics.rays import ROUND_Q, ROUND_TERMS, _deflection_series, _pack, desk

F32 = np.float32


def _nearest(lens, x, y):
    """Of a source at x, y with source units of an arcsec: distances from the cut and from the caustic."""
    table = desk()
    _deflection_series(lens.theta_e, lens.q, table.nodes, table.matrix, table.series)
    terms = ROUND_TERMS if lens.q >= ROUND_Q else None
    series = [_pack(line)[:terms] for line in table.series]
    c, s = math.cos(lens.phi), math.sin(lens.phi)
    g1, g2 = (lens.gamma * f(2 * lens.phi_gamma) for f in (math.cos, math.sin))
    m = np.array([[1 - g1, -g2], [-g2, 1 + g1]]) @ np.array([[c, -s], [s, c]])
    frame = outline.Frame(*map(F32, (
        math.sqrt(lens.q), lens.theta_e * math.sqrt(lens.q), *m.ravel(), c, -s, s, c, x - lens.x, y - lens.y
    )))  # fmt: skip
    turn = 2 * (lens.phi_gamma - lens.phi)
    shear = F32(lens.gamma * math.cos(turn)), F32(lens.gamma * math.sin(turn))
    return outline.nearest(frame, shear, *series, table.outline)


def _check(lens, x, y):
    for found, curve in zip(_nearest(lens, x, y), (cut, caustics), strict=True):
        on_x, on_y = curve(lens, 40000)
        truth = np.hypot(on_x - x, on_y - y).min()
        assert abs(found - truth) < outline.BETWEEN * lens.theta_e


def _lens(rng):
    theta_e, q, phi, gamma, phi_gamma = rng.uniform((0.1, 0.1, 0, 0, 0), (5, 1, 3, 0.3, 3))
    return Lens(theta_e, q, phi, gamma, phi_gamma, 0.1, -0.2)


@pytest.mark.parametrize("seed", range(30))
def test_distances_are_those_of_the_curves(seed):
    rng = np.random.default_rng(seed)
    lens = _lens(rng)
    _check(lens, *rng.normal(0, lens.theta_e, 2))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("curve", [caustics, cut])
def test_a_source_on_a_curve_is_found_there(curve, seed):
    """Cusps of flat lenses, far outside, included: the directions lie far apart there."""
    rng = np.random.default_rng(seed)
    lens = _lens(rng)
    x, y = curve(lens, 1000)
    k = int(np.hypot(x, y).argmax()) if seed % 2 else int(rng.integers(1000))
    _check(lens, float(x[k]), float(y[k]))
