"""Choose injection hosts: luminous red galaxies from the survey's sweep or tractor catalogues.

The cut, on extinction-corrected AB magnitudes: (z - W1) > 0.8 (r - z) - 0.6, 17 < z < 21, r < 23, not
point-like, E(B-V) < 0.1; not under a mask that spoils its pixels; listed by the brick that owns it; not on a
known lens. Never runs inside the Fargate task or a Lambda function.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy import units
from astropy_healpix import HEALPix
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from survey.bricks import Brick, brick_named
from survey.catalogue import Rows, read_rows
from survey.errors import CatalogueError, SurveyError
from survey.host_columns import HOST_COLUMNS, REGION_NSIDE
from survey.known_lenses import KnownLenses, unit_vectors
from survey.layout import BANDS, PIXEL_SCALE
from survey.maskbits import BAD_BITS, mask_value

POINT_LIKE = ("PSF", "DUP")
"""Catalogue types that are no galaxy: point sources, and Gaia sources that another fit took the flux of."""

_ARROW = {"string": pa.string(), "bigint": pa.int64(), "double": pa.float64()}
HOST_SCHEMA = pa.schema(
    [pa.field(column.name, _ARROW[column.type], nullable=column.nullable) for column in HOST_COLUMNS]
)
"""The host table; `survey.host_columns` says what its columns are."""

_FOUND_SCHEMA = HOST_SCHEMA.append(pa.field("source", pa.int32(), nullable=False))


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


@dataclass(frozen=True)
class HostRules:
    """What is a host.

    Attributes
    ----------
    cuts : HostCuts
        Colours, magnitudes, extinction.
    bad_bits : tuple of str
        A source whose pixel carries one of these mask bits is left out.
    releases : tuple of int
        Values of the column `release` to keep (`survey.layout.RELEASE_NUMBERS`); empty: all.
    lenses : KnownLenses or None
        What to keep away from.
    rows_per_read : int
        Rows of a catalogue held in memory at a time.
    """

    cuts: HostCuts = field(default_factory=HostCuts)
    bad_bits: tuple[str, ...] = BAD_BITS
    releases: tuple[int, ...] = ()
    lenses: KnownLenses | None = None
    rows_per_read: int = 200_000


@dataclass
class Tally:
    """Rows read, and how many passed all rules or failed first at one, in this order.

    Attributes
    ----------
    not_finite, out_of_range, other_release, not_lrg, point_like, masked : int
        Left out: without a finite number in a column that is needed; off the sky, or behind a transmission
        of 0; of another release; by colour, magnitude or extinction; PSF or DUP; under a bad mask bit.
    unknown_brick, not_owned, known_lens, listed_twice : int
        Left out: of a brick that the survey does not have; a neighbour brick's; on a known lens; under the
        id of a host before it, or within a pixel of one of its brick.
    """

    rows: int = 0
    hosts: int = 0
    not_finite: int = 0
    out_of_range: int = 0
    other_release: int = 0
    not_lrg: int = 0
    point_like: int = 0
    masked: int = 0
    unknown_brick: int = 0
    not_owned: int = 0
    known_lens: int = 0
    listed_twice: int = 0

    def __str__(self) -> str:
        left_out = {name: count for name, count in asdict(self).items() if name not in ("rows", "hosts")}
        return "left out: " + ", ".join(f"{name} {count:,}" for name, count in left_out.items())


_MENDS = {
    "not_finite": "fetch the files again",
    "out_of_range": "give right ascensions of 0 to 360 degrees, or fetch the files again",
    "unknown_brick": "give sweep or tractor files of the survey",
    "other_release": "give --release as the files have it, or leave it out",
    "not_lrg": "give sweeps of more of the sky",
    "point_like": "give sweeps of more of the sky",
    "masked": "give sweeps of more of the sky",
    "not_owned": "give sweeps of more of the sky, or tractor files of the bricks themselves",
    "known_lens": "give a smaller --radius, or check the list of lenses",
}
"""What to do if a rule leaves out more rows than any other, and all are gone."""


def select_hosts(paths: Iterable[str | Path], rules: HostRules | None = None) -> pa.Table:
    """Select hosts from sweep or tractor files, reading a part of a file at a time.

    Parameters
    ----------
    paths : iterable of path
        Catalogue files, of any release since DR8; column names in either case.
    rules : HostRules, optional
        What is a host.

    Returns
    -------
    pyarrow.Table
        Columns of `HOST_SCHEMA`, sorted by brickname and host_id.

    Raises
    ------
    CatalogueError
        If a file lacks a column or holds no numbers in one; if a source appears in two files, or a brick in
        two releases.
    """
    files = [Path(path) for path in paths]
    chosen, tally = rules or HostRules(), Tally()
    found = [batch for n, path in enumerate(files) for batch in host_batches(n, path, chosen, tally)]
    return checked_hosts(pa.Table.from_batches(found, schema=_FOUND_SCHEMA), files, tally)


def host_batches(number: int, path: Path, rules: HostRules, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Give the hosts of one file by parts, with the file's number as the column `source`; count them."""
    for rows in read_rows(path, rules.rows_per_read):
        yield _select(rows, rules, tally, number)


def checked_hosts(found: pa.Table, paths: Sequence[Path], tally: Tally) -> pa.Table:
    """Sort hosts of all files, each galaxy once; refuse a source of two files, or a brick in two releases.

    Parameters
    ----------
    found : pyarrow.Table
        Batches of `host_batches`, whole bricks.
    paths : sequence of Path
        The files, by the numbers of the column `source`.
    tally : Tally
        Where hosts that are left out as `listed_twice` are counted.
    """
    table = found.sort_by([(name, "ascending") for name in ("brickname", "host_id", "source")])
    names = ("brickname", "host_id", "source")
    previous: tuple[str, str, int] | None = None
    for brick, host, source in zip(*(table[name].to_pylist() for name in names), strict=True):
        if previous is not None and previous[1] == host and previous[2] != source:
            raise CatalogueError(
                f"{paths[source]}: source {host} (release-brickid-objid) was already read from "
                f"{paths[previous[2]]}; give each file once, and either sweeps or tractor files"
            )
        if previous is not None and previous[0] == brick and _release(previous[1]) != _release(host):
            raise CatalogueError(
                f"{paths[source]}: brick {brick} has hosts of releases {_release(previous[1])} (from "
                f"{paths[previous[2]]}) and {_release(host)}: the same galaxies twice; give "
                "--release, or the files of one version of it"
            )
        previous = (brick, host, source)
    first = _first_of_each(table)
    tally.hosts -= len(table) - len(first)
    tally.listed_twice += len(table) - len(first)
    return table.take(pa.array(first)).drop_columns(["source"])


def _first_of_each(table: pa.Table) -> NDArray[np.int64]:
    """Number the rows before which there is none of their id, and none of their brick within a pixel."""
    if not len(table):
        return np.arange(0)
    bricks, points = table["brickname"].to_numpy(), unit_vectors(table["ra"], table["dec"])
    gone = np.ones(len(table), dtype=np.bool_)
    gone[np.unique(table["host_id"].to_numpy(), return_index=True)[1]] = False
    for one, other in sorted(cKDTree(points).query_pairs(math.radians(PIXEL_SCALE / 3600.0))):
        gone[other] |= not gone[one] and bricks[one] == bricks[other]
    return np.flatnonzero(~gone)


def no_hosts(paths: Sequence[Path], tally: Tally) -> str:
    """Say that no row of some files is a host, which rule left most of them out, and the mend."""
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    if not tally.rows:
        return f"{paths[0]}{more}: no host, for there is no row; fetch the files again"
    lost = {name: count for name, count in asdict(tally).items() if name in _MENDS}
    mend = _MENDS[max(lost, key=lost.__getitem__)]
    return f"{paths[0]}{more}: no host in {tally.rows:,} rows; {tally}; {mend}"


def region_of_brick(brick: Brick) -> int:
    """Give the nested HEALPix index (nside 64) of a brick's centre."""
    grid = HEALPix(nside=REGION_NSIDE, order="nested")
    return int(grid.lonlat_to_healpix(brick.ra * units.deg, brick.dec * units.deg))


def _select(rows: Rows, rules: HostRules, tally: Tally, source: int) -> pa.RecordBatch:
    """Give the hosts among some rows of a catalogue."""
    rows = _readable(rows, tally)
    mags = {band: _magnitude(rows, band) for band in ("g", "r", "z", "w1")}
    chosen = np.ones(len(rows), dtype=np.bool_)

    def keep(passed: NDArray[np.bool_]) -> int:
        """Leave rows out; how many were still in."""
        lost = int((chosen & ~passed).sum())
        np.logical_and(chosen, passed, out=chosen)
        return lost

    if rules.releases:
        tally.other_release += keep(np.isin(rows.integers("release"), rules.releases))
    tally.not_lrg += keep(rules.cuts.passes(mags["r"], mags["z"], mags["w1"], rows.floats("ebv")))
    tally.point_like += keep(~np.isin(rows.texts("type"), POINT_LIKE))
    tally.masked += keep((rows.integers("maskbits") & mask_value(rules.bad_bits)) == 0)
    names = rows.texts("brickname")
    bricks_of = _bricks_named(np.unique(names[chosen]).tolist())
    tally.unknown_brick += keep(np.isin(names, list(bricks_of)))
    tally.not_owned += keep(rows.primary())
    tally.not_owned += keep(_owned(rows, names, bricks_of))
    if rules.lenses is not None:
        near = np.zeros(len(rows), dtype=np.bool_)
        near[chosen] = rules.lenses.near(rows.floats("ra")[chosen], rows.floats("dec")[chosen])
        tally.known_lens += keep(~near)
    tally.hosts += int(chosen.sum())
    kept = np.flatnonzero(chosen)
    bricks = names[kept]
    regions = {name: region_of_brick(bricks_of[name]) for name in np.unique(bricks).tolist()}
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
    columns["source"] = np.full(len(kept), source, dtype=np.int32)
    arrays = [pa.array(columns[column.name], type=column.type) for column in _FOUND_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=_FOUND_SCHEMA)


def _magnitude(rows: Rows, band: str) -> NDArray[np.float64]:
    """Give extinction-corrected AB magnitudes; NaN where the flux is not positive."""
    flux = rows.floats(f"flux_{band}") / rows.transmission(band)
    return 22.5 - 2.5 * np.log10(np.where(flux > 0.0, flux, np.nan))


def _readable(rows: Rows, tally: Tally) -> Rows:
    """Leave out the rows that say nothing of a galaxy, and count them."""
    tally.rows += len(rows)
    whole = rows.where(rows.finite())
    usable = whole.where(whole.in_range())
    tally.not_finite += len(rows) - len(whole)
    tally.out_of_range += len(whole) - len(usable)
    return usable


def _bricks_named(names: list[str]) -> dict[str, Brick]:
    """Find those bricks that the survey has."""
    found = {}
    for name in names:
        with suppress(SurveyError):
            found[name] = brick_named(name)
    return found


def _owned(rows: Rows, names: NDArray[np.str_], bricks: Mapping[str, Brick]) -> NDArray[np.bool_]:
    """Say which rows lie within the bounds of the brick that lists them, one of those given."""
    ra, dec = rows.floats("ra"), rows.floats("dec")
    owned = np.zeros(len(rows), dtype=np.bool_)
    for name, brick in bricks.items():
        mine = np.flatnonzero(names == name)
        owned[mine] = brick.owns(ra[mine], dec[mine])
    return owned


def _host_ids(rows: Rows, kept: NDArray[np.intp]) -> list[str]:
    parts = [rows.integers(name)[kept].tolist() for name in ("release", "brickid", "objid")]
    return [f"{release}-{brickid}-{objid}" for release, brickid, objid in zip(*parts, strict=True)]


def _optional(rows: Rows, name: str, kept: NDArray[np.intp]) -> pa.Array:
    if not rows.has(name):
        return pa.nulls(len(kept), pa.float64())
    values = rows.floats(name)[kept]
    return pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)


def _release(host_id: str) -> str:
    return host_id.partition("-")[0]
