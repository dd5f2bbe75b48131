import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

from physics import Lens, caustics, cut, deflection, image_positions, point_magnification
from tests.physics.systems import untimed

lenses = st.builds(
    Lens, theta_e=st.floats(0.1, 5.0), q=st.floats(0.1, 1.0), phi=st.floats(-4, 4),
    gamma=st.floats(0, 0.2), phi_gamma=st.floats(-4, 4), x=st.floats(-1, 1), y=st.floats(-1, 1),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_positions_equal_lenstronomys_solver(seed):
    rng = np.random.default_rng(seed)
    lens = Lens(1.3, rng.uniform(0.4, 0.95), *rng.uniform(0, 0.1, 2), rng.uniform(0, 3), 0.1, -0.05)
    sx, sy = rng.uniform(-0.6, 0.6, 2)
    e = (1 - lens.q) / (1 + lens.q)
    centre = {"center_x": lens.x, "center_y": lens.y}
    kwargs = [
        {"theta_E": lens.theta_e, "e1": e * np.cos(2 * lens.phi), "e2": e * np.sin(2 * lens.phi), **centre},
        {
            "gamma1": lens.gamma * np.cos(2 * lens.phi_gamma),
            "gamma2": lens.gamma * np.sin(2 * lens.phi_gamma),
            "ra_0": lens.x,
            "dec_0": lens.y,
        },
    ]
    solver = LensEquationSolver(LensModel(["SIE", "SHEAR"]))
    truth = np.array(
        solver.image_position_from_source(
            sx, sy, kwargs, min_distance=0.01, search_window=6, precision_limit=1e-12, num_iter_max=200
        )
    )
    got = np.array(image_positions(sx, sy, lens))
    # the solver also converges on the lens centre, where an SIE has no image
    truth = truth[:, np.hypot(truth[0] - lens.x, truth[1] - lens.y) > 1e-4]
    assert got.shape == truth.shape
    distance = np.hypot(got[0][:, None] - truth[0], got[1][:, None] - truth[1])
    assert distance.min(axis=1).max() < 1e-7


@untimed
@given(lenses, st.floats(-3, 3), st.floats(-3, 3))
def test_every_position_solves_the_lens_equation(lens, sx, sy):
    if lens.gamma == 0 and lens.q == 1 and np.hypot(sx - lens.x, sy - lens.y) < 1e-6:
        return
    x, y = image_positions(sx, sy, lens)
    ax, ay = deflection(x, y, lens)
    # Ellipticity and shear together can make six or eight (Keeton, Mao & Witt 2000, ApJ 537, 697).
    assert 1 <= x.size <= (4 if lens.gamma == 0 or lens.q == 1 else 8)
    np.testing.assert_allclose(x - ax, sx, atol=1e-8)
    np.testing.assert_allclose(y - ay, sy, atol=1e-8)


def test_eight_images_where_ellipticity_and_shear_nearly_cancel():
    """Each is checked with lenstronomy's rays: a source at the origin comes back from all eight."""
    x, y = image_positions(0.0, 0.0, Lens(1.0, 0.5625, 0.0, 0.1875, 0.0, 0.0, 0.0))
    assert x.size == 8
    e1 = (1 - 0.5625) / (1 + 0.5625)
    kwargs = [
        {"theta_E": 1.0, "e1": e1, "e2": 0.0, "center_x": 0.0, "center_y": 0.0},
        {"gamma1": 0.1875, "gamma2": 0.0},
    ]
    assert np.abs(LensModel(["SIE", "SHEAR"]).ray_shooting(x, y, kwargs)).max() < 1e-7


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.99])
def test_isothermal_sphere(beta):
    x, y = image_positions(beta, 0.0, Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert x == pytest.approx([1 + beta, beta - 1])
    assert y == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(("scale", "extra"), [(0.999, 2), (1.001, 0)])
def test_two_images_appear_inside_the_caustic(scale, extra):
    lens = Lens(1.0, 0.7, 0.4, 0.03, 1.0, 0.0, 0.0)
    for cx, cy in zip(*caustics(lens, 17), strict=True):
        inside_cut = np.hypot(*cut(lens, 2000)).min() > np.hypot(cx, cy)
        assert image_positions(scale * cx, scale * cy, lens)[0].size == extra + (2 if inside_cut else 1)


def test_images_are_sorted_by_brightness():
    lens = Lens(1.0, 0.7, 0.4, 0.03, 1.0, 0.0, 0.0)
    mu = np.abs(point_magnification(*image_positions(0.05, 0.02, lens), lens))
    assert mu.size == 4
    assert (np.diff(mu) <= 0).all()


def test_far_source_and_no_lens_have_one_image():
    lens = Lens(1.0, 0.7, 0.4, 0.0, 0.0, 0.0, 0.0)
    assert image_positions(50.0, 0.0, lens)[0] == pytest.approx([51.0], abs=0.1)
    assert image_positions(0.3, -0.2, Lens.none()) == (pytest.approx([0.3]), pytest.approx([-0.2]))
    sheet = Lens(0.0, 1.0, 0.0, 0.1, 0.0, 0.0, 0.0)
    assert image_positions(0.9, 1.1, sheet) == (pytest.approx([1.0]), pytest.approx([1.0]))


def test_a_ring_and_bad_positions_are_refused():
    with pytest.raises(ValueError, match="ring"):
        image_positions(0.0, 0.0, Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="source_y must be finite"):
        image_positions(0.0, float("nan"), Lens.none())
