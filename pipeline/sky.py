"""The sky closure of a run: raw stamps against what the survey's catalogue says should be on them.

From the host catalogue, the source catalogues that 4b cached, and the stored raw stamps. The answer is the
table `sky`, which athena_sql/checks/{sky_closure,orientation,host_record}.sql judge. Nothing here loads
`physics` or the readers of `survey`: the FITS tables are read by astropy alone.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.io import fits

from closure import CatalogueSource, PsfModel, SkyFit, fit, orientation, predict
from pipeline.catalogues import order, sampled_bricks
from pipeline.contracts import check_rows, check_unique
from pipeline.errors import InputError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.night_sky import INVVAR_OF_DEPTH
from pipeline.parquet import from_rows, read, to_bytes
from pipeline.progress import Progress
from pipeline.schema import BANDS, METRICS, SKY, STAMPS, Table
from pipeline.storage import cache_key
from pipeline.store import Store, get_json, publish
from survey.layout import PIXEL_SCALE

MOST_HOSTS = 600
_PSF = (
    "moffat",
    2.85,
)  # of the survey's coadds, whatever the tier convolves with: facts of docs/conventions.md
_LIGHT_ERROR, _PLACE_ERROR = 0.1, 0.05  # of what is compared: a factor, arcsec
_FAINTEST = 0.01  # a smaller factor, or a negative one, is written as this
_DIGITS = 6  # what processors agree about
_NEAR, _FAR = 12, 150  # pixels beyond the stamp's edge from which sources, and those brighter than
_BRIGHT = 30.0  # nmgy, are seen: the wings of a star of magnitude 18.8
_CORE = 32  # pixels: all that is judged of a stamp whose neighbours are not known
_N_SERSIC = {"REX": 1.0, "EXP": 1.0, "DEV": 4.0}
_OF_HOST = (
    "host_id", "ra", "dec", "host_type", "shape_r_arcsec", "shape_e1", "shape_e2",
    *(f"flux_{b}_nmgy" for b in BANDS), *(f"psfsize_{b}_arcsec" for b in BANDS),
    *(f"psfdepth_{b}" for b in BANDS),
)  # fmt: skip
_RECORDED = (
    "task_id", "host_id", "brickname", "ra", "dec", "offset_x_arcsec", "offset_y_arcsec",
    *(f"{name}_{b}" for name in ("psfsize", "psfdepth") for b in BANDS),
)  # fmt: skip


@dataclass(frozen=True)
class RawStamp:
    """A host's raw stamp as it is stored, and what 4c recorded of its frame and PSF."""

    recorded: dict[str, Any]
    raw_hash: str
    pixels: np.ndarray


def close_sky(store: Store, request: RunRequest) -> dict[str, Any]:
    """Compare a sample of raw stamps with the catalogue, publish the table `sky`; counts.

    InputError where a part is missing. A host that cannot be compared is a row with the reason.
    """
    chunks = [ChunkRecord.from_event(record) for record in get_json(store, request.layout.chunks)]
    bricks = sampled_bricks(request.run_id, chunks)
    chunks = [chunk for chunk in chunks if set(chunk.bricks) & set(bricks)]
    chosen = {
        chunk.chunk_id: _chosen(store, request, chunk, set(bricks), max(1, MOST_HOSTS // len(bricks)))
        for chunk in chunks
    }
    hosts = _hosts(store, request, {row["host_id"] for rows in chosen.values() for row in rows})
    progress = Progress("sky closure", sum(map(len, chosen.values())), "hosts")
    compared: list[dict[str, Any]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in chunks:
            catalogues = _Catalogues(
                store, get_json(store, request.layout.receipt(CACHE_PHASE, chunk.chunk_id))
            )
            stamps = _stamps(store, request, chunk, chosen[chunk.chunk_id])
            for row in pool.map(lambda stamp, of=catalogues: _row(stamp, hosts, of), stamps):
                compared.append(row)
                progress.advance()
    table = from_rows(SKY, sorted(compared, key=lambda row: row["host_id"]))
    check_rows(table, SKY, SKY.name, "host_id")
    check_unique(table, SKY.name, "host_id")
    publish(store, request.layout.partition(SKY.name).part(0), to_bytes(table))
    return {"sky_hosts": len(table)}


# ---------------------------------------------------------------- what is looked at


def _chosen(
    store: Store, request: RunRequest, chunk: ChunkRecord, bricks: set[str], most: int
) -> list[dict[str, Any]]:
    """Metrics rows of a chunk, one a host, of at most `most` hosts a brick."""
    metrics = read(*_part(store, request, METRICS, chunk))
    good = metrics.filter(metrics["cutout_ok"]).select(_RECORDED).to_pylist()
    first = {row["host_id"]: row for row in sorted(good, key=lambda row: row["task_id"], reverse=True)}
    by_brick: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(first.values(), key=lambda row: order(request.run_id, row["host_id"])):
        if row["brickname"] in bricks:
            by_brick.setdefault(row["brickname"], []).append(row)
    return [row for rows in by_brick.values() for row in rows[:most]]


def _part(store: Store, request: RunRequest, table: Table, chunk: ChunkRecord) -> tuple[bytes, Table, str]:
    key = request.layout.partition(table.name, chunk.region_split).part(chunk.part)
    return store.get(key), table, store.uri(key)


def _stamps(
    store: Store, request: RunRequest, chunk: ChunkRecord, rows: list[dict[str, Any]]
) -> Iterator[RawStamp]:
    """The raw stamps of some tasks, in the order in which the part holds them."""
    wanted = {row["task_id"]: row for row in rows}
    key = request.layout.partition(STAMPS.name, chunk.region_split).part(chunk.part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stamps.parquet"
        store.download(key, path)
        try:
            with pq.ParquetFile(path, read_dictionary=["raw_image"]) as file:
                for group in range(file.num_row_groups):
                    yield from _of_group(file, group, wanted)
        except (pa.ArrowException, KeyError) as error:
            raise InputError(f"{store.uri(key)}: not a stamps part ({error}); run its chunk again") from error


def _of_group(file: pq.ParquetFile, group: int, wanted: dict[str, dict[str, Any]]) -> Iterator[RawStamp]:
    table = file.read_row_group(group, ["task_id", "n_pix", "raw_hash", "raw_image"], use_threads=False)
    for row in table.filter(pc.is_in(table["task_id"], pa.array(list(wanted), pa.string()))).to_pylist():
        n = row["n_pix"]
        pixels = np.frombuffer(row["raw_image"], "<f4").reshape(len(BANDS), n, n).astype(np.float64)
        yield RawStamp(wanted[row["task_id"]], row["raw_hash"], pixels)


def _hosts(store: Store, request: RunRequest, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """What the host catalogue says of the hosts; columns that it has not are None."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.parquet"
        store.download(request.hosts_key, path)
        with pq.ParquetFile(path, pre_buffer=False) as file:
            there = [name for name in _OF_HOST if name in file.schema_arrow.names]
            found: dict[str, dict[str, Any]] = {}
            for batch in file.iter_batches(columns=there, use_threads=False):
                keep = batch.filter(pc.is_in(batch["host_id"], pa.array(list(wanted), pa.string())))
                found |= {row["host_id"]: {**dict.fromkeys(_OF_HOST), **row} for row in keep.to_pylist()}
    return found


class _Catalogues:
    """The source catalogues of a chunk's bricks, each read once; None where 4b found none."""

    def __init__(self, store: Store, receipt: dict[str, Any]) -> None:
        self._store, self._records = store, receipt.get("catalogues", {})
        self._read: dict[str, np.ndarray | None] = {}

    def of(self, brick: str) -> np.ndarray | None:
        """The rows of a brick's catalogue. ValueError if it is not what 4b cached, or no source catalogue."""
        if brick not in self._read:
            self._read[brick] = self._rows(self._records[brick]) if brick in self._records else None
        return self._read[brick]

    def _rows(self, record: dict[str, Any]) -> np.ndarray:
        content = self._store.get(cache_key(record["path"], record["sha256"]))
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            raise ValueError(f"{record['path']}: changed in the cache since 4b")
        try:
            with fits.open(io.BytesIO(content), memmap=False) as hdus:
                return np.array(hdus[1].data)
        except (OSError, IndexError, AttributeError, TypeError) as error:
            raise ValueError(f"{record['path']}: no FITS table") from error


# ---------------------------------------------------------------- what is compared


def _row(stamp: RawStamp, hosts: dict[str, dict[str, Any]], catalogues: _Catalogues) -> dict[str, Any]:
    recorded = stamp.recorded
    nothing = {**dict.fromkeys(SKY.names), "host_id": recorded["host_id"], "brickname": recorded["brickname"],
               "raw_hash": stamp.raw_hash}  # fmt: skip
    host = hosts.get(recorded["host_id"])
    if host is None:
        return {**nothing, "sky_reason": "no_host"}
    if not all(host[f"psfdepth_{b}"] for b in BANDS):
        return {**nothing, "sky_reason": "no_depth"}
    record = _record_off(recorded, host)
    try:
        rows = catalogues.of(recorded["brickname"])
        sources = (
            [_host_alone(host)]
            if rows is None
            else _around(rows, recorded["host_id"], stamp.pixels.shape[-1])
        )
    except (ValueError, KeyError) as error:
        reason = str(error) if str(error) in ("no_shape", "not_in_catalogue") else "catalogue_unreadable"
        return {**nothing, **_rounded(record), "sky_reason": reason}
    measured = _compared(stamp, host, sources, stamp.pixels.shape[-1] if rows is not None else _CORE)
    told = None if rows is None else len(sources) - 1
    return {**nothing, **_rounded(record | measured), "sky_neighbours": told}


def _record_off(recorded: dict[str, Any], host: dict[str, Any]) -> dict[str, float | None]:
    """How far the run's record of a host is from the catalogue's."""

    def off(name: str, of_catalogue: str) -> float | None:
        told, known = recorded[name], host[of_catalogue]
        return math.log(told / known) if told and known else None

    east = (recorded["ra"] - host["ra"] + 180) % 360 - 180
    north = recorded["dec"] - host["dec"]
    return {
        "sky_position_arcsec": 3600 * math.hypot(east * math.cos(math.radians(host["dec"])), north),
        **{f"sky_depth_{b}": off(f"psfdepth_{b}", f"psfdepth_{b}") for b in BANDS},
        **{f"sky_psf_{b}": off(f"psfsize_{b}", f"psfsize_{b}_arcsec") for b in BANDS},
    }


def _host_alone(host: dict[str, Any]) -> CatalogueSource:
    """The host as the host catalogue has it; ValueError if it has no shape."""
    kind, e1, e2 = host["host_type"], host["shape_e1"], host["shape_e2"]
    if kind not in _N_SERSIC or None in (host["shape_r_arcsec"], e1, e2):
        raise ValueError("no_shape")
    flux = tuple(host[f"flux_{b}_nmgy"] for b in BANDS)
    return CatalogueSource(
        0.0, 0.0, host["shape_r_arcsec"], _N_SERSIC[kind], math.hypot(e1, e2), _angle(e1, e2), flux
    )


def _around(rows: np.ndarray, host_id: str, n_pix: int) -> list[CatalogueSource]:
    """The host and its neighbours on the stamp, the host first, by their pixels in the brick (bx, by).

    ValueError if the host is not in the catalogue, KeyError if a column is not.
    """
    names = {name.lower(): name for name in rows.dtype.names or ()}
    column = {
        name: rows[names[name]]
        for name in ("objid", "bx", "by", "type", "shape_r", "shape_e1", "shape_e2", "sersic")
    }
    column |= {f"flux_{b}": rows[names[f"flux_{b}"]] for b in BANDS}
    kinds = np.char.strip(np.asarray(column["type"]).astype("U4"))
    own = np.flatnonzero((column["objid"] == int(host_id.rpartition("-")[2])) & (kinds != "DUP"))
    if len(own) != 1:
        raise ValueError("not_in_catalogue")
    dx, dy = (column[axis].astype(np.float64) - float(column[axis][own[0]]) for axis in ("bx", "by"))
    outside = np.maximum(np.abs(dx), np.abs(dy)) - n_pix / 2
    bright = np.max([column[f"flux_{b}"] for b in BANDS], axis=0) > _BRIGHT
    seen = (outside < _NEAR) | ((outside < _FAR) & bright)
    near = np.flatnonzero(seen & (kinds != "DUP"))
    near = np.concatenate([own, near[near != own[0]]])
    return [_source(column, int(i), str(kinds[i]), float(dx[i]), float(dy[i])) for i in near]


def _source(column: dict[str, np.ndarray], i: int, kind: str, dx: float, dy: float) -> CatalogueSource:
    e1, e2 = float(column["shape_e1"][i]), float(column["shape_e2"][i])
    radius = 0.0 if kind == "PSF" else float(column["shape_r"][i])
    n = _N_SERSIC.get(kind, float(column["sersic"][i]) or 1.0)
    flux = tuple(float(column[f"flux_{b}"][i]) for b in BANDS)
    return CatalogueSource(
        dx * PIXEL_SCALE, dy * PIXEL_SCALE, radius, n, math.hypot(e1, e2), _angle(e1, e2), flux
    )


def _angle(e1: float, e2: float) -> float:
    """Position angle, east of north, as an angle from +x: north is up and east left on a coadd."""
    return math.atan2(e2, e1) / 2 + math.pi / 2


def _compared(
    stamp: RawStamp, host: dict[str, Any], sources: list[CatalogueSource], n_pix: int
) -> dict[str, float | None]:
    """What the n_pix x n_pix pixels in the stamp's middle show."""
    center = (stamp.recorded["offset_x_arcsec"], stamp.recorded["offset_y_arcsec"])
    sizes = [host[f"psfsize_{b}_arcsec"] or stamp.recorded[f"psfsize_{b}"] for b in BANDS]
    psf = [PsfModel.of_psfsize(size, *_PSF) for size in sizes]
    depths = [host[f"psfdepth_{b}"] for b in BANDS]
    sigma = [1 / math.sqrt(INVVAR_OF_DEPTH * d * s**2) for d, s in zip(depths, sizes, strict=True)]
    edge = (stamp.pixels.shape[-1] - n_pix) // 2
    raw = stamp.pixels[:, edge : edge + n_pix, edge : edge + n_pix]
    predicted = predict(sources, psf, n_pix, PIXEL_SCALE, center)
    found: dict[str, float | None] = {}
    for i, band in enumerate(BANDS):
        if predicted[i].max() > 0:
            found |= _columns(band, fit(raw[i], predicted[i], sigma[i], PIXEL_SCALE))
    lone = len(sources) == 1
    return {**found, "sky_orientation": None if lone else orientation(raw, predicted, sigma)}


def _columns(band: str, one: SkyFit) -> dict[str, float | None]:
    placed = one.place_error < _PLACE_ERROR * max(one.light, _FAINTEST)
    return {
        f"sky_light_{band}": math.log(max(one.light, _FAINTEST)) if one.light_error < _LIGHT_ERROR else None,
        f"sky_x_{band}_arcsec": one.x if placed else None,
        f"sky_y_{band}_arcsec": one.y if placed else None,
        f"sky_left_{band}": one.level,
        f"sky_slope_{band}": one.slope,
        f"sky_scatter_{band}": one.scatter,
    }


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: round(value, _DIGITS) if value is not None and math.isfinite(value) else None
        for name, value in values.items()
    }
