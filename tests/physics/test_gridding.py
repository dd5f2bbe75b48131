import numpy as np
import pytest
from scipy import integrate

from physics import gridding
from physics.geometry import MAX_PIXELS, ROOT_STEPS, WINDOW, geometry


@pytest.mark.parametrize("frequency", [0.0, 0.2, 1 / 3, 0.45])
def test_window_transform(frequency):
    truth = integrate.quad(
        lambda x: gridding.window(np.array(x)) * np.cos(2 * np.pi * frequency * x), -2.5, 2.5
    )[0]
    assert gridding.window_transform(np.array(frequency)) == pytest.approx(truth, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("pixel_frequency", "bound"), [(0.0, 7e-5), (0.2, 7e-5), (0.35, 3e-4), (0.5, 1e-2)])
def test_a_ray_keeps_its_position(pixel_frequency, bound):
    """Alias bound of the docstring: the grid's transform over the window's is the ray's own phase."""
    k = np.arange(-20, 21)
    frequency = pixel_frequency / 1.5
    for g in np.linspace(0, 1, 23):
        measured = np.sum(gridding.window(g - k) * np.exp(-2j * np.pi * frequency * k))
        truth = np.exp(-2j * np.pi * frequency * g) * gridding.window_transform(np.array(frequency))
        assert abs(measured / truth - 1) < bound


def test_rows_hold_the_window_and_the_quadrature_weight():
    rows, start = gridding.deposit_tables()
    level, rule, cell, node = 2, 3, 1, 2
    positions, weights = gridding.gauss_legendre(rule)
    where = ROOT_STEPS * ((cell + 0.5) / 4 - 0.5) + ROOT_STEPS / 4 * positions[node]
    expected = weights[node] * gridding.window(np.arange(WINDOW) - 3.5 - where)
    np.testing.assert_allclose(rows[start[level, rule] + cell * rule + node], expected, atol=1e-7)
    assert start[gridding.NODE_LEVEL + 1, 2] == -1


@pytest.mark.parametrize("n_pix", [8, 33, 64, 96, 101, MAX_PIXELS])
def test_geometry_has_room(n_pix):
    g = geometry(n_pix)
    low, high = g.region
    assert low <= -16.5
    assert high >= n_pix - 0.5 + 16
    assert ROOT_STEPS * (g.n_root - 1) + WINDOW <= g.n_used <= g.n_grid
    assert g.period >= n_pix + 48
    assert 2 * g.n_grid == 3 * g.period
    assert g.first_pixel + 2 * (-(-((n_pix + 1) // 2) // 16) * 16) <= g.period
