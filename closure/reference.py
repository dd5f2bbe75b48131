"""One lensed source on a stamp, without the kernels of `physics`.

Rays: lenstronomy's SIE and shear. Light: lenstronomy's elliptical Sersic with an exact b_n. Quadrature:
`closure.quadtree`. PSF: the closed form of a Moffat or Gaussian, summed over a grid finer than the pixels.

Conventions (docs/conventions.md): arcsec from the host, x right, y up; angles counter-clockwise from +x; a
pixel's value is its area times the surface brightness after the effective PSF, at its centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lenstronomy.LensModel.Profiles.shear import Shear
from lenstronomy.LensModel.Profiles.sie import SIE
from lenstronomy.LightModel.Profiles.sersic import SersicElliptic
from scipy.fft import ifft, irfft, next_fast_len, rfft2
from scipy.special import gamma, gammaincinv

from closure.quadtree import Brightness, Nodes, integrate

PAD_PIXELS = 16  # light beyond the stamp that the PSF spreads into it
TOLERANCE = 1e-6  # of the source's flux, a cell; sums over an arc's cells stay below 5e-5 of its flux
_FINE_PER_FWHM = 8
_LEAST_FINE = 4

# Without its default floor of 1e-4 arcsec the profile keeps its cusp.
_SIE, _SHEAR, _SERSIC = SIE(), Shear(), SersicElliptic(smoothing=1e-8)


@dataclass(frozen=True)
class Lens:
    """SIE at the origin with shear about it: theta_e in arcsec, e = (1 - q)/(1 + q), angles in radians."""

    theta_e: float
    e: float
    phi: float
    shear: float
    shear_phi: float


@dataclass(frozen=True)
class Source:
    """Sersic source: r_eff and position in arcsec, e = (1 - q)/(1 + q), angle in radians; unit flux."""

    x: float
    y: float
    r_eff: float
    n_sersic: float
    e: float
    phi: float


@dataclass(frozen=True)
class PsfModel:
    """One band's effective PSF: kind moffat or gaussian, fwhm in arcsec, Moffat's beta."""

    kind: str
    fwhm: float
    beta: float

    @classmethod
    def of_psfsize(cls, psfsize: float, kind: str, beta: float) -> PsfModel:
        """The PSF that has the survey's noise-equivalent area, 4 pi (psfsize / 2.3548)^2.

        Moffat's area is pi a^2 (2 beta - 1) / (beta - 1)^2 with fwhm = 2 a sqrt(2^(1/beta) - 1).
        """
        if kind == "gaussian":
            return cls(kind, psfsize, beta)
        sigma = psfsize / math.sqrt(8 * math.log(2))
        a = 2 * sigma * (beta - 1) / math.sqrt(2 * beta - 1)
        return cls(kind, 2 * a * math.sqrt(2 ** (1 / beta) - 1), beta)

    def density(self, r2: np.ndarray) -> np.ndarray:
        """Per arcsec^2 at squared radii in arcsec^2; unit sum over the plane."""
        if self.kind == "gaussian":
            two_sigma2 = self.fwhm**2 / (4 * math.log(2))
            return np.exp(-r2 / two_sigma2) / (math.pi * two_sigma2)
        a2 = (self.fwhm / 2) ** 2 / (2 ** (1 / self.beta) - 1)
        return (self.beta - 1) / (math.pi * a2) * (1 + r2 / a2) ** -self.beta


def render(
    lens: Lens,
    source: Source,
    psf: Sequence[PsfModel],
    n_pix: int,
    pixel_scale: float,
    center: tuple[float, float],
) -> tuple[np.ndarray, float]:
    """(images of a source of unit flux, shape (band, n_pix, n_pix); magnification over the whole plane).

    center: the host's offset (cx, cy) from the stamp's middle, arcsec.
    """
    brightness = _brightness(lens, source)
    cells = n_pix + 2 * PAD_PIXELS
    axis = (np.arange(cells) - (cells - 1) / 2) * pixel_scale
    x, y = (part.ravel() for part in np.meshgrid(axis - center[0], axis - center[1]))
    nodes = integrate(brightness, x, y, pixel_scale, TOLERANCE)
    images = _convolved(nodes, psf, n_pix, pixel_scale, center)
    outside = _outside(brightness, source, cells * pixel_scale, center)
    return images, float(nodes.flux.sum() + outside)


def _brightness(lens: Lens, source: Source) -> Brightness:
    mass = {
        "theta_E": lens.theta_e,
        "e1": lens.e * math.cos(2 * lens.phi),
        "e2": lens.e * math.sin(2 * lens.phi),
    }
    tide = (lens.shear * math.cos(2 * lens.shear_phi), lens.shear * math.sin(2 * lens.shear_phi))
    n, b = source.n_sersic, float(gammaincinv(2 * source.n_sersic, 0.5))
    # lenstronomy approximates b_n: at the radius where its profile is the exact one.
    approximate = float(_SERSIC.b_n(n))
    central = b ** (2 * n) / (2 * math.pi * n * source.r_eff**2 * float(gamma(2 * n)))
    light = {
        "amp": central * math.exp(-approximate), "R_sersic": source.r_eff * (approximate / b) ** n,
        "n_sersic": n, "e1": source.e * math.cos(2 * source.phi), "e2": source.e * math.sin(2 * source.phi),
        "center_x": source.x, "center_y": source.y,
    }  # fmt: skip

    def brightness(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ax, ay = _SIE.derivatives(x, y, **mass)
        sx, sy = _SHEAR.derivatives(x, y, *tide)
        bx, by = x - ax - sx, y - ay - sy
        u, v = (bx - source.x) / source.r_eff, (by - source.y) / source.r_eff
        return np.asarray(_SERSIC.function(bx, by, **light)), u, v

    return brightness


def _outside(brightness: Brightness, source: Source, width: float, center: tuple[float, float]) -> float:
    """Flux outside the square of side `width`: frames that triple, up to where lenstronomy's profile ends."""
    total = 0.0
    while width < 200 * source.r_eff + 40:
        side = width / 8
        axis = (np.arange(24) - 11.5) * side
        x, y = (part.ravel() for part in np.meshgrid(axis, axis))
        frame = np.maximum(np.abs(x), np.abs(y)) > width / 2
        total += float(
            integrate(brightness, x[frame] - center[0], y[frame] - center[1], side, TOLERANCE).flux.sum()
        )
        width *= 3
    return total


def _convolved(
    nodes: Nodes, psf: Sequence[PsfModel], n_pix: int, pixel_scale: float, center: tuple[float, float]
) -> np.ndarray:
    """The stamps: nodes on a fine grid that keeps their second moments, times each PSF, at pixel centres."""
    fine = max(_LEAST_FINE, math.ceil(_FINE_PER_FWHM * pixel_scale / min(one.fwhm for one in psf)))
    size = (n_pix + 2 * PAD_PIXELS + 2) * fine  # one pixel more on each side: a node spreads over 3x3
    step = pixel_scale / fine
    to_grid = (size - 1) / 2
    grid = deposit(
        (nodes.x + center[0]) / step + to_grid, (nodes.y + center[1]) / step + to_grid, nodes.flux, size
    )
    # Pixel i's centre, in steps from grid point 0: a whole number plus the same fraction for all of them.
    first = (PAD_PIXELS + 1) * fine + (fine - 1) / 2
    whole = math.floor(first)
    # What wraps around lies further from every picked point than half the length.
    length = next_fast_len(2 * (size - whole), real=True)
    lag = np.arange(length)
    lag = np.where(lag < length // 2, lag, lag - length) + (first - whole)
    lag2, of_lag = np.unique(lag**2, return_inverse=True)  # a quarter of the plane has all its values
    r2 = (lag2[:, None] + lag2[None, :]) * step**2
    picked = whole + fine * np.arange(n_pix)
    light = rfft2(grid, s=(length, length))
    images = []
    for one in psf:
        spread = one.density(r2)[np.ix_(of_lag, of_lag)]
        rows = ifft(light * rfft2(spread), axis=0)[picked]
        images.append(irfft(rows, n=length, axis=1)[:, picked] * pixel_scale**2)
    return np.stack(images)


def deposit(px: np.ndarray, py: np.ndarray, flux: np.ndarray, size: int) -> np.ndarray:
    """Points on a grid: each over 3x3 points, by weights that keep flux, centre and second moments."""
    i, j = np.rint(px).astype(np.int64), np.rint(py).astype(np.int64)
    grid = np.zeros(size * size)
    for step_y, wy in zip((-1, 0, 1), _weights(py - j), strict=True):
        for step_x, wx in zip((-1, 0, 1), _weights(px - i), strict=True):
            place = (j + step_y) * size + i + step_x
            grid += np.bincount(place, flux * wx * wy, minlength=size * size)
    return grid.reshape(size, size)


def _weights(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return d * (d - 1) / 2, 1 - d * d, d * (d + 1) / 2
