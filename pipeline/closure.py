"""The closure test of a run: a sample of its stamps against the independent renderer of `closure`.

From the manifest, the recorded PSF and the stored stamps alone. The answer is the table `closure`, which
athena_sql/checks/closure.sql judges. Nothing here loads `physics`, and an import contract holds it to that.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from closure import (
    Deviation,
    Lens,
    PsfModel,
    Source,
    arc_snr,
    deviation,
    render,
    snr_loss,
    uniforms,
    without_noise,
)
from pipeline.closure_rates import parts_needed, rows_needed
from pipeline.closure_sample import sample
from pipeline.contracts import check_rows, check_unique, finite_pixels
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.manifest import tier_of
from pipeline.night_sky import INVVAR_OF_DEPTH, SKY
from pipeline.parquet import from_rows, read, to_bytes
from pipeline.progress import Progress
from pipeline.schema import BANDS, CLOSURE, MANIFEST, METRICS, STAMPS, Table
from pipeline.store import Store, get_json, publish
from survey.layout import PIXEL_SCALE

NOT_SAMPLED = "not sampled"
CORE_PIXELS = 10  # as metrics say of their columns; nothing of 4c is asked
_AT_ONCE = 128  # stamps: 13 MB
_CANDIDATES = 60_000  # rows to choose from: some 200 MB as records
_READ = (MANIFEST, METRICS, STAMPS)
_RECORDED = (
    *("psf_kind", "psf_beta", "offset_x_arcsec", "offset_y_arcsec", "magnification"),
    *("arc_snr", "arc_snr_sky", "arc_peak_snr", "core_flux_r_nmgy"),
    *(f"host_core_flux_{band}_nmgy" for band in BANDS),
    *(f"{name}_{band}" for name in ("psfsize", "gain") for band in BANDS),
)


def close_run(store: Store, request: RunRequest) -> dict[str, Any]:
    """Sample a run, render the sample again, publish the table `closure`; counts.

    InputError where a part is missing. A row that cannot be compared is a bad row with the reason.
    """
    share = tier_of(request).closure_share
    layout = request.layout
    chunks = [ChunkRecord.from_event(record) for record in get_json(store, layout.chunks)]
    chunks = sorted(chunks, key=lambda chunk: _order(request.run_id, chunk.chunk_id))[: parts_needed(share)]
    most = _CANDIDATES // max(len(chunks), 1)

    def part(table: Table, chunk: ChunkRecord) -> str:
        return layout.partition(table.name, chunk.region_split).part(chunk.part)

    def narrow(table: Table, chunk: ChunkRecord) -> pa.Table:
        return read(store.get(part(table, chunk)), table, store.uri(part(table, chunk)))

    candidates: list[dict[str, Any]] = []
    chunk_of: dict[str, ChunkRecord] = {}
    for chunk in chunks:
        found = _candidates(narrow(MANIFEST, chunk), narrow(METRICS, chunk))
        found = sorted(found, key=lambda row: _order(request.run_id, row["task_id"]))[:most]
        candidates += found
        chunk_of.update({row["task_id"]: chunk for row in found})

    def stamps(wanted: set[str]) -> Iterator[dict[str, Any]]:
        for chunk in chunks:
            own = {task for task in wanted if chunk_of[task] == chunk}
            if own:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "stamps.parquet"
                    store.download(part(STAMPS, chunk), path)
                    yield from _stamps(path, own, store.uri(part(STAMPS, chunk)))

    needed, _ = rows_needed(share)
    table = _closed(candidates, stamps, needed, request.run_id)
    publish(store, layout.partition(CLOSURE.name).part(0), to_bytes(table))
    return {"rows": len(table), "needed": needed}


def close_folder(folder: Path, run_id: str, share: float) -> pa.Table:
    """The table `closure` of any folder that holds manifest/, metrics/ and stamps/ Parquet; InputError.

    share: the weakest defect that must be found, as a tier states it.
    """
    parts = {table.name: sorted((folder / table.name).rglob("*.parquet")) for table in _READ}
    some = sorted(parts[METRICS.name], key=lambda path: _order(run_id, path.relative_to(folder).as_posix()))
    some = some[: parts_needed(share)]
    metrics = pa.concat_tables(read(path.read_bytes(), METRICS, str(path)) for path in some)
    rows: list[dict[str, Any]] = []
    for path in parts[MANIFEST.name]:
        rows += _candidates(read(path.read_bytes(), MANIFEST, str(path)), metrics)

    def stamps(wanted: set[str]) -> Iterator[dict[str, Any]]:
        for path in parts[STAMPS.name]:
            yield from _stamps(path, wanted, str(path))

    return _closed(rows, stamps, rows_needed(share)[0], run_id)


def _closed(
    candidates: list[dict[str, Any]],
    stamps: Callable[[set[str]], Iterator[dict[str, Any]]],
    n: int,
    seed: str,
) -> pa.Table:
    """The table `closure` of n of the candidates, and of whatever stamps beside them are damaged.

    stamps: gives all rows of the parts that hold some tasks.
    """
    rows = sample(candidates, n, seed)
    progress = Progress("closure", len(rows), "rows")
    left = {row["task_id"]: row for row in rows}
    sampled = set(left)
    damaged: dict[str, dict[str, Any]] = {}
    compared: list[dict[str, Any]] = []
    running = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # transforms and ufuncs let other threads run
        for stamp in stamps(sampled):
            row = left.pop(stamp["task_id"], None)
            if row is not None:
                running.append(pool.submit(compare, row, stamp))
            elif stamp["task_id"] not in sampled and (reason := _damage(stamp)):
                damaged[stamp["task_id"]] = _incomparable({**stamp, "stratum": NOT_SAMPLED}, reason)
        for future in running:
            compared.append(future.result())
            progress.advance()
    compared += [*(_incomparable(row, "no_stamp") for row in left.values()), *damaged.values()]
    compared.sort(key=lambda row: row["task_id"])
    table = from_rows(CLOSURE, compared)
    check_rows(table, CLOSURE, CLOSURE.name, "task_id")
    check_unique(table, CLOSURE.name, "task_id")
    return table


def compare(row: dict[str, Any], stamp: dict[str, Any]) -> dict[str, Any]:
    """The closure row of a task: `row` is its manifest row with what 4c recorded of the PSF and the frame."""
    if reason := _damage(stamp):
        return _incomparable(row, reason)
    try:
        images = [_pixels(stamp[name], stamp["n_pix"]) for name in ("image", "raw_image")]
        reference, magnification = _reference(row, stamp["n_pix"])
        added = _denoised(row, images[0] - images[1], images[0], reference)
        measured = {
            name: value
            for i, band in enumerate(BANDS)
            for name, value in _columns(band, deviation(added[i], reference[i], PIXEL_SCALE)).items()
        }
        measured["closure_magnification"] = row["magnification"] / magnification - 1
        measured["closure_core"] = _core_off(row, *images)
        noise = {
            f"closure_noise_{band}": _unexplained(row, i, added, reference) for i, band in enumerate(BANDS)
        }
        noise["closure_snr_loss"] = _snr_loss(row, reference)
        snr = _snr(row, reference)
    except (ValueError, TypeError, ArithmeticError):
        return _incomparable(row, "not_renderable")
    return {**_incomparable(row, None), **measured, **noise, **snr}


def _damage(stamp: dict[str, Any]) -> str | None:
    """Why the pixels of a stamp cannot be those that 4c made; None if they can."""
    for pixels, told in ((stamp["image"], stamp["image_hash"]), (stamp["raw_image"], stamp["raw_hash"])):
        if _hash64(pixels) != told:
            return "hash_mismatch"
        if not finite_pixels(pixels):
            return "not_finite"
    return None


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
    if not np.all(fluxes > 0):
        raise ValueError(f"source fluxes are {fluxes}")
    return images * fluxes[:, None, None], magnification


def _core_off(row: dict[str, Any], image: np.ndarray, raw: np.ndarray) -> float:
    """The recorded light in the middle less that of the pixels, over their absolute sum; the worst."""
    first = (image.shape[-1] - CORE_PIXELS) // 2
    core = slice(first, first + CORE_PIXELS)
    told = [(row["core_flux_r_nmgy"], image[BANDS.index("r"), core, core])]
    told += [(row[f"host_core_flux_{band}_nmgy"], raw[i, core, core]) for i, band in enumerate(BANDS)]
    off = [(recorded - float(pixels.sum())) / float(np.abs(pixels).sum()) for recorded, pixels in told]
    return float(max(off, key=abs))


def _denoised(row: dict[str, Any], added: np.ndarray, image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The added light less its Poisson noise, if it has any, shape (band, n_pix, n_pix).

    The noise is a function of the light and of numbers that the manifest fixes, so it is predicted pixel by
    pixel, by other code than 4c's: the bounds stay those of noiseless light. Tests in units of the noise
    would let through what it hides in one row (1 to 3 % of the flux), as most of the known bugs do.
    """
    if all(row[f"gain_{band}"] is None for band in BANDS):
        return added
    u = uniforms(row["task_seed64"], len(BANDS), image.shape[-1])
    rounding = np.spacing(np.abs(image).astype(np.float32)).astype(np.float64)
    clean = [
        without_noise(added[i], reference[i], row[f"gain_{band}"], u[i], rounding[i])
        for i, band in enumerate(BANDS)
    ]
    return np.stack(clean)


def _unexplained(row: dict[str, Any], band: int, clean: np.ndarray, reference: np.ndarray) -> float | None:
    """What `_denoised` left of one band, squared, over the noise's variance; None without noise."""
    gain = row[f"gain_{BANDS[band]}"]
    if gain is None:
        return None
    return float(gain * ((clean[band] - reference[band]) ** 2).sum() / reference[band].sum())


def _snr_loss(row: dict[str, Any], reference: np.ndarray) -> float | None:
    """What the light's noise took of its SNR in r (ln), over what it should, minus 1.

    None without noise, and of an arc that no good pixel sees.
    """
    if row["gain_r"] is None or row["arc_snr_sky"] == 0:
        return None
    r = BANDS.index("r")
    return math.log(row["arc_snr_sky"] / row["arc_snr"]) / snr_loss(reference[r], SKY["r"]) - 1


def _snr(row: dict[str, Any], reference: np.ndarray) -> dict[str, float | None]:
    """The recorded SNRs in r over those of the reference, ln; None where either is 0 or unknown.

    The pixels' inverse variance is the catalogue's, from psfdepth and psfsize: not the one that 4c read.
    """
    r = BANDS.index("r")
    invvar = INVVAR_OF_DEPTH * (row["psfdepth_r"] or 0.0) * row["psfsize_r"] ** 2
    expected = arc_snr(reference[r], invvar, None if row["gain_r"] is None else SKY["r"])
    told = {"arc_snr": expected[0], "arc_peak_snr": expected[1]}
    return {
        f"closure_{name}": math.log(row[name] / value) if row[name] and value > 0 else None
        for name, value in told.items()
    }


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


def _candidates(manifest: pa.Table, metrics: pa.Table) -> list[dict[str, Any]]:
    """The measured injections of both: what the manifest asked, and the PSF and frame that 4c recorded.

    Without those that were convolved with a user's image of the PSF: the reference has none.
    """
    good = pc.and_(metrics["cutout_ok"], metrics["metrics_ok"])
    injected = pc.and_(good, pc.invert(metrics["is_control"]))
    by_image = pc.fill_null(pc.equal(metrics["psf_kind"], "image"), False)
    metrics = metrics.filter(pc.and_not(injected, by_image))
    recorded = {row["task_id"]: row for row in metrics.select(["task_id", *_RECORDED]).to_pylist()}
    manifest = manifest.filter(pc.is_in(manifest["task_id"], pa.array(list(recorded), pa.string())))
    return [{**row, **recorded[row["task_id"]]} for row in manifest.to_pylist()]


def _stamps(path: Path, wanted: set[str], name: str) -> Iterator[dict[str, Any]]:
    """All stamps of a part that holds some of the tasks; some at a time, for it may exceed the memory."""
    try:
        with pq.ParquetFile(path) as file:
            ids = file.read(columns=["task_id"], use_threads=False)["task_id"]
            if not pc.any(pc.is_in(ids, pa.array(sorted(wanted), pa.string()))).as_py():
                return
            for batch in file.iter_batches(_AT_ONCE, use_threads=False):
                yield from batch.select(STAMPS.names).to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise InputError(f"{name}: not a stamps part ({error}); run its chunk again") from error


def _pixels(data: bytes, n_pix: int) -> np.ndarray:
    """The bytes of the stamps table as doubles, shape (band, n_pix, n_pix); ValueError for another size."""
    return np.frombuffer(data, "<f4").reshape(len(BANDS), n_pix, n_pix).astype(np.float64)


def _hash64(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _order(seed: str, name: str) -> str:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
