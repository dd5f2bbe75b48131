import numpy as np
import pytest

from physics import convolve, gridding, psf
from physics._batch import PSF_LOST
from physics.geometry import ROOT_PIXELS, geometry

F32 = np.float32


def _profile(kind, beta, scale, r2):
    if kind == "gaussian":
        return np.exp(-0.5 * r2 / scale**2) / (2 * np.pi * scale**2)
    return (beta - 1) / (np.pi * scale**2) * (1 + r2 / scale**2) ** -beta


def _stars(kind, beta, fwhm, n_pix, pad, stars):
    """(image, truth) of (x, y, flux) in pixels from the stamp's middle, deposited without any integration."""
    scale = float(psf.fourier_scale(kind, np.array(fwhm), beta))
    steps = gridding.density(psf.cutoff(kind, beta, gridding.DENSITY_FLOOR) / (2 * np.pi * scale))
    g = geometry(n_pix, steps, pad)
    plan = convolve.plan(g)
    rates, weights = (values.astype(F32) for values in psf.fourier_gaussians(kind, beta))
    buf = convolve.buffers(g, plan, 1, rates.size)
    step = ROOT_PIXELS / steps
    points = (np.arange(g.n_used) - 0.5 * (g.n_used - 1)) * step
    x, y, flux = np.array(stars).T
    along = [gridding.window((points - (p[:, None] - g.middle)) / step, steps) for p in (x, y)]
    buf.grid.reshape(g.n_used, g.stride)[:, : g.n_used] = (along[1] * flux[:, None]).T @ along[0]
    unit = 2 * np.pi / g.period * scale
    modes = convolve.modes_of(plan, psf.cutoff_of_peak(kind, beta, PSF_LOST) / unit)
    wrapped = F32(psf.wrapped_flux(kind, np.array(scale), beta, g.period))
    convolve.set_transfer(buf, plan, buf.transfer[0], rates, weights, F32(unit), wrapped, modes)
    for scratch in (buf.values, buf.passed, buf.work, buf.coefficients):
        scratch[:] = 1e3  # as another system may have left it
    more = min(modes + 16, plan.most)  # as where another band is sharper
    convolve.spectrum(buf, plan, more)
    convolve.image(buf, plan, buf.transfer[0], more, modes)
    out = np.zeros((n_pix, n_pix), F32)
    total = convolve.place_image(buf, plan, out.reshape(-1), 0, n_pix, F32(2.0))
    assert total == pytest.approx(0.5 * out.sum(dtype=float), rel=1e-6)
    pixel = np.arange(n_pix) - 0.5 * (n_pix - 1)
    r2 = (pixel - x[:, None, None]) ** 2 + (pixel[:, None] - y[:, None, None]) ** 2
    return out, 2 * (flux[:, None, None] * _profile(kind, beta, scale, r2)).sum(axis=0)


@pytest.mark.parametrize(("n_pix", "pad"), [(8, 16), (51, 16), (64, 16), (64, 24), (101, 40), (200, 16)])
@pytest.mark.parametrize(("kind", "beta", "fwhm"), [
    ("gaussian", 0.0, 2.3), ("gaussian", 0.0, 3.5), ("gaussian", 0.0, 6.0), ("gaussian", 0.0, 9.5),
    ("moffat", 2.5, 2.3), ("moffat", 2.5, 3.0), ("moffat", 2.85, 4.7), ("moffat", 4.0, 3.5),
    ("moffat", 4.0, 9.5),
])  # fmt: skip
def test_stars_have_the_psfs_profile(n_pix, pad, kind, beta, fwhm):
    """Pixel error of the whole chain but the integration, 2e-4 of a star's peak, anywhere in the stamp."""
    third = n_pix / 3
    stars = [(0.31 * third, -0.9 * third, 1.0), (-third, 0.123 * third, 0.5)]
    image, truth = _stars(kind, beta, fwhm, n_pix, pad, stars)
    assert np.abs(image - truth).max() < 2e-4 * truth.max()


def test_flux_from_beyond_the_period_is_taken_off():
    """Without that the stamp would hold 8e-4 more: the wings that come back on the other side."""
    image, truth = _stars("moffat", 2.5, 9.5, 64, 16, [(0.3, -0.2, 1.0)])
    assert image.sum(dtype=float) == pytest.approx(truth.sum(), rel=3.5e-4)
