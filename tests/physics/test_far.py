"""Light of images beside the stamp and far from it, brought in by the wings: the exact convolution."""

import numpy as np
import pytest

from physics import Lens, Psf, Source, render, render_batch
from physics.psf import moffat_scale

SCALE = 0.262


def _scattered(source: Source, fwhm: float, beta: float, n_pix: int) -> np.ndarray:
    """Exact convolution of an unlensed round exponential with a Moffat, by brute force over its area."""
    axis = (np.arange(n_pix) - 0.5 * (n_pix - 1)) * SCALE
    px, py = np.meshgrid(axis, axis)
    h, b = source.r_eff / 8, 1.6783469900166605  # b_1
    grid = np.arange(-10 * source.r_eff, 10 * source.r_eff, h) + 0.5 * h
    sx, sy = (v.ravel() for v in np.meshgrid(grid, grid))
    light = np.exp(-b * np.hypot(sx, sy) / source.r_eff)
    light /= light.sum()
    a2 = moffat_scale(fwhm, beta) ** 2
    image = np.zeros((n_pix, n_pix))
    for x, y, f in zip(sx + source.x, sy + source.y, light, strict=True):
        image += f * (1 + ((px - x) ** 2 + (py - y) ** 2) / a2) ** -beta
    return image * SCALE**2 * (beta - 1) / (np.pi * a2)


@pytest.mark.parametrize("distance", [9.0, 15.0, 24.0, 36.0, 60.0])
def test_unlensed_light_beside_the_stamp(distance):
    source, fwhm, beta = Source((1.0,), 0.5, 1.0, 1.0, 0.0, distance, -2.0), 2.5, 2.5
    got = render(None, source, Psf((fwhm,), "moffat", beta), n_pix=40)
    want = _scattered(source, fwhm, beta, 40)
    np.testing.assert_allclose(got.image[0], want, rtol=5e-2, atol=1e-3 * want.max())
    assert got.image[0].sum() == pytest.approx(want.sum(), rel=3e-3)
    assert got.flux_in_stamp[0] == pytest.approx(want.sum(), rel=3e-3)


def test_far_light_is_magnified_and_the_same_in_any_batch():
    lens = Lens(2.0, 0.7, 0.3, 0.05, 1.0, 0.1, 0.0)
    psf = Psf((2.0, 1.5), "moffat", 2.6)
    systems = [Source((1.0, 2.0), 0.2, 2.0, 0.8, 0.1, x, 3.0) for x in (1.0, 55.0, 1.0)]
    single = [render(lens, s, psf) for s in systems]
    lenses = {name: [getattr(lens, name)] * 3 for name in ("theta_e", "q", "phi", "gamma", "phi_gamma")}
    sources = {name: [getattr(s, name) for s in systems] for name in ("flux", "r_eff", "n_sersic")}
    shapes = {f"src_{name}": [getattr(s, name) for s in systems] for name in ("q", "phi", "x", "y")}
    together = render_batch(
        **lenses, **sources, **shapes, lens_x=[lens.x] * 3, lens_y=[lens.y] * 3, psf_fwhm=[psf.fwhm] * 3,
        beta=2.6, center_x=[0.0] * 3, center_y=[0.0] * 3,
    )  # fmt: skip
    for one, image in zip(single, together.image, strict=True):
        np.testing.assert_array_equal(one.image, image)
    assert single[1].magnification > 1.0
    assert (single[1].image > 0).all()
