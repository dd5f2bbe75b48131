"""The point-spread function, and where the pixel is in it.

Decision: a `Psf` is the EFFECTIVE one, the pixel's response included, as a star on the coadd shows it.
The value of a pixel is (pixel area) x (surface brightness convolved with this PSF) at the pixel's centre,
and nothing is integrated over the pixel a second time. The survey computes psfsize from its
pixel-sampled PSF models, which hold the pixel too, so a PSF built with `Psf.from_psfsize` has exactly the
survey's noise-equivalent area in the rendered image: 1 / sum(p^2) of a rendered star gives psfsize back.

Moffat (1969, A&A 3, 455): P(r) = (beta - 1) / (pi a^2) (1 + r^2 / a^2)^-beta, a = FWHM / (2 sqrt(2^(1/beta) -
1)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from physics import _validate

#: FWHM / psfsize = 0.760 at this beta: the median of real DR9 coadds and of 21 PSFEx models is 0.76.
DEFAULT_BETA = 2.85
KINDS = ("moffat", "gaussian")
BETA_RANGE = (1.5, 20.0)
FWHM_RANGE = (0.05, 100.0)
#: Larger PSF images would reach round the Fourier period.
MAX_PSF_PIXELS = 65
#: A PSF image's sum over that of its absolute values: noise and rings of a real one take less than half away;
#: what cancels further has no shape that dividing by the sum would not blow up.
LEAST_SUM = 0.1
_FWHM_OF_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: psfsize = 2.355 / (2 sqrt(pi)) sqrt(NEA); the survey writes 2.35 or 2.355, here the exact constant.
_PSFSIZE_OF_SQRT_NEA = _FWHM_OF_SIGMA / (2.0 * math.sqrt(math.pi))


@dataclass(frozen=True)
class Psf:
    """Effective (pixel included) PSF of unit sum over the plane.

    fwhm: full width at half maximum, arcsec, one per band. This is not the survey's psfsize:
        see `from_psfsize`.
    kind: "moffat" or "gaussian".
    beta: Moffat exponent; ignored for a Gaussian.
    images: only from `from_images`; fwhm is then that of the Gaussian of the same noise-equivalent area.
    """

    fwhm: tuple[float, ...]
    kind: str = "moffat"
    beta: float = DEFAULT_BETA
    images: np.ndarray | None = field(default=None, compare=False, repr=False)
    pixel_scale: float | None = None

    def __post_init__(self) -> None:
        if self.images is not None:
            return  # checked by from_images
        object.__setattr__(self, "fwhm", _validate.bands("fwhm", self.fwhm, *FWHM_RANGE))
        _validate.choice("kind", self.kind, KINDS)
        _validate.number("beta", self.beta, *BETA_RANGE)

    @classmethod
    def from_psfsize(
        cls, psfsize: Sequence[float], kind: str = "moffat", beta: float = DEFAULT_BETA
    ) -> "Psf":
        """The PSF whose noise-equivalent area is that of the survey's psfsize (arcsec, one per band).

        psfsize = 2.355 / (2 sqrt(pi)) sqrt(NEA). A psfsize of 0 means no coverage and is refused.
        """
        sizes = _validate.bands("psfsize", psfsize, *FWHM_RANGE)
        ratio = fwhm_over_psfsize(kind, beta)
        return cls(fwhm=tuple(ratio * s for s in sizes), kind=kind, beta=beta)

    @classmethod
    def from_images(cls, images: np.ndarray, pixel_scale: float = 0.262) -> "Psf":
        """Effective PSFs as images: float [band, side, side], side odd and at most MAX_PSF_PIXELS.

        The middle pixel is the origin; row j is y, column i is x. Each image is divided by its sum. It is
        band-limited between its samples, so a FWHM below 2.5 px loses detail. pixel_scale: arcsec, that of
        the stamps it will be used for.
        """
        scale = _validate.number("pixel_scale", pixel_scale, 0.01, 2.0)
        unit = psf_images("images", images)
        area = scale**2 / np.sum(unit**2, axis=(1, 2))
        fwhm = tuple(float(v) for v in _PSFSIZE_OF_SQRT_NEA * np.sqrt(area))
        return cls(fwhm, "gaussian", DEFAULT_BETA, unit, scale)

    @property
    def noise_equivalent_area(self) -> tuple[float, ...]:
        """1 / integral of P^2 over the plane, arcsec^2, one per band."""
        ratio = fwhm_over_psfsize(self.kind, self.beta)
        return tuple((w / ratio / _PSFSIZE_OF_SQRT_NEA) ** 2 for w in self.fwhm)


def psf_images(name: str, images: np.ndarray) -> np.ndarray:
    """Checked PSF images of unit sum, float64 [band, side, side]. name: of the argument."""
    shape = np.shape(images)
    if len(shape) != 3 or shape[0] == 0 or shape[1] != shape[2] or shape[1] % 2 == 0:
        raise ValueError(f"{name} must have shape (band, side, side) with an odd side, got {shape}")
    if shape[1] > MAX_PSF_PIXELS:
        raise ValueError(f"{name} must have at most {MAX_PSF_PIXELS} pixels a side, got {shape[1]}")
    checked = _validate.column(name, images, shape, -1e12, 1e12)
    sums = checked.sum(axis=(1, 2), keepdims=True)
    absolute = np.abs(checked).sum(axis=(1, 2))
    for band, (total, parts) in enumerate(zip(sums, absolute, strict=True)):
        if not total.item() > LEAST_SUM * parts:
            raise ValueError(
                f"{name}[{band}] must have a positive sum, more than {LEAST_SUM:g} of that of its absolute "
                f"values, {parts:.3g}, got {total.item():.3g}"
            )
    return np.asarray(checked / sums)


def moffat_scale(fwhm: float, beta: float) -> float:
    """Moffat's a (same unit as fwhm)."""
    return fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0))


def fwhm_over_psfsize(kind: str, beta: float = DEFAULT_BETA) -> float:
    """FWHM / psfsize: 1 for a Gaussian; for a Moffat from NEA = pi a^2 (2 beta - 1) / (beta - 1)^2.

    0.720 at beta 2.5, 0.760 at 2.85, 0.775 at 3, 0.810 at 3.5.
    """
    _validate.choice("kind", kind, KINDS)
    _validate.number("beta", beta, *BETA_RANGE)
    if kind == "gaussian":
        return 1.0
    root_nea = moffat_scale(1.0, beta) * math.sqrt(math.pi * (2.0 * beta - 1.0)) / (beta - 1.0)
    return 1.0 / (_PSFSIZE_OF_SQRT_NEA * root_nea)


#: Step of the sum over u = log t that stands for a Moffat's integral, at most; narrower for large nu.
_STEP, _STEP_ROOT_NU = 0.5, 0.8
#: Flux of the broadest Gaussians that are left out of that sum.
_LEFT_OUT = 3e-6


@lru_cache(maxsize=32)
def fourier_gaussians(kind: str, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """(rates, weights) of the PSF's Fourier transform H(w) = sum_i weights[i] exp(-rates[i] w^2).

    w = `fourier_scale` |k| (k in rad/arcsec). Gaussian: scale = sigma, exp(-w^2 / 2). Moffat: scale = a and
    H = 2^(1-nu) / Gamma(nu) w^nu K_nu(w) = 1 / Gamma(nu) integral_0^inf t^(nu-1) exp(-t - w^2 / (4 t)) dt,
    nu = beta - 1 (DLMF 10.32.10): a mixture of Gaussians. In u = log t the integrand falls doubly
    exponentially, so equal steps converge at once: error of H <= 4e-6 for beta in BETA_RANGE, with 14 to 24
    terms for beta from 2.5 on.
    """
    if kind == "gaussian":
        return np.array([0.5]), np.array([1.0])
    nu = beta - 1.0
    step = min(_STEP, _STEP_ROOT_NU / math.sqrt(nu))
    u = step * np.arange(-int(60.0 / step), int(5.0 / step))
    weights = step * np.exp(nu * u - np.exp(u) - math.lgamma(nu))
    keep = (np.cumsum(weights) > _LEFT_OUT) & (np.cumsum(weights[::-1])[::-1] > 1e-9)
    return np.exp(-u[keep]) / 4.0, weights[keep] / weights[keep].sum()


def fourier_transform(kind: str, beta: float, w: np.ndarray) -> np.ndarray:
    """H of `fourier_gaussians`."""
    rates, weights = fourier_gaussians(kind, beta)
    return np.asarray(np.exp(-np.multiply.outer(w * w, rates)) @ weights)


#: Every PSF of BETA_RANGE passes less than 1e-7 beyond the last.
_SEARCHED = np.arange(0.0, 60.0, 1.0 / 256.0)


@lru_cache(maxsize=64)
def cutoff(kind: str, beta: float, floor: float) -> float:
    """w beyond which the PSF passes less than floor."""
    w = _SEARCHED
    return float(w[np.argmax(fourier_transform(kind, beta, w) < floor)])


@lru_cache(maxsize=64)
def cutoff_of_peak(kind: str, beta: float, lost: float) -> float:
    """w beyond which lies less than this part of a star's peak, integral H w dw."""
    w = _SEARCHED
    rates, weights = fourier_gaussians(kind, beta)
    beyond = np.exp(-np.multiply.outer(w * w, rates)) @ (weights / rates)
    return float(w[np.argmax(beyond < lost * beyond[0])])


def fourier_scale(kind: str, fwhm: np.ndarray, beta: float) -> np.ndarray:
    """The length that makes |k| dimensionless in `fourier_gaussians`: sigma or Moffat's a, unit of fwhm."""
    if kind == "gaussian":
        return np.asarray(fwhm / _FWHM_OF_SIGMA)
    return np.asarray(fwhm * moffat_scale(1.0, beta))


def wrapped_flux(kind: str, scale: np.ndarray, beta: float, period: float) -> np.ndarray:
    """Part of the PSF's flux beyond a square of side `period` (a circle of its area stands for it).

    Convolving by Fourier series brings that part back as a nearly uniform background, which is taken off at
    zero frequency. scale: `fourier_scale`, period: same unit.
    """
    ratio = period**2 / np.pi / scale**2
    return np.asarray(np.exp(-0.5 * ratio) if kind == "gaussian" else (1.0 + ratio) ** (1.0 - beta))
