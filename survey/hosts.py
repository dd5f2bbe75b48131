"""Choose injection hosts: luminous red galaxies from the survey's sweep or tractor catalogues.

The cut, on extinction-corrected AB magnitudes: (z - W1) > 0.8 (r - z) - 0.6, 17 < z < 21, r < 23, not
point-like, E(B-V) < 0.1. Never runs inside the Fargate task or a Lambda function.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy import units
from astropy_healpix import HEALPix
from numpy.typing import NDArray

from survey.bricks import Brick, brick_named
from survey.catalogue import Rows, read_rows
from survey.errors import CatalogueError, SurveyError
from survey.layout import BANDS

NSIDE = 64
POINT_LIKE = ("PSF", "DUP")
"""Catalogue types that are no galaxy: point sources, and Gaia sources that another fit took the flux of."""

HOST_SCHEMA = pa.schema(
    [
        pa.field("host_id", pa.string(), nullable=False),
        pa.field("brickname", pa.string(), nullable=False),
        pa.field("ra", pa.float64(), nullable=False),
        pa.field("dec", pa.float64(), nullable=False),
        pa.field("region_id", pa.int64(), nullable=False),
        pa.field("host_type", pa.string(), nullable=False),
        *(pa.field(f"mag_{band}", pa.float64()) for band in ("g", "r", "z", "w1")),
        *(pa.field(f"flux_{band}_nmgy", pa.float64(), nullable=False) for band in BANDS),
        pa.field("shape_r_arcsec", pa.float64(), nullable=False),
        pa.field("shape_e1", pa.float64(), nullable=False),
        pa.field("shape_e2", pa.float64(), nullable=False),
        pa.field("ebv", pa.float64(), nullable=False),
        pa.field("maskbits", pa.int64(), nullable=False),
        *(pa.field(f"psfsize_{band}_arcsec", pa.float64()) for band in BANDS),
        *(pa.field(f"psfdepth_{band}", pa.float64()) for band in BANDS),
    ]
)
"""Columns of the host table.

mag_*: AB, extinction-corrected, null where the flux is not positive. flux_*_nmgy: as observed, nanomaggy.
shape_r_arcsec: half-light radius; shape_e1, shape_e2: ellipticity components. psfsize_*_arcsec and psfdepth_*
(1/nanomaggy^2, point source): null where the catalogue has no such column (psfsize before DR9). region_id:
nested HEALPix index (nside 64) of the brick's centre, so that a brick is never split.
"""


@dataclass(frozen=True)
class HostCuts:
    """The limits of the selection.

    Attributes
    ----------
    z_bright, z_faint : float
        Limits of the z magnitude, both excluded.
    r_faint : float
        Limit of the r magnitude, excluded.
    max_ebv : float
        Limit of E(B-V), magnitudes, excluded.
    slope, offset : float
        (z - W1) > slope (r - z) + offset.
    """

    z_bright: float = 17.0
    z_faint: float = 21.0
    r_faint: float = 23.0
    max_ebv: float = 0.1
    slope: float = 0.8
    offset: float = -0.6

    def passes(
        self,
        mag_r: NDArray[np.float64],
        mag_z: NDArray[np.float64],
        mag_w1: NDArray[np.float64],
        ebv: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Apply the colour, magnitude and extinction cuts (AB, corrected; NaN magnitudes never pass)."""
        red = (mag_z - mag_w1) > self.slope * (mag_r - mag_z) + self.offset
        bright = (mag_z > self.z_bright) & (mag_z < self.z_faint) & (mag_r < self.r_faint)
        return np.asarray(red & bright & (ebv < self.max_ebv), dtype=np.bool_)


def select_hosts(
    paths: Iterable[str | Path], *, cuts: HostCuts | None = None, rows_per_read: int = 200_000
) -> pa.Table:
    """Select hosts from sweep or tractor files, reading a part of a file at a time.

    Parameters
    ----------
    paths : iterable of path
        Catalogue files, of any release since DR8; column names in either case.
    cuts : HostCuts, optional
        Limits of the selection.
    rows_per_read : int
        Rows held in memory at a time.

    Returns
    -------
    pyarrow.Table
        Columns of `HOST_SCHEMA`, sorted by brickname and host_id.

    Raises
    ------
    CatalogueError
        If a file lacks a column, holds a value that is not finite in one that is used, names an unknown
        brick, or a source appears twice.
    """
    limits = cuts or HostCuts()
    seen: dict[str, str] = {}
    batches = []
    for path in paths:
        for rows in read_rows(Path(path), rows_per_read):
            batch = _select(rows, limits)
            _refuse_duplicates(batch, seen, str(path))
            batches.append(batch)
    table = pa.Table.from_batches(batches, schema=HOST_SCHEMA)
    return table.sort_by([("brickname", "ascending"), ("host_id", "ascending")])


def region_of_brick(brick: Brick) -> int:
    """Give the nested HEALPix index (nside 64) of a brick's centre."""
    grid = HEALPix(nside=NSIDE, order="nested")
    return int(grid.lonlat_to_healpix(brick.ra * units.deg, brick.dec * units.deg))


def _select(rows: Rows, limits: HostCuts) -> pa.RecordBatch:
    """Give the hosts among some rows of a catalogue."""
    mags = {band: _magnitude(rows, band) for band in ("g", "r", "z", "w1")}
    chosen = limits.passes(mags["r"], mags["z"], mags["w1"], rows.floats("ebv"))
    chosen &= ~np.isin(rows.texts("type"), POINT_LIKE) & rows.primary()
    chosen[chosen] = _owned(rows, chosen)
    kept = np.flatnonzero(chosen)
    bricks = rows.texts("brickname")[kept]
    regions = {name: region_of_brick(brick_named(name)) for name in np.unique(bricks).tolist()}
    shapes = rows.shapes()
    columns: dict[str, object] = {
        "host_id": _host_ids(rows, kept),
        "brickname": bricks.tolist(),
        "ra": rows.floats("ra")[kept],
        "dec": rows.floats("dec")[kept],
        "region_id": [regions[name] for name in bricks.tolist()],
        "host_type": rows.texts("type")[kept].tolist(),
        **{f"mag_{band}": pa.array(mag[kept], from_pandas=True) for band, mag in mags.items()},
        **{f"flux_{band}_nmgy": rows.floats(f"flux_{band}")[kept] for band in BANDS},
        **dict(zip(("shape_r_arcsec", "shape_e1", "shape_e2"), (s[kept] for s in shapes), strict=True)),
        "ebv": rows.floats("ebv")[kept],
        "maskbits": rows.integers("maskbits")[kept],
        **{f"psfsize_{band}_arcsec": _optional(rows, f"psfsize_{band}", kept) for band in BANDS},
        **{f"psfdepth_{band}": _optional(rows, f"psfdepth_{band}", kept) for band in BANDS},
    }
    arrays = [pa.array(columns[field.name], type=field.type) for field in HOST_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=HOST_SCHEMA)


def _magnitude(rows: Rows, band: str) -> NDArray[np.float64]:
    """Give extinction-corrected AB magnitudes; NaN where the flux is not positive."""
    flux = rows.floats(f"flux_{band}") / rows.transmission(band)
    return 22.5 - 2.5 * np.log10(np.where(flux > 0.0, flux, np.nan))


def _owned(rows: Rows, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which of the chosen rows lie within the bounds of the brick that lists them."""
    names = rows.texts("brickname")[chosen]
    ra, dec = rows.floats("ra")[chosen], rows.floats("dec")[chosen]
    owned = np.zeros(len(names), dtype=np.bool_)
    for name in np.unique(names).tolist():
        mine = names == name
        try:
            owned[mine] = brick_named(name).owns(ra[mine], dec[mine])
        except SurveyError as error:
            row = rows.number(int(np.flatnonzero(chosen)[mine][0]))
            raise CatalogueError(f"{rows.path}: row {row}: {error}; fetch the file again") from error
    return owned


def _host_ids(rows: Rows, kept: NDArray[np.intp]) -> list[str]:
    parts = [rows.integers(name)[kept].tolist() for name in ("release", "brickid", "objid")]
    return [f"{release}-{brickid}-{objid}" for release, brickid, objid in zip(*parts, strict=True)]


def _optional(rows: Rows, name: str, kept: NDArray[np.intp]) -> pa.Array:
    if not rows.has(name):
        return pa.nulls(len(kept), pa.float64())
    return pa.array(rows.floats(name)[kept])


def _refuse_duplicates(batch: pa.RecordBatch, seen: dict[str, str], path: str) -> None:
    for host_id in batch.column("host_id").to_pylist():
        if host_id in seen:
            raise CatalogueError(
                f"{path}: source {host_id} (release-brickid-objid) was already read from {seen[host_id]}; "
                "give each file once, and either sweeps or tractor files"
            )
        seen[host_id] = path
