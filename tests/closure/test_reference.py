"""The independent renderer against closed forms: it may not lean on `physics`, so neither does its test."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from closure import Lens, PsfModel, Source, deviation, render
from tests.closure import polar

SCALE = 0.262
NO_LENS = Lens(1e-12, 0.0, 0.0, 0.0, 0.0)


def gaussian(fwhm: float) -> PsfModel:
    return PsfModel("gaussian", fwhm, 0.0)


def indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    j, i = np.indices((n, n))
    return (i - (n - 1) / 2) * SCALE, (j - (n - 1) / 2) * SCALE


def test_it_loads_nothing_of_physics() -> None:
    code = "import sys, pipeline.closure; sys.exit(any(m.split('.')[0] == 'physics' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("n_sersic", [0.5, 1.0, 4.0])
def test_an_unlensed_source_keeps_its_flux_and_place(n_sersic: float) -> None:
    source = Source(0.31, -0.42, 0.3, n_sersic, 0.2, 0.4)
    (image,), magnification = render(NO_LENS, source, [gaussian(1.2)], 64, SCALE, (0.07, -0.11))
    # lenstronomy's profile ends at 100 half-light radii: 4e-4 of a de Vaucouleurs source lies beyond
    assert magnification == pytest.approx(1, abs=1e-3 if n_sersic > 2 else 1e-5)
    x, y = indices(64)
    wide = 5e-3 if n_sersic > 2 else 1e-4  # the stamp cuts its wings, more on the nearer side
    assert (image * x).sum() / image.sum() == pytest.approx(0.31 + 0.07, abs=wide)
    assert (image * y).sum() / image.sum() == pytest.approx(-0.42 - 0.11, abs=wide)


def test_a_gaussian_source_under_a_gaussian_psf_is_a_gaussian() -> None:
    """Sersic n = 1/2 is a Gaussian of sigma r_eff / sqrt(2 ln 2); variances add, along each axis."""
    r_eff, e, phi, fwhm = 0.4, 0.3, 0.6, 1.3
    (image,), _ = render(NO_LENS, Source(0, 0, r_eff, 0.5, e, phi), [gaussian(fwhm)], 64, SCALE, (0, 0))
    q = (1 - e) / (1 + e)
    sigma2 = r_eff**2 / (2 * math.log(2))
    along, across = sigma2 / q, sigma2 * q
    psf2 = fwhm**2 / (8 * math.log(2))
    x, y = indices(64)
    u, v = x * math.cos(phi) + y * math.sin(phi), -x * math.sin(phi) + y * math.cos(phi)
    a, b = along + psf2, across + psf2
    expected = np.exp(-(u**2) / (2 * a) - v**2 / (2 * b)) / (2 * math.pi * math.sqrt(a * b)) * SCALE**2
    assert np.abs(image - expected).max() < 2e-4 * expected.max()


def test_a_disc_behind_a_singular_isothermal_sphere() -> None:
    """Concentric Gaussian: 2 theta_E times the mean of 1 / beta over its light, sqrt(pi / 2) / sigma."""
    theta_e, r_eff = 1.2, 0.1
    sigma = r_eff / math.sqrt(2 * math.log(2))
    _, magnification = render(
        Lens(theta_e, 0, 0, 0, 0), Source(0, 0, r_eff, 0.5, 0, 0), [gaussian(1.2)], 64, SCALE, (0, 0)
    )
    assert magnification == pytest.approx(2 * theta_e * math.sqrt(math.pi / 2) / sigma, rel=1e-4)


@pytest.mark.parametrize("center", [(0.0, 0.0), (0.131, 0.131), (0.05, -0.11)])
@pytest.mark.parametrize(
    ("lens", "source", "error"),
    [
        (Lens(1, 0, 0, 0, 0), Source(0.93, 0, 0.08, 0.5, 0, 0), 2e-6),
        (Lens(0.3, 0, 0, 0, 0), Source(0.27, 0, 0.08, 0.5, 0, 0), 2e-6),
        (Lens(1, 0.176, 0.4, 0.03, 0.2), Source(0.93, 0, 0.08, 0.5, 0, 0), 2e-6),
        (Lens(1, 0.3, 0.4, 0.03, 0.2), Source(0.6, 0.6, 0.08, 0.5, 0, 0), 2e-6),
        (Lens(1, 0, 0, 0, 0), Source(0.93, 0, 0.08, 1, 0, 0), 5e-5),  # of the polar quadrature, on a cusp
    ],
)
def test_counter_images_at_the_singular_centre_keep_their_light(lens, source, error, center) -> None:
    """However the lens lies on the pixels: on a corner, in the middle of one, or anywhere."""
    _, magnification = render(lens, source, [gaussian(1.2)], 64, SCALE, center)
    assert magnification == pytest.approx(polar.magnification(lens, source), rel=error)


def test_shear_stretches_along_its_angle() -> None:
    """beta = (1 - Gamma) theta: an unlensed circle becomes longer by 1 / (1 - gamma) along phi."""
    gamma, phi = 0.08, 0.7
    lens = Lens(1e-12, 0, 0, gamma, phi)
    (image,), magnification = render(lens, Source(0, 0, 0.5, 0.5, 0, 0), [gaussian(0.9)], 64, SCALE, (0, 0))
    assert magnification == pytest.approx(1 / (1 - gamma**2), rel=1e-5)
    x, y = indices(64)
    xx, yy, xy = (float((image * part).sum()) for part in (x * x, y * y, x * y))
    assert 0.5 * math.atan2(2 * xy, xx - yy) == pytest.approx(phi, abs=1e-3)


@pytest.mark.parametrize(("kind", "beta"), [("gaussian", 0.0), ("moffat", 2.85), ("moffat", 4.0)])
def test_the_psf_has_the_survey_s_noise_equivalent_area(kind: str, beta: float) -> None:
    """1 / integral of P^2 = 4 pi (psfsize / 2.3548)^2, by summing P^2 on a fine grid; and P sums to 1."""
    psf = PsfModel.of_psfsize(1.3, kind, beta)
    step = 0.02
    axis = np.arange(-15, 15, step)
    density = psf.density(axis[:, None] ** 2 + axis[None, :] ** 2)
    sigma = 1.3 / math.sqrt(8 * math.log(2))
    assert 1 / (density**2).sum() / step**2 == pytest.approx(4 * math.pi * sigma**2, rel=1e-4)
    assert density.sum() * step**2 == pytest.approx(1, abs=5e-3 if kind == "moffat" else 1e-6)
    half = psf.density(np.array([psf.fwhm**2 / 4])) / psf.density(np.zeros(1))
    assert half[0] == pytest.approx(0.5)


def test_deviations_say_what_is_off() -> None:
    x, y = indices(64)
    blob = np.exp(-(x**2 + y**2) / 2)
    same = deviation(blob, blob, SCALE)
    assert (same.flux, same.l2, same.moment, same.centroid) == (0, 0, 0, 0)
    assert deviation(1.05 * blob, blob, SCALE).flux == pytest.approx(0.05)
    assert deviation(1.05 * blob, blob, SCALE).l2 == pytest.approx(0.05)
    assert deviation(np.roll(blob, 1, axis=1), blob, SCALE).centroid == pytest.approx(SCALE, rel=1e-6)
    wider = np.exp(-(x**2 + y**2) / (2 * 1.1))
    assert deviation(wider, blob, SCALE).moment == pytest.approx(0.1, rel=1e-4)
    dark = deviation(0 * blob, blob, SCALE)
    assert (dark.flux, dark.l2) == (-1, 1)
    assert math.isnan(dark.moment) and math.isnan(dark.centroid)
