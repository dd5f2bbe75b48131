"""The source catalogue of a synthetic brick, with the survey's lower-case columns (DR9/DR10)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.layout import BANDS
from survey.synthetic.conditions import BandMaps, Conditions
from survey.synthetic.pixels import observed_fluxes, transmission
from survey.synthetic.population import Population
from survey.synthetic.rng import generator
from survey.wcs import TanWCS

_WISE_ERROR = 0.02
_GALAXY_ERROR = 1.3
"""A galaxy's flux is known this much worse than a star's."""

_HOST_ERROR_LIMIT = 2.0
_NEAR = 7


def tractor_columns(
    brick: Brick,
    wcs: TanWCS,
    conditions: Conditions,
    sources: Population,
    maskbits: NDArray[Any],
    release: int,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Make the catalogue of a brick.

    Parameters
    ----------
    brick : Brick
        The brick.
    wcs : TanWCS
        Projection of its images.
    conditions : Conditions
        Depth, seeing, dust.
    sources : Population
        What is on the sky; sources off the image are left out.
    maskbits : ndarray
        Mask image; its type is the column's.
    release : int
        Release number, for example 10000.
    seed : int
        The sky's seed.

    Returns
    -------
    dict of ndarray
        Column by name; one source a row, and one DUP row as the survey has.
    """
    rows, columns = maskbits.shape
    inside = (sources.x > -0.5) & (sources.x < columns - 0.5) & (sources.y > -0.5) & (sources.y < rows - 0.5)
    listed = sources.take(inside)
    listed = listed.join(_duplicate_of(listed))
    x_pix, y_pix = np.rint(listed.x).astype(int), np.rint(listed.y).astype(int)
    ra, dec = wcs.to_sky(listed.x, listed.y)
    count = len(listed)
    table: dict[str, NDArray[Any]] = {
        "release": np.full(count, release, np.int16),
        "brickid": np.full(count, brick.brickid, np.int32),
        "brickname": np.full(count, brick.name, "S8"),
        "objid": np.arange(count, dtype=np.int32),
        "brick_primary": brick.owns(ra, dec),
        "maskbits": maskbits[y_pix, x_pix],
        "type": listed.kind.astype("S3"),
        "ra": ra,
        "dec": dec,
        "bx": listed.x.astype(np.float32),
        "by": listed.y.astype(np.float32),
        "ebv": np.full(count, conditions.ebv, np.float32),
    }
    table |= _photometry(brick, conditions, listed, seed)
    for band in BANDS:
        table |= _imaging(band, conditions.bands[band], x_pix, y_pix)
    return table | _shape_columns(listed)


def _photometry(
    brick: Brick, conditions: Conditions, sources: Population, seed: int
) -> dict[str, NDArray[Any]]:
    rng = generator(seed, brick.brickid, "catalogue")
    true = observed_fluxes(sources, conditions.ebv)
    true[sources.kind == "DUP"] = 0.0
    x_pix, y_pix = np.rint(sources.x).astype(int), np.rint(sources.y).astype(int)
    table: dict[str, NDArray[Any]] = {}
    for index, band in enumerate((*BANDS, "w1", "w2")):
        if band in BANDS:
            depth = _psfdepth(conditions.bands[band], x_pix, y_pix)
            error = np.where(depth > 0.0, 1.0, 0.0) / np.sqrt(np.where(depth > 0.0, depth, 1.0))
            error *= np.where(sources.kind == "PSF", 1.0, _GALAXY_ERROR)
        else:
            error = _WISE_ERROR * true[:, index] + 1e-3
        shift = rng.standard_normal(len(sources))
        shift = np.where(sources.is_host, np.clip(shift, -_HOST_ERROR_LIMIT, _HOST_ERROR_LIMIT), shift)
        seen = (error > 0.0) & (sources.kind != "DUP")
        table[f"flux_{band}"] = np.where(seen, true[:, index] + shift * error, 0.0).astype(np.float32)
        table[f"flux_ivar_{band}"] = (seen / np.where(seen, error, 1.0) ** 2).astype(np.float32)
        dust = transmission(band, conditions.ebv)
        table[f"mw_transmission_{band}"] = np.full(len(sources), dust, np.float32)
    return table


def _imaging(
    band: str, maps: BandMaps, x_pix: NDArray[np.integer], y_pix: NDArray[np.integer]
) -> dict[str, NDArray[Any]]:
    depth = _psfdepth(maps, x_pix, y_pix)
    return {
        f"nobs_{band}": maps.n_exposures[y_pix, x_pix],
        f"psfsize_{band}": maps.psfsize[y_pix, x_pix],
        f"psfdepth_{band}": depth.astype(np.float32),
        f"galdepth_{band}": (0.7 * depth).astype(np.float32),
    }


def _psfdepth(maps: BandMaps, x_pix: NDArray[np.integer], y_pix: NDArray[np.integer]) -> NDArray[np.float64]:
    """Give psfdepth (1/nanomaggy^2) from the median depth of the good pixels around each source."""
    depths = np.zeros(len(x_pix))
    for index, (x, y) in enumerate(zip(x_pix.tolist(), y_pix.tolist(), strict=True)):
        near = maps.invvar[max(y - _NEAR, 0) : y + _NEAR + 1, max(x - _NEAR, 0) : x + _NEAR + 1]
        good = near[near > 0.0]
        if good.size:
            depths[index] = maps.point_depth(float(np.median(good)), y, x)
    return depths


def _shape_columns(sources: Population) -> dict[str, NDArray[Any]]:
    ellipticity = (1.0 - sources.axis_ratio) / (1.0 + sources.axis_ratio)
    return {
        "sersic": sources.sersic.astype(np.float32),
        "shape_r": sources.shape_r.astype(np.float32),
        "shape_e1": (ellipticity * np.cos(2.0 * sources.angle)).astype(np.float32),
        "shape_e2": (ellipticity * np.sin(2.0 * sources.angle)).astype(np.float32),
    }


def _duplicate_of(sources: Population) -> Population:
    """A Gaia source whose light another fit took: same place as the first source, type DUP, no flux."""
    first = sources.take(np.arange(len(sources)) == 0)
    first.kind = np.array(["DUP"])
    first.sersic, first.shape_r, first.axis_ratio = np.zeros(1), np.zeros(1), np.ones(1)
    first.is_host = np.zeros(1, dtype=np.bool_)
    return first
