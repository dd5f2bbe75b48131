"""What a raw stamp should show, by the survey's catalogue of its sources, and how far it does.

Each source is a set of points of equal flux on its isophotes, placed on a grid finer than the pixels; the
PSF is the closed form of `closure.reference`. The comparison is one weighted least-squares fit a band: the
prediction times a factor, shifted, on a plane of sky.

Conventions (docs/conventions.md): arcsec from the host, x right, y up; angles counter-clockwise from +x; a
pixel's value is its area times the surface brightness after the effective PSF, at its centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.special import gammaincinv

from closure.reference import PsfModel, deposit

MODEL_ERROR = 0.1  # of a pixel's predicted light: real galaxies are no Sersic profiles
LEAST_INFORMATION = 400.0  # chi^2 between two orientations that must tell them apart: 20 sigma
PAD_PIXELS = 12  # around the stamp, where sources are drawn as they are
_FINE = 2
_RINGS, _SPOKES = 40, 16
_CLIP_SIGMA, _CLIPS = 4.0, 3
_SIGMA_OF_MAD = 1.4826


@dataclass(frozen=True)
class CatalogueSource:
    """A source of the survey's catalogue.

    x, y, r_eff (semi-major half-light radius; 0 of a point): arcsec; e = (1 - q)/(1 + q), phi in radians;
    flux: nmgy by band.
    """

    x: float
    y: float
    r_eff: float
    n_sersic: float
    e: float
    phi: float
    flux: tuple[float, ...]


@dataclass(frozen=True)
class SkyFit:
    """How one band of a stamp differs from its prediction; noise is the sigma that the fit was given.

    light: the factor; x, y: arcsec by which the light lies off; level: sky in the stamp's middle, noises;
    slope: change of the sky from edge to edge, noises; scatter: of the residuals, noises;
    light_error, place_error: of light, and of x and y in arcsec.
    """

    light: float
    x: float
    y: float
    level: float
    slope: float
    scatter: float
    light_error: float
    place_error: float


def predict(
    sources: Sequence[CatalogueSource],
    psf: Sequence[PsfModel],
    n_pix: int,
    pixel_scale: float,
    center: tuple[float, float],
) -> np.ndarray:
    """The stamp's light by band, nmgy per pixel, shape (band, n_pix, n_pix).

    center: the host's offset (cx, cy) from the stamp's middle, arcsec. Of a source that lies 12 pixels or
    more outside the stamp only the PSF's wings count. Against GalSim the error is below 1 % of the peak
    (tests/closure/test_sky.py).
    """
    size = (n_pix + 2 * PAD_PIXELS) * _FINE
    step = pixel_scale / _FINE
    middle = (n_pix - 1) / 2 * _FINE + PAD_PIXELS * _FINE  # of the stamp, in steps from grid point 0
    grids = np.zeros((len(psf), size, size))
    wings = np.zeros((len(psf), n_pix, n_pix))
    for source in sources:
        if max(abs(source.x), abs(source.y)) > (n_pix / 2 + PAD_PIXELS) * pixel_scale:
            wings += _wings(source, psf, n_pix, pixel_scale, center)
            continue
        x, y = _points(source)
        px, py = (x + center[0]) / step + middle, (y + center[1]) / step + middle
        inside = (np.minimum(px, py) >= 1) & (np.maximum(px, py) <= size - 2)
        if inside.any():
            share = np.full(int(inside.sum()), 1 / len(px))
            grids += np.array(source.flux)[:, None, None] * deposit(px[inside], py[inside], share, size)
    # What wraps around comes from 3 paddings away and more: 1e-6 of its light.
    length = next_fast_len(size + 2 * PAD_PIXELS * _FINE, real=True)
    lag = np.arange(length)
    lag2, of_lag = np.unique(np.minimum(lag, length - lag) ** 2, return_inverse=True)
    r2 = (lag2[:, None] + lag2[None, :]) * step**2
    spread = [one.density(r2)[np.ix_(of_lag, of_lag)] for one in psf]
    picked = slice(PAD_PIXELS * _FINE, (PAD_PIXELS + n_pix) * _FINE, _FINE)
    images = [
        irfft2(rfft2(grid, s=(length, length)) * rfft2(one), s=(length, length))[picked, picked]
        for grid, one in zip(grids, spread, strict=True)
    ]
    return (np.stack(images) + wings) * pixel_scale**2


def _wings(
    source: CatalogueSource,
    psf: Sequence[PsfModel],
    n_pix: int,
    pixel_scale: float,
    center: tuple[float, float],
) -> np.ndarray:
    """What the PSF spreads into the stamp of a source far outside it, per arcsec^2."""
    axis = (np.arange(n_pix) - (n_pix - 1) / 2) * pixel_scale
    r2 = (axis[None, :] - center[0] - source.x) ** 2 + (axis[:, None] - center[1] - source.y) ** 2
    return np.stack([flux * one.density(r2) for flux, one in zip(source.flux, psf, strict=True)])


def _points(source: CatalogueSource) -> tuple[np.ndarray, np.ndarray]:
    """Points of equal flux: of each of _RINGS shares of the light the ring that halves it."""
    if source.r_eff <= 0:
        return np.array([source.x]), np.array([source.y])
    n = source.n_sersic
    inside = (np.arange(_RINGS) + 0.5) / _RINGS
    radius = source.r_eff * (gammaincinv(2 * n, inside) / gammaincinv(2 * n, 0.5)) ** n
    turn = (np.arange(_SPOKES) + 0.5) * 2 * math.pi / _SPOKES
    along = (radius[:, None] * np.cos(turn)).ravel()
    across = (radius[:, None] * np.sin(turn)).ravel() * (1 - source.e) / (1 + source.e)
    c, s = math.cos(source.phi), math.sin(source.phi)
    return source.x + c * along - s * across, source.y + s * along + c * across


def fit(raw: np.ndarray, predicted: np.ndarray, sigma: float, pixel_scale: float) -> SkyFit:
    """How one band of a raw stamp differs from its prediction; shapes (n_pix, n_pix), sigma in nmgy.

    ValueError if there is no light to compare: nothing predicted.
    """
    if not predicted.max() > 0:
        raise ValueError("nothing is predicted")
    n = raw.shape[0]
    axis = (np.arange(n) - (n - 1) / 2) / n  # -1/2 to 1/2
    dy, dx = np.gradient(predicted, pixel_scale)
    flat = np.ones_like(raw)
    terms = np.stack([predicted, dx, dy, flat, flat * axis[None, :], flat * axis[:, None]])
    scale = np.sqrt(sigma**2 + (MODEL_ERROR * predicted) ** 2).ravel()
    design = terms.reshape(len(terms), -1).T / scale[:, None]
    data = raw.ravel() / scale
    kept = np.ones(len(data), dtype=bool)
    for _ in range(_CLIPS):
        covariance = np.linalg.pinv(design[kept].T @ design[kept])
        answer = covariance @ (design[kept].T @ data[kept])
        residual = data - design @ answer
        spread = _SIGMA_OF_MAD * float(np.median(np.abs(residual)))
        kept = np.abs(residual) <= _CLIP_SIGMA * max(spread, 1e-9)
    error = np.sqrt(np.diag(covariance))
    light = float(answer[0])
    return SkyFit(
        light=light,
        x=-float(answer[1]) / light if light > 0 else math.nan,
        y=-float(answer[2]) / light if light > 0 else math.nan,
        level=float(answer[3]) / sigma,
        slope=float(np.hypot(answer[4], answer[5])) / sigma,
        scatter=spread,
        light_error=float(error[0]),
        place_error=float(max(error[1], error[2])),
    )


def orientation(raw: np.ndarray, predicted: np.ndarray, sigma: Sequence[float]) -> float | None:
    """1 if a stamp shows its prediction as it is, -1 if turned or mirrored; shapes (band, n_pix, n_pix).

    Of each of the seven other ways in which a square can lie the projection of the stamp on the difference of
    the two predictions, from -1 to 1; the least of them. None if some of the seven cannot be told from
    the right one by LEAST_INFORMATION: a lone round host.
    """
    told = [
        _between(raw, predicted, turned, sigma)
        for turns in range(4)
        for turned in _both_ways(np.rot90(predicted, turns, axes=(1, 2)))
    ][1:]
    if any(information < LEAST_INFORMATION for _, information in told):
        return None
    return min(place for place, _ in told)


def _both_ways(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images, images[:, :, ::-1]


def _between(
    raw: np.ndarray, own: np.ndarray, other: np.ndarray, sigma: Sequence[float]
) -> tuple[float, float]:
    """(where the stamp lies between two predictions, 1 at the first and -1 at the second; their chi^2)."""
    apart = own - other
    variance = np.array(sigma)[:, None, None] ** 2 + (MODEL_ERROR * np.maximum(own, other)) ** 2
    information = float((apart**2 / variance).sum())
    if information == 0:
        return 1.0, 0.0
    return float(((2 * raw - own - other) * apart / variance).sum()) / information, information
