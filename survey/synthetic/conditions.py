"""What the sky and the camera were like: per band the exposures, and from them invvar, psfsize and coverage.

A coadd is a stack of exposures, each a mosaic of CCDs with gaps; depth and seeing step at CCD edges, bad
columns and small defects lower the depth of single exposures and leave holes where no other covers them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.layout import BANDS, PIXEL_SCALE
from survey.psf import noise_equivalent_area
from survey.synthetic.footprint import is_north
from survey.synthetic.noise import bass_kernel, decam_kernel
from survey.synthetic.rng import generator

DEEP_SIGMA = {"g": 0.0020, "r": 0.0025, "z": 0.0089}
"""Noise of a coadd pixel in a deep real field, nanomaggy."""

SHALLOWER_MAG = {"g": 0.35, "r": 0.77, "z": 0.25}
"""How much shallower the survey's most common depth (5 sigma: g 24.8, r 24.2, z 23.3) is than that field."""

PSFSIZE = {"g": 1.41, "r": 1.30, "z": 1.31}
"""Median psfsize of DECam CCDs, arcsec."""

JITTER = {"g": 0.025, "r": 0.015, "z": 0.010}
"""Scatter of invvar from pixel to pixel, relative."""

CHI_STD = {"south": 0.90, "north": 0.82}
"""std(image sqrt(invvar)) on blank sky: resampling hides part of the noise."""

CCD_PIXELS = (4094, 2046)
CCD_GAPS = (200, 150)
BETA_RANGE = (2.6, 2.9)
_PSFSIZE_LIMITS = (0.75, 2.6)


@dataclass(frozen=True)
class Exposure:
    """One pointing: a rectangle grid of CCDs shifted against the brick.

    Attributes
    ----------
    first_row, first_column : int
        Pixel of the corner of one CCD.
    invvar : float
        Inverse variance of its pixels, 1/nanomaggy^2.
    psfsize : float
        Its psfsize, arcsec.
    limits : tuple of int
        Rows and columns (start, stop, start, stop) that its field covers.
    """

    first_row: int
    first_column: int
    invvar: float
    psfsize: float
    limits: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class BandMaps:
    """Maps of one band, all (rows, columns).

    Attributes
    ----------
    invvar : ndarray of float32
        Inverse variance without sources, 1/nanomaggy^2; 0 where every exposure is masked.
    psfsize : ndarray of float32
        arcsec; 0 without coverage.
    n_exposures : ndarray of int16
        Exposures that cover a pixel.
    """

    invvar: NDArray[np.float32]
    psfsize: NDArray[np.float32]
    n_exposures: NDArray[np.int16]

    def point_depth(self, invvar: float, row: int, column: int) -> float:
        """Give the inverse variance of a point source's flux at a pixel, 1/nanomaggy^2.

        Parameters
        ----------
        invvar : float
            Inverse variance of the pixels there, 1/nanomaggy^2.
        row, column : int
            The pixel whose psfsize holds; without coverage the answer is 0.
        """
        size = float(self.psfsize[row, column])
        return invvar * PIXEL_SCALE**2 / noise_equivalent_area(size) if size > 0.0 else 0.0


@dataclass(frozen=True, eq=False)
class Conditions:
    """The observing conditions of a brick.

    Attributes
    ----------
    north : bool
        BASS/MzLS rather than DECaLS.
    bands : dict of BandMaps
        By band.
    beta : float
        Moffat exponent of the PSF.
    ebv : float
        E(B-V) at the brick's centre, magnitudes.
    chi_std : float
        std(image sqrt(invvar)) on blank sky.
    """

    north: bool
    bands: dict[str, BandMaps]
    beta: float
    ebv: float
    chi_std: float

    def psfsize_at(self, x: float, y: float) -> tuple[float, float, float]:
        """Give psfsize (arcsec) per band at a pixel; the band's mean where it is not covered or off image."""
        sizes = []
        for band in BANDS:
            psfsize = self.bands[band].psfsize
            row, column = round(y), round(x)
            inside = 0 <= row < psfsize.shape[0] and 0 <= column < psfsize.shape[1]
            here = float(psfsize[row, column]) if inside else 0.0
            sizes.append(here if here > 0.0 else PSFSIZE[band])
        return sizes[0], sizes[1], sizes[2]

    def noise_kernel(self, band: str) -> tuple[float, ...]:
        """Give the kernel that correlates the noise of a band (the north's z is not BASS but MzLS)."""
        return bass_kernel() if self.north and band != "z" else decam_kernel()


def observe(brick: Brick, shape: tuple[int, int], seed: int) -> Conditions:
    """Draw the observing conditions of a brick.

    Parameters
    ----------
    brick : Brick
        The brick.
    shape : tuple of int
        Rows and columns of its images.
    seed : int
        The sky's seed.
    """
    rng = generator(seed, brick.brickid, "conditions")
    north, shallowness = is_north(brick), float(rng.random())
    return Conditions(
        north=north,
        bands={band: _stack(band, shallowness, shape, rng) for band in BANDS},
        beta=float(rng.uniform(*BETA_RANGE)),
        ebv=float(np.clip(rng.lognormal(np.log(0.03), 0.5), 0.005, 0.085)),
        chi_std=CHI_STD["north" if north else "south"],
    )


def _stack(band: str, shallowness: float, shape: tuple[int, int], rng: np.random.Generator) -> BandMaps:
    total, seeing, weight = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    count = np.zeros(shape, dtype=np.int16)
    for exposure in _expose(band, shallowness, shape, rng):
        for rows, columns in _ccds(exposure, shape):
            size = exposure.psfsize * rng.lognormal(0.0, 0.02)
            ccd = np.full((rows.stop - rows.start, columns.stop - columns.start), exposure.invvar, np.float32)
            _spoil(ccd, rng)
            total[rows, columns] += ccd
            seeing[rows, columns] += np.float32(exposure.invvar / size**2)
            weight[rows, columns] += np.float32(exposure.invvar)
            count[rows, columns] += 1
    covered = weight > 0.0
    psfsize = np.sqrt(np.divide(weight, seeing, out=np.zeros_like(weight), where=covered))
    jitter = rng.standard_normal(shape, dtype=np.float32)
    total *= np.exp(np.float32(JITTER[band]) * jitter)
    return BandMaps(invvar=total, psfsize=psfsize, n_exposures=count)


def _expose(
    band: str, shallowness: float, shape: tuple[int, int], rng: np.random.Generator
) -> list[Exposure]:
    """Draw the exposures of a band; the first two cover the whole brick but for CCD gaps.

    `shallowness` goes from 0 (as deep as a deep field) to 1 (the survey's most common depth).
    """
    count = int(rng.integers(4, 8))
    depth = DEEP_SIGMA[band] * 10.0 ** (0.4 * shallowness * SHALLOWER_MAG[band]) * rng.lognormal(0.0, 0.08)
    seeing = np.clip(PSFSIZE[band] * rng.lognormal(0.0, 0.08), *_PSFSIZE_LIMITS)
    exposures = []
    for index in range(count):
        sigma = depth * np.sqrt(count) * rng.lognormal(0.0, 0.12)
        corner = [-int(rng.integers(0, pixels)) for pixels in CCD_PIXELS]
        size = float(np.clip(seeing * rng.lognormal(0.0, 0.07), *_PSFSIZE_LIMITS))
        limits = (
            _field_limits(shape, rng) if index >= 2 and rng.random() < 0.3 else (0, shape[0], 0, shape[1])
        )
        exposures.append(Exposure(corner[0], corner[1], float(sigma**-2), size, limits))
    return exposures


def _field_limits(shape: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    limits = [0, shape[0], 0, shape[1]]
    side = int(rng.integers(4))
    limits[side] = int(rng.uniform(0.2, 0.8) * shape[side // 2])
    return limits[0], limits[1], limits[2], limits[3]


def _ccds(exposure: Exposure, shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    bottom, top, left, right = exposure.limits
    height, width = CCD_PIXELS
    found = []
    for row in range(exposure.first_row, shape[0], height + CCD_GAPS[0]):
        for column in range(exposure.first_column, shape[1], width + CCD_GAPS[1]):
            rows = slice(max(row, bottom), min(row + height, top))
            columns = slice(max(column, left), min(column + width, right))
            if rows.start < rows.stop and columns.start < columns.stop:
                found.append((rows, columns))
    return found


def _spoil(ccd: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Mask bad columns (3 a full CCD) and small defects (25 a full CCD)."""
    rows, columns = ccd.shape
    share = rows * columns / (CCD_PIXELS[0] * CCD_PIXELS[1])
    for _ in range(int(rng.poisson(3.0 * columns / CCD_PIXELS[1]))):
        ccd[:, rng.integers(columns)] = 0.0
    for _ in range(int(rng.poisson(25.0 * share))):
        row, column = rng.integers(rows), rng.integers(columns)
        height, width = rng.integers(2, 30, size=2)
        ccd[row : row + height, column : column + width] = 0.0
