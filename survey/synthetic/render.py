"""Draw sources into the three bands: PSF-convolved, pixel-integrated, good to about 1 % of the peak.

Each source is drawn on a square of its own through the product of transforms, so that compact and cuspy
profiles need no oversampling. The PSF is the coadd's, which contains the pixel already: a Moffat sampled at
pixel centres is the pixel-integrated star, and nothing is integrated twice.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from survey.layout import PIXEL_SCALE
from survey.psf import moffat_fwhm_per_psfsize
from survey.synthetic.profiles import moffat_core, moffat_transform, sersic_b, sersic_transform

SIZES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
CUT_SIGMA = 0.1
"""A source's square reaches to where its light falls below this many sigma of a pixel."""


@dataclass(frozen=True)
class Source:
    """What is drawn of one source.

    Attributes
    ----------
    x, y : float
        Position, pixels from 0.
    flux : tuple of float
        Total flux per band, nanomaggy.
    sersic : float
        Sersic index; 0 for a point.
    r_eff : float
        Half-light radius along the major axis, arcsec; 0 for a point.
    axis_ratio : float
        Minor over major axis.
    angle : float
        Major axis, radians from +x to +y.
    """

    x: float
    y: float
    flux: tuple[float, float, float]
    sersic: float
    r_eff: float
    axis_ratio: float
    angle: float


@dataclass
class Painter:
    """Adds sources to an image of three bands.

    Attributes
    ----------
    canvas : ndarray (3, rows, columns) of float32
        The image, nanomaggy per pixel.
    sigma : tuple of float
        Noise of a pixel per band, nanomaggy: decides how far out a source is drawn.
    beta : float
        Moffat exponent of the PSF.
    """

    canvas: NDArray[np.float32]
    sigma: tuple[float, float, float]
    beta: float
    _psfs: dict[tuple[int, float], NDArray[np.float32]] = field(default_factory=dict)
    _waves: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, source: Source, psfsize: tuple[float, float, float]) -> None:
        """Draw one source.

        Parameters
        ----------
        source : Source
            What to draw.
        psfsize : tuple of float
            The survey's psfsize at the source per band, arcsec.
        """
        fwhm = tuple(size * moffat_fwhm_per_psfsize(self.beta) / PIXEL_SCALE for size in psfsize)
        size = self._size(source, fwhm)
        corner_x, corner_y = round(source.x) - size // 2, round(source.y) - size // 2
        spectrum = self._shape(source, size) * self._shift(size, source.x - corner_x, source.y - corner_y)
        psfs = np.stack(
            [self._psf(size, width) * np.float32(f) for width, f in zip(fwhm, source.flux, strict=True)]
        )
        stamp = fft.irfft2(spectrum * psfs, s=(size, size))
        self._paste(stamp, corner_x, corner_y)

    def _paste(self, stamp: NDArray[np.float32], left: int, bottom: int) -> None:
        _, rows, columns = self.canvas.shape
        size = stamp.shape[-1]
        x0, x1 = max(left, 0), min(left + size, columns)
        y0, y1 = max(bottom, 0), min(bottom + size, rows)
        if x0 < x1 and y0 < y1:
            self.canvas[:, y0:y1, x0:x1] += stamp[:, y0 - bottom : y1 - bottom, x0 - left : x1 - left]

    def _shape(self, source: Source, size: int) -> NDArray[np.float32]:
        kx, ky = self._wave_numbers(size)
        if source.sersic == 0.0:
            return np.ones((size, size // 2 + 1), dtype=np.float32)
        major, minor = source.r_eff / PIXEL_SCALE, source.r_eff * source.axis_ratio / PIXEL_SCALE
        c, s = np.cos(source.angle), np.sin(source.angle)
        xx = np.float32((major * c) ** 2 + (minor * s) ** 2)
        yy = np.float32((major * s) ** 2 + (minor * c) ** 2)
        xy = np.float32(2.0 * c * s * (major**2 - minor**2))
        return sersic_transform(xx * kx * kx + yy * ky * ky + xy * kx * ky, source.sersic)

    def _shift(self, size: int, x: float, y: float) -> NDArray[np.complex64]:
        kx, ky = self._wave_numbers(size)
        return np.asarray(np.exp(np.complex64(-1j * x) * kx) * np.exp(np.complex64(-1j * y) * ky))

    def _wave_numbers(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if size not in self._waves:
            kx = (2.0 * np.pi * fft.rfftfreq(size)).astype(np.float32)[np.newaxis, :]
            ky = (2.0 * np.pi * fft.fftfreq(size)).astype(np.float32)[:, np.newaxis]
            self._waves[size] = kx, ky
        return self._waves[size]

    def _psf(self, size: int, fwhm_pixels: float) -> NDArray[np.float32]:
        key = (size, round(fwhm_pixels, 2))
        if key not in self._psfs:
            kx, ky = self._wave_numbers(size)
            k = np.hypot(kx.astype(np.float64), ky)
            self._psfs[key] = moffat_transform(k, key[1], self.beta).astype(np.float32)
        return self._psfs[key]

    def _size(self, source: Source, fwhm: tuple[float, ...]) -> int:
        radius = 0.0
        for flux, width, sigma in zip(source.flux, fwhm, self.sigma, strict=True):
            faint = max(flux, 1e-6) / (CUT_SIGMA * sigma)
            radius = max(radius, _moffat_reach(faint, width, self.beta))
            if source.sersic > 0.0:
                radius = max(radius, width + _sersic_reach(faint, source))
        return next((size for size in SIZES if size >= 2.0 * radius), SIZES[-1])


def _moffat_reach(faint: float, fwhm: float, beta: float) -> float:
    """Radius (pixels) where a star of `faint` times the limiting pixel falls to the limit."""
    core = moffat_core(fwhm, beta)
    peak = faint * (beta - 1.0) / (np.pi * core**2)
    return float(core * np.sqrt(max(peak ** (1.0 / beta) - 1.0, 0.0)))


def _sersic_reach(faint: float, source: Source) -> float:
    """Radius (pixels) along the major axis where a galaxy falls to the limiting pixel."""
    n, b = source.sersic, sersic_b(source.sersic)
    major = source.r_eff / PIXEL_SCALE
    norm = 2.0 * np.pi * n * math.gamma(2.0 * n) * b ** (-2.0 * n) * major**2 * source.axis_ratio
    return float(major * (max(np.log(max(faint / norm, 1.0)), 0.0) / b) ** n)
