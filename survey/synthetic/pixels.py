"""The pixels of a brick: sources, noise, saturation and masks put together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.catalogue import EXTINCTION
from survey.layout import BANDS
from survey.maskbits import MASK_BITS
from survey.synthetic.conditions import BandMaps, Conditions
from survey.synthetic.noise import correlated_noise
from survey.synthetic.population import BRIGHT_MAG, Population, saturated_stars
from survey.synthetic.render import Painter, Source
from survey.synthetic.rng import generator

SATURATION = 12.0
"""Coadd pixels brighter than this (nanomaggy) are saturated."""

SHOT_LEVEL = 40.0
"""Light of this many sigma of a pixel doubles its variance (Poisson noise of the source)."""

_TRAIL_LENGTH = 2


@dataclass(frozen=True, eq=False)
class BrickPixels:
    """Images of a brick, as written.

    Attributes
    ----------
    image, invvar, psfsize : dict of ndarray
        By band, (rows, columns) of float32: nanomaggy, 1/nanomaggy^2, arcsec.
    maskbits : ndarray of int32
        Bits of `survey.maskbits.MASK_BITS`.
    wise : tuple of ndarray
        WISE bright-star masks of W1 and W2, uint8.
    """

    image: dict[str, NDArray[np.float32]]
    invvar: dict[str, NDArray[np.float32]]
    psfsize: dict[str, NDArray[np.float32]]
    maskbits: NDArray[np.int32]
    wise: tuple[NDArray[np.uint8], NDArray[np.uint8]]


def paint(
    brick: Brick, conditions: Conditions, sources: Population, primary: NDArray[np.bool_], seed: int
) -> BrickPixels:
    """Make the pixels of a brick.

    Parameters
    ----------
    brick : Brick
        The brick.
    conditions : Conditions
        Depth, seeing, coverage.
    sources : Population
        What is on the sky.
    primary : ndarray of bool
        Pixels the brick owns.
    seed : int
        The sky's seed.
    """
    light = draw_sources(sources, conditions, primary.shape)
    stars = saturated_stars(sources)
    mask = np.where(primary, 0, _bit("NPRIMARY")).astype(np.int32)
    images, weights = {}, {}
    for index, band in enumerate(BANDS):
        maps = conditions.bands[band]
        saturated = _saturated(light[index], stars)
        weights[band] = _weights(light[index], maps, saturated)
        kernel = conditions.noise_kernel(band)
        noise = correlated_noise(primary.shape, kernel, generator(seed, brick.brickid, f"noise_{band}"))
        noise *= np.float32(conditions.chi_std)
        images[band] = _image(light[index], weights[band], noise, maps)
        mask[saturated & (maps.psfsize > 0.0)] |= _bit(f"SATUR_{band.upper()}")
        mask[(weights[band] == 0.0) & (maps.psfsize > 0.0)] |= _bit(f"ALLMASK_{band.upper()}")
    wise = _star_masks(mask, sources)
    psfsizes = {band: conditions.bands[band].psfsize for band in BANDS}
    return BrickPixels(images, weights, psfsizes, mask, wise)


def observed_fluxes(sources: Population, ebv: float) -> NDArray[np.float64]:
    """Give the fluxes (n, 5) in g, r, z, W1, W2 as they arrive behind the dust, nanomaggy."""
    dust = np.array([transmission(band, ebv) for band in (*BANDS, "w1", "w2")])
    return np.asarray(10.0 ** (-0.4 * (sources.mag - 22.5)) * dust)


def transmission(band: str, ebv: float) -> float:
    """Give the Galactic transmission (0 to 1) of a band at E(B-V) magnitudes."""
    return float(10.0 ** (-0.4 * EXTINCTION.get(band, 0.113) * ebv))


def draw_sources(sources: Population, conditions: Conditions, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw all sources, without noise: (3, rows, columns), nanomaggy per pixel."""
    sigma = [float(np.median(conditions.bands[band].invvar)) ** -0.5 for band in BANDS]
    painter = Painter(
        np.zeros((3, *shape), dtype=np.float32), (sigma[0], sigma[1], sigma[2]), conditions.beta
    )
    fluxes = observed_fluxes(sources, conditions.ebv)
    for index in range(len(sources)):
        x, y = float(sources.x[index]), float(sources.y[index])
        source = Source(
            x=x,
            y=y,
            flux=(float(fluxes[index, 0]), float(fluxes[index, 1]), float(fluxes[index, 2])),
            sersic=float(sources.sersic[index]),
            r_eff=float(sources.shape_r[index]),
            axis_ratio=float(sources.axis_ratio[index]),
            angle=float(sources.angle[index]) + np.pi / 2.0,
        )
        painter.add(source, conditions.psfsize_at(x, y))
    return painter.canvas


def _saturated(light: NDArray[np.float32], stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which pixels are saturated: bright cores, and a trail along the columns of the star."""
    saturated = light > SATURATION
    rows, columns = light.shape
    for x, y, _ in stars:
        column, row = round(x), round(y)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        reach = _TRAIL_LENGTH * int(saturated[:, column].sum())
        if reach:
            saturated[max(row - reach, 0) : row + reach + 1, column] = True
    return np.asarray(saturated)


def _weights(light: NDArray[np.float32], maps: BandMaps, saturated: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give invvar with the sources' Poisson noise, 0 where saturated."""
    sigma = float(np.median(maps.invvar)) ** -0.5
    shot = np.maximum(light, 0.0) * np.float32(sigma / SHOT_LEVEL)
    weights = maps.invvar / (1.0 + shot * maps.invvar)
    weights[saturated] = 0.0
    return np.asarray(weights, dtype=np.float32)


def _image(
    light: NDArray[np.float32], weights: NDArray[np.float32], noise: NDArray[np.float32], maps: BandMaps
) -> NDArray[np.float32]:
    """Add noise; masked pixels are patched (cut at saturation, half the noise), uncovered ones are 0."""
    typical = np.float32(np.median(maps.invvar))
    good = weights > 0.0
    patched = np.minimum(light, np.float32(SATURATION)) + noise * np.float32(0.5) / np.sqrt(typical)
    measured = light + noise / np.sqrt(np.where(good, weights, typical))
    image = np.where(good, measured, patched)
    image[maps.psfsize == 0.0] = 0.0
    return image.astype(np.float32)


def _star_masks(mask: NDArray[np.int32], sources: Population) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Add the BRIGHT, MEDIUM and WISE discs around bright stars; give the WISE masks."""
    wise = np.zeros((2, *mask.shape), dtype=np.uint8)
    very_bright = (sources.kind == "PSF") & (sources.mag[:, 1] < BRIGHT_MAG)
    for x, y, radius in saturated_stars(sources):
        _disc(mask, x, y, radius, _bit("MEDIUM"))
        for plane, share in enumerate((0.8, 0.6)):
            _disc(wise[plane], x, y, share * radius, 1)
    for x, y, radius in saturated_stars(sources.take(very_bright)):
        _disc(mask, x, y, radius / 2.0, _bit("BRIGHT"))
    mask[wise[0] > 0] |= _bit("WISEM1")
    mask[wise[1] > 0] |= _bit("WISEM2")
    return wise[0], wise[1]


def _disc(mask: NDArray[np.integer], x: float, y: float, radius: float, value: int) -> None:
    rows, columns = mask.shape
    y0, y1 = max(int(y - radius), 0), min(int(y + radius) + 2, rows)
    x0, x1 = max(int(x - radius), 0), min(int(x + radius) + 2, columns)
    if y0 >= y1 or x0 >= x1:
        return
    dy, dx = np.arange(y0, y1)[:, np.newaxis] - y, np.arange(x0, x1)[np.newaxis, :] - x
    mask[y0:y1, x0:x1] |= np.where(dx * dx + dy * dy < radius * radius, value, 0).astype(mask.dtype)


def _bit(name: str) -> int:
    return 1 << MASK_BITS[name]
