"""An independent renderer to test against: lenstronomy's rays and profiles, integrated adaptively. Nothing of
physics/.

Cells are split until Gauss-Legendre rules of 2x2 and 3x3 agree; the nodes go on a grid of 1/16 px with their
first two moments kept, and the effective PSF is summed exactly over that grid (one Fourier transform per
phase).
"""

from dataclasses import dataclass

import numpy as np
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.Profiles.sersic_utils import SersicUtil
from lenstronomy.LightModel.light_model import LightModel
from scipy.special import gamma, gammaincinv

FINE = 16
PAD = 20


@dataclass(frozen=True)
class Oracle:
    """image: unit-flux stamp. magnification: whole plane."""

    image: np.ndarray
    magnification: float


def _ellipticity(q, phi):
    e = (1 - q) / (1 + q)
    return e * np.cos(2 * phi), e * np.sin(2 * phi)


def brightness_function(lens, source):
    """Surface brightness of a unit-flux source at image positions, from lenstronomy with an exact b_n.

    Its LightModel flattens the profile inside 1e-4" by default, which costs a compact n = 6 source 7e-4 of
    its flux on a caustic: switched off.
    """
    model, light = (
        LensModel(["SIE", "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"], profile_kwargs_list=[{"smoothing": 1e-8}]),
    )
    e1, e2 = _ellipticity(lens.q, lens.phi)
    kwargs_lens = [
        {"theta_E": lens.theta_e, "e1": e1, "e2": e2, "center_x": lens.x, "center_y": lens.y},
        {
            "gamma1": lens.gamma * np.cos(2 * lens.phi_gamma),
            "gamma2": lens.gamma * np.sin(2 * lens.phi_gamma),
            "ra_0": lens.x,
            "dec_0": lens.y,
        },
    ]
    n = source.n_sersic
    b, approximate = gammaincinv(2 * n, 0.5), SersicUtil().b_n(n)
    e1, e2 = _ellipticity(source.q, source.phi)
    central = b ** (2 * n) / (2 * np.pi * n * source.r_eff**2 * gamma(2 * n))
    kwargs_light = [
        {
            "amp": central * np.exp(-approximate),
            "R_sersic": source.r_eff * (approximate / b) ** n,
            "n_sersic": n,
            "e1": e1,
            "e2": e2,
            "center_x": source.x,
            "center_y": source.y,
        }
    ]

    def brightness(x, y):
        if lens.theta_e > 0 or lens.gamma > 0:
            x, y = model.ray_shooting(x, y, kwargs_lens)
        return light.surface_brightness(x, y, kwargs_light)

    return brightness


def _rule(brightness, x, y, h, nodes, weights):
    gx, gy = np.meshgrid(nodes, nodes)
    w = np.outer(weights, weights).ravel()
    px = x[:, None] + h * gx.ravel()
    py = y[:, None] + h * gy.ravel()
    return px, py, h * h * w * brightness(px.ravel(), py.ravel()).reshape(px.shape)


def adaptive_nodes(brightness, x, y, h, tolerance, least_depth=0, most_depth=14):
    """Positions and fluxes of quadrature nodes that integrate the squares of side h around x, y."""
    rules = [np.polynomial.legendre.leggauss(m) for m in (2, 3)]
    done = []
    for depth in range(most_depth + 1):
        if x.size == 0:
            break
        (n2, w2), (n3, w3) = rules
        _, _, f2 = _rule(brightness, x, y, h, 0.5 * n2, 0.5 * w2)
        px, py, f3 = _rule(brightness, x, y, h, 0.5 * n3, 0.5 * w3)
        keep = (np.abs(f3.sum(1) - f2.sum(1)) < tolerance) & (depth >= least_depth) | (depth == most_depth)
        done.append((px[keep].ravel(), py[keep].ravel(), f3[keep].ravel()))
        x, y = x[~keep], y[~keep]
        h /= 2
        x = np.concatenate([x + sx * h / 2 for sx in (-1, 1) for _ in (-1, 1)])
        y = np.concatenate([y + sy * h / 2 for _ in (-1, 1) for sy in (-1, 1)])
    return tuple(np.concatenate(part) for part in zip(*done, strict=True))


def _fine_grid(px, py, flux, size):
    """Nodes (in fine-grid coordinates) on a grid, flux, centre and second moments kept."""
    grid = np.zeros(size * size)
    i, j = np.rint(px).astype(int), np.rint(py).astype(int)
    dx, dy = px - i, py - j
    for a, wa in ((-1, 0.5 * dx * (dx - 1)), (0, 1 - dx * dx), (1, 0.5 * dx * (dx + 1))):
        for b, wb in ((-1, 0.5 * dy * (dy - 1)), (0, 1 - dy * dy), (1, 0.5 * dy * (dy + 1))):
            grid += np.bincount((j + b) * size + i + a, flux * wa * wb, minlength=size * size)
    return grid.reshape(size, size)


def psf_density(r2, fwhm, kind, beta):
    if kind == "gaussian":
        sigma2 = (fwhm / 2.3548200450309493) ** 2
        return np.exp(-0.5 * r2 / sigma2) / (2 * np.pi * sigma2)
    a2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    return (beta - 1) / (np.pi * a2) * (1 + r2 / a2) ** -beta


def _convolve(grid, n_pix, fwhm_pix, kind, beta):
    """Sum over fine points u of P(X - u) grid[u] at the stamp's pixel centres; grid[0] is at -(PAD + 0.5)
    px.
    """
    size = grid.shape[0] // FINE
    length = 1 << int(np.ceil(np.log2(size + n_pix)))
    lag = np.arange(length)
    lag = np.where(lag >= n_pix, lag - length, lag)
    total = np.zeros((length, length // 2 + 1), complex)
    for p in range(FINE):
        dy = lag + PAD + 0.5 - p / FINE
        for q in range(FINE):
            dx = lag + PAD + 0.5 - q / FINE
            kernel = psf_density(dy[:, None] ** 2 + dx[None, :] ** 2, fwhm_pix, kind, beta)
            padded = np.zeros((length, length))
            padded[:size, :size] = grid[p::FINE, q::FINE]
            total += np.fft.rfft2(kernel) * np.fft.rfft2(padded)
    return np.fft.irfft2(total, s=(length, length))[:n_pix, :n_pix]


def render_oracle(
    lens, source, fwhm, kind, beta, n_pix=64, pixel_scale=0.262, center=(0.0, 0.0), tolerance=1e-8
):
    """Unit-flux image and magnification of one system, one band."""
    brightness = brightness_function(lens, source)
    cells = n_pix + 2 * PAD
    left = -0.5 * cells * pixel_scale
    axis = left + (np.arange(cells) + 0.5) * pixel_scale
    x, y = (m.ravel() for m in np.meshgrid(axis - center[0], axis - center[1]))
    px, py, flux = adaptive_nodes(brightness, x, y, pixel_scale, tolerance, least_depth=1)
    to_fine = FINE / pixel_scale
    grid = _fine_grid(
        (px + center[0] - left) * to_fine + 1, (py + center[1] - left) * to_fine + 1, flux, (cells + 1) * FINE
    )
    # the extra fine point at the front moves everything by 1/FINE px
    grid = np.roll(grid, -1, axis=(0, 1))
    image = _convolve(grid, n_pix, fwhm / pixel_scale, kind, beta)
    total, width = flux.sum(), cells * pixel_scale
    while width < 2e4 * source.r_eff + 100:
        step = width / 8
        k = (np.arange(24) - 11.5) * step
        x, y = (m.ravel() for m in np.meshgrid(k, k))
        ring = np.maximum(np.abs(x), np.abs(y)) > width / 2
        outer = adaptive_nodes(
            brightness, x[ring] - center[0], y[ring] - center[1], step, 10 * tolerance, least_depth=1
        )[2].sum()
        total += outer
        width *= 3
        if outer < 1e-7:
            break
    return Oracle(image, float(total))
