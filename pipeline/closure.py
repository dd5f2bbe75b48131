"""The closure test of a run: a sample of its stamps against the independent renderer of `closure`.

From the manifest, the recorded PSF and the stored stamps alone. The answer is the table `closure`, which
athena_sql/checks/closure.sql judges. Nothing here loads `physics`, and an import contract holds it to that.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from closure import Deviation, Lens, PsfModel, Source, deviation, render
from pipeline.closure_rates import rows_needed
from pipeline.closure_sample import sample
from pipeline.contracts import check_rows
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.parquet import from_rows, read, to_bytes
from pipeline.progress import Progress
from pipeline.schema import BANDS, CLOSURE, MANIFEST, METRICS, STAMPS
from pipeline.storage import RunLayout
from pipeline.store import Store, get_json, publish
from survey.layout import PIXEL_SCALE

_RECORDED = (
    *("psf_kind", "psf_beta", "offset_x_arcsec", "offset_y_arcsec", "magnification"),
    *(f"psfsize_{band}" for band in BANDS),
)


def close_run(store: Store, request: RunRequest) -> dict[str, Any]:
    """Sample a run, render the sample again, publish the table `closure`; counts.

    InputError where a part is missing. A row that cannot be compared is a bad row with the reason.
    """
    needed, _ = rows_needed()
    chunks = [ChunkRecord.from_event(record) for record in get_json(store, request.layout.chunks)]
    chunks = sorted(chunks, key=lambda chunk: _order(request.run_id, chunk.chunk_id))[:needed]
    candidates = [row for chunk in chunks for row in _candidates(store, request.layout, chunk)]
    rows = sample(candidates, needed, request.run_id)
    progress = Progress("closure", len(rows), "rows")
    compared: list[dict[str, Any]] = []
    for chunk in chunks:
        own = {row["task_id"]: row for row in rows if row["chunk_id"] == chunk.chunk_id}
        for stamp in _stamps(store, request.layout, chunk, set(own)):
            compared.append(compare(own.pop(stamp["task_id"]), stamp))
            progress.advance()
        compared += [_incomparable(row, "no_stamp") for row in own.values()]
    compared.sort(key=lambda row: row["task_id"])
    table = from_rows(CLOSURE, compared)
    check_rows(table, CLOSURE, CLOSURE.name, "task_id")
    publish(store, request.layout.partition(CLOSURE.name).part(0), to_bytes(table))
    return {"rows": len(table), "needed": needed}


def compare(row: dict[str, Any], stamp: dict[str, Any]) -> dict[str, Any]:
    """The closure row of a task: `row` is its manifest row with what 4c recorded of the PSF and the frame."""
    if _hash64(stamp["image"]) != stamp["image_hash"] or _hash64(stamp["raw_image"]) != stamp["raw_hash"]:
        return _incomparable(row, "hash_mismatch")
    try:
        images = [_pixels(stamp[name], stamp["n_pix"]) for name in ("image", "raw_image")]
        reference, magnification = _reference(row, stamp["n_pix"])
    except (ValueError, TypeError, ArithmeticError):
        return _incomparable(row, "not_renderable")
    added = images[0] - images[1]
    bands = {band: deviation(added[i], reference[i], PIXEL_SCALE) for i, band in enumerate(BANDS)}
    return {
        **_incomparable(row, None),
        **{name: value for band, one in bands.items() for name, value in _columns(band, one).items()},
        "closure_magnification": row["magnification"] / magnification - 1,
    }


def _reference(row: dict[str, Any], n_pix: int) -> tuple[np.ndarray, float]:
    """What the stamp should have gained, nmgy, shape (band, n_pix, n_pix); and the magnification."""
    lens = Lens(row["theta_e_arcsec"], row["lens_e"], row["lens_phi_rad"], row["shear"], row["shear_phi_rad"])
    source = Source(
        row["src_x_arcsec"], row["src_y_arcsec"], row["src_reff_arcsec"], row["src_n_sersic"],
        row["src_e"], row["src_phi_rad"],
    )  # fmt: skip
    sizes = (row[f"psfsize_{band}"] for band in BANDS)
    psf = tuple(PsfModel.of_psfsize(size, row["psf_kind"], row["psf_beta"]) for size in sizes)
    center = (row["offset_x_arcsec"], row["offset_y_arcsec"])
    images, magnification = render(lens, source, psf, n_pix, PIXEL_SCALE, center)
    fluxes = np.array([row[f"src_flux_{band}_nmgy"] for band in BANDS])
    return images * fluxes[:, None, None], magnification


def _columns(band: str, one: Deviation) -> dict[str, float]:
    return {
        f"closure_flux_{band}": one.flux,
        f"closure_l2_{band}": one.l2,
        f"closure_moment_{band}": one.moment,
        f"closure_centroid_{band}_arcsec": one.centroid,
    }


def _incomparable(row: dict[str, Any], reason: str | None) -> dict[str, Any]:
    """The row's identity and nothing measured."""
    identity = {name: row[name] for name in ("task_id", "brickname", "host_id", "stratum")}
    return {**dict.fromkeys(CLOSURE.names), **identity, "closure_reason": reason}


def _candidates(store: Store, layout: RunLayout, chunk: ChunkRecord) -> list[dict[str, Any]]:
    """The chunk's measured injections: what the manifest asked, and the PSF and frame that 4c recorded."""
    tables = {}
    for table in (MANIFEST, METRICS):
        key = layout.partition(table.name, chunk.region_split).part(chunk.part)
        tables[table.name] = read(store.get(key), table, store.uri(key))
    metrics = tables[METRICS.name]
    metrics = metrics.filter(pc.and_(metrics["cutout_ok"], pc.invert(metrics["is_control"])))
    recorded = {row["task_id"]: row for row in metrics.select(["task_id", *_RECORDED]).to_pylist()}
    return [
        {**row, **recorded[row["task_id"]], "chunk_id": chunk.chunk_id}
        for row in tables[MANIFEST.name].to_pylist()
        if row["task_id"] in recorded
    ]


def _stamps(
    store: Store, layout: RunLayout, chunk: ChunkRecord, wanted: set[str]
) -> Iterator[dict[str, Any]]:
    """The stamps of some tasks; a row group at a time, for a part may be larger than the memory."""
    if not wanted:
        return
    key = layout.partition(STAMPS.name, chunk.region_split).part(chunk.part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stamps.parquet"
        store.download(key, path)
        try:
            with pq.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    ids = file.read_row_group(number, columns=["task_id"], use_threads=False)["task_id"]
                    rows = np.flatnonzero(pc.is_in(ids, pa.array(sorted(wanted))).to_numpy())
                    if len(rows):
                        yield from file.read_row_group(number, use_threads=False).take(rows).to_pylist()
        except pa.ArrowException as error:
            raise InputError(f"{store.uri(key)}: not a stamps part ({error}); run its chunk again") from error


def _pixels(data: bytes, n_pix: int) -> np.ndarray:
    """The bytes of the stamps table as doubles, shape (band, n_pix, n_pix); ValueError for another size."""
    return np.frombuffer(data, "<f4").reshape(len(BANDS), n_pix, n_pix).astype(np.float64)


def _hash64(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _order(seed: str, name: str) -> str:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
