import numpy as np
import pytest
from scipy import integrate

from physics import gridding, psf
from physics.geometry import DENSITIES, MAX_PIXELS, PADS, ROOT_PIXELS, WINDOW, geometry


@pytest.mark.parametrize("steps", DENSITIES)
@pytest.mark.parametrize("frequency", [0.0, 0.2, 1 / 3, 0.45])
def test_window_transform(frequency, steps):
    reach = 0.5 * gridding.width(steps)
    truth = integrate.quad(
        lambda x: gridding.window(np.array(x), steps) * np.cos(2 * np.pi * frequency * x), -reach, reach
    )[0]
    assert gridding.window_transform(np.array(frequency), steps) == pytest.approx(truth, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("kind", "beta", "fwhm", "bound"), [
    ("moffat", 2.5, 2.3, 1e-3), ("moffat", 2.5, 2.6, 5e-4), ("moffat", 4.0, 2.3, 6e-4),
    ("moffat", 2.5, 3.1, 4e-4), ("moffat", 2.5, 4.0, 3e-4), ("moffat", 2.85, 4.7, 3e-4),
    ("gaussian", 0.0, 2.3, 3e-4), ("gaussian", 0.0, 3.5, 3e-4), ("gaussian", 0.0, 9.0, 3e-4),
])  # fmt: skip
def test_a_star_keeps_its_place_and_shape(kind, beta, fwhm, bound):
    """The bound of the docstring, along one axis: the grid's spectrum over the window's is the ray's own."""
    scale = float(psf.fourier_scale(kind, np.array(fwhm), beta))
    steps = gridding.density(psf.cutoff(kind, beta, gridding.DENSITY_FLOOR) / (2 * np.pi * scale))
    f = np.linspace(0, 1.5, 3001)
    passed = psf.fourier_transform(kind, beta, 2 * np.pi * f * scale)
    per_step = f * ROOT_PIXELS / steps
    inside = per_step <= 0.5
    k = np.arange(-20, 21)
    window = gridding.window_transform(np.where(inside, per_step, 0.0), steps)
    for g in np.linspace(0, 1, 5):
        weights = gridding.window(g - k, steps)
        measured = np.exp(-2j * np.pi * np.outer(per_step, k - g)) @ weights / window
        error = np.abs(np.where(inside, measured, 0.0) - 1.0)
        assert np.sum(f * passed * error) < bound * np.sum(f * passed)


@pytest.mark.parametrize("steps", DENSITIES)
def test_rows_hold_the_window_and_the_quadrature_weight(steps):
    rows, start = gridding.deposit_tables(steps)
    level, rule, cell, node = 2, 3, 1, 2
    positions, weights = gridding.gauss_legendre(rule)
    where = steps * ((cell + 0.5) / 4 - 0.5) + steps / 4 * positions[node]
    expected = weights[node] * gridding.window(np.arange(WINDOW) - 3.5 - where, steps)
    np.testing.assert_allclose(rows[start[level, rule] + cell * rule + node], expected, atol=1e-7)
    assert start[gridding.NODE_LEVEL + 1, 2] == -1


@pytest.mark.parametrize("steps", DENSITIES)
def test_the_window_of_a_root_cell_holds_all_of_its_light(steps):
    edge = 0.5 * steps - 1e-9
    beyond = np.array([-0.5, WINDOW - 0.5]) + np.array([-0.5, 0.5]) - 0.5 * (WINDOW - 1)
    for ray in (-edge, edge):
        assert (gridding.window(beyond - ray, steps) == 0).all()


@pytest.mark.parametrize("steps", DENSITIES)
@pytest.mark.parametrize("n_pix", [8, 33, 64, 96, 101, MAX_PIXELS])
@pytest.mark.parametrize("pad", [pad for pad, *_ in PADS])
def test_geometry_has_room(n_pix, steps, pad):
    g = geometry(n_pix, steps, pad)
    assert g.first_root - 0.5 * ROOT_PIXELS <= -0.5 * n_pix - pad
    assert g.n_used == steps * (g.n_root - 1) + WINDOW <= g.stride
    assert g.n_used % 2 == 0 and g.n_even % 2 == 0 and g.period % 16 == 0
    assert g.n_pix <= g.n_even <= g.period - 3 * pad
    assert g.n_used <= g.period * steps // ROOT_PIXELS
