"""Phase 4c: cut the stamps of a chunk's bricks, add the arcs, measure, write `metrics` and `stamps`.

One Parquet part of each table a chunk. Every manifest row becomes one metrics row: measured, or with the
reason why there is nothing. The receipt is written last and names what was published.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from physics import Psf, matched_filter_snr, peak_snr, render_batch
from physics.render import MAX_FWHM_STAMPS, MIN_FWHM_PIXELS
from pipeline import host_light
from pipeline.contracts import check_rows
from pipeline.events import CACHE_PHASE, INJECT_PHASE, ChunkRecord, RunRequest
from pipeline.manifest import tier_of
from pipeline.parquet import arrow_schema, from_rows, read, to_bytes
from pipeline.progress import Progress
from pipeline.schema import BANDS, MANIFEST, METRICS, STAMPS, Table
from pipeline.storage import cache_key
from pipeline.store import Store, get_json, publish, publish_json
from pipeline.tier import Tier
from survey.cache import sha256_of
from survey.coadd import BrickReader, Cutout
from survey.errors import BrickError, CutoutError
from survey.layout import PIXEL_SCALE
from survey.maskbits import BAD_BITS, flagged, wise_brightmask_fraction

_R = BANDS.index("r")
_COPIED = tuple(name for name in METRICS.names if name in MANIFEST.names)
_MEASURED = tuple(name for name in METRICS.names if name not in MANIFEST.names)
_RAW_DICTIONARY = 1 << 28  # bytes: a brick's raw cutouts, each stored once and referred to by its rows


def inject_chunk(store: Store, request: RunRequest, chunk: ChunkRecord) -> dict[str, Any]:
    """Inject every brick of a chunk and publish its parts; counts. InputError for a bad manifest row."""
    tier = tier_of(request)
    layout = request.layout
    manifest_key = layout.partition(MANIFEST.name, chunk.region_split).part(chunk.part)
    manifest = read(store.get(manifest_key), MANIFEST, store.uri(manifest_key))
    check_rows(manifest, MANIFEST, store.uri(manifest_key), "task_id")
    cached = get_json(store, layout.receipt(CACHE_PHASE, chunk.chunk_id))["bricks"]

    progress = Progress(f"4c {chunk.chunk_id}", len(manifest), "rows")
    metrics: list[pa.Table] = []
    with tempfile.TemporaryDirectory() as folder:
        stamps_file = Path(folder) / "stamps.parquet"
        with _stamps_writer(stamps_file) as writer:
            for brick in chunk.bricks:
                tasks = manifest.filter(pc.equal(manifest["brickname"], brick)).to_pylist()
                result = inject_brick(store, brick, cached[brick], tasks, tier)
                metrics.append(_kept(from_rows(METRICS, result.metrics), METRICS, brick))
                if result.stamps:
                    writer.write_table(_kept(from_rows(STAMPS, result.stamps), STAMPS, brick))
                progress.advance(len(tasks))
        parts = {
            METRICS.name: layout.partition(METRICS.name, chunk.region_split).part(chunk.part),
            STAMPS.name: layout.partition(STAMPS.name, chunk.region_split).part(chunk.part),
        }
        table = pa.concat_tables(metrics)
        hashes = {
            STAMPS.name: store.publish_file(parts[STAMPS.name], stamps_file),
            METRICS.name: publish(store, parts[METRICS.name], to_bytes(table)),
        }
    receipt: dict[str, Any] = {
        "rows": len(table),
        "quarantined": Counter(r for r in table["quarantine_reason"].to_pylist() if r),
        "parts": {name: {"key": parts[name], "sha256": hashes[name]} for name in parts},
    }
    publish_json(store, layout.receipt(INJECT_PHASE, chunk.chunk_id), receipt)
    return {"rows": len(table), "quarantined": sum(receipt["quarantined"].values())}


def _kept(rows: pa.Table, table: Table, brick: str) -> pa.Table:
    """The rows, if they keep the schema's contract; InputError names the first that does not."""
    check_rows(rows, table, f"{table.name} of brick {brick}", "task_id")
    return rows


@dataclass(frozen=True)
class BrickResult:
    """Rows of `metrics` (one a task) and of `stamps` (one a task that has pixels)."""

    metrics: list[dict[str, Any]]
    stamps: list[dict[str, Any]]


@dataclass(frozen=True)
class HostStamp:
    """A host's cutout with what is measured once, whatever is injected: the frame, the masks, the PSF."""

    cutout: Cutout
    raw: bytes
    good: np.ndarray
    shared: dict[str, Any]
    fwhm: tuple[float, ...]


def inject_brick(
    store: Store, brick: str, cached: dict[str, Any], tasks: list[dict[str, Any]], tier: Tier
) -> BrickResult:
    """All tasks of a brick. A brick that cannot be read quarantines its tasks with the reason."""
    if "reason" in cached:
        return BrickResult([_quarantined(task, cached["reason"]) for task in tasks], [])
    try:
        with tempfile.TemporaryDirectory() as folder:
            _download(store, brick, cached["files"], Path(folder))
            with BrickReader(Path(folder), brick) as reader:
                stamps = _cut_hosts(reader, tasks, tier)
    except BrickError as error:
        return BrickResult([_quarantined(task, error.reason) for task in tasks], [])
    return _inject(tasks, stamps, tier)


def _download(store: Store, brick: str, files: dict[str, dict[str, Any]], folder: Path) -> None:
    """The brick's files from the cache, their hashes compared with those that 4b recorded."""
    for survey_path, recorded in files.items():
        path = folder / survey_path
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(cache_key(survey_path, recorded["sha256"]), path)
        if sha256_of(path) != recorded["sha256"]:
            raise BrickError(
                "hash_mismatch", path.name, f"the cache of {brick} changed since 4b; run 4b again"
            )


def _cut_hosts(reader: BrickReader, tasks: list[dict[str, Any]], tier: Tier) -> dict[str, HostStamp | str]:
    """A stamp for each host of the tasks, or the reason why there is none."""
    stamps: dict[str, HostStamp | str] = {}
    for task in tasks:
        if task["host_id"] not in stamps:
            try:
                stamps[task["host_id"]] = _host_stamp(reader, task["ra"], task["dec"], tier)
            except CutoutError as error:
                stamps[task["host_id"]] = error.reason
    return stamps


def _host_stamp(reader: BrickReader, ra: float, dec: float, tier: Tier) -> HostStamp | str:
    cutout = reader.cut(ra, dec, tier.n_pix)
    if "none" in cutout.psf_source:
        return "no_psf"
    psf = Psf.from_psfsize(tuple(cutout.psfsize), kind=tier.psf.kind, beta=tier.psf.beta)
    low, high = MIN_FWHM_PIXELS * PIXEL_SCALE, MAX_FWHM_STAMPS * tier.n_pix * PIXEL_SCALE
    if not all(low <= fwhm <= high for fwhm in psf.fwhm):
        return "psf_out_of_range"  # sharper or wider than the renderer is tested for
    bad = flagged(cutout.maskbits, BAD_BITS, reader.mask_bits) | (cutout.invvar <= 0).any(axis=0)
    shared = {
        **{f"psfsize_{b}": float(cutout.psfsize[i]) for i, b in enumerate(BANDS)},
        **{f"psf_source_{b}": cutout.psf_source[i] for i, b in enumerate(BANDS)},
        **{f"psf_fwhm_used_{b}": float(psf.fwhm[i]) for i, b in enumerate(BANDS)},
        "psf_kind": tier.psf.kind,
        "psf_beta": tier.psf.beta,
        "bad_pixel_frac": float(bad.mean()),
        "wise_brightmask_frac": wise_brightmask_fraction(cutout.maskbits, reader.mask_bits),
        "offset_x_arcsec": cutout.center[0],
        "offset_y_arcsec": cutout.center[1],
        **_of_host(cutout),
    }
    good = ~bad & (cutout.invvar[_R] > 0)
    return HostStamp(cutout, _pixels(cutout.image), good, shared, tuple(psf.fwhm))


def _of_host(cutout: Cutout) -> dict[str, float | None]:
    """What the raw stamp shows of the host and of its noise; NULL where it shows nothing."""
    x, y = host_light.centroid(cutout.image[_R], cutout.center)
    noise = {
        f"sky_noise_{b}": host_light.noise_ratio(cutout.image[i], cutout.invvar[i])
        for i, b in enumerate(BANDS)
    }
    found = {"host_x_arcsec": x, "host_y_arcsec": y, **noise}
    return {
        "host_core_flux_r_nmgy": host_light.core_flux(cutout.image[_R]),
        **{name: value if np.isfinite(value) else None for name, value in found.items()},
    }


def _inject(tasks: list[dict[str, Any]], stamps: dict[str, HostStamp | str], tier: Tier) -> BrickResult:
    """Render the tasks whose host has a stamp in one batch, add, measure."""
    ready = [(task, stamp) for task in tasks if isinstance(stamp := stamps[task["host_id"]], HostStamp)]
    result = BrickResult(
        [_quarantined(t, s) for t in tasks if isinstance(s := stamps[t["host_id"]], str)], []
    )
    if ready:
        arcs = _render([task for task, _ in ready], [stamp for _, stamp in ready], tier)
        for index, (task, stamp) in enumerate(ready):
            image = stamp.cutout.image + arcs.image[index].astype(np.float32)
            row = _measured(task, stamp, image, arcs.magnification[index], arcs.flux_in_stamp[index, _R])
            result.metrics.append(row)
            result.stamps.append(_stamp_row(task, stamp, image, tier))
    result.metrics.sort(key=lambda row: row["task_id"])
    return result


def _render(tasks: list[dict[str, Any]], stamps: list[HostStamp], tier: Tier) -> Any:
    """The arcs of all tasks, nmgy per pixel, shape (task, band, n_pix, n_pix)."""

    def column(name: str) -> np.ndarray:
        return np.array([task[name] for task in tasks], dtype=np.float64)

    def axis_ratio(name: str) -> np.ndarray:
        e = column(name)
        return np.asarray((1 - e) / (1 + e))

    zero = np.zeros(len(tasks))
    return render_batch(
        theta_e=column("theta_e_arcsec"),
        q=axis_ratio("lens_e"),
        phi=column("lens_phi_rad"),
        gamma=column("shear"),
        phi_gamma=column("shear_phi_rad"),
        lens_x=zero,  # the mass sits on the host's light
        lens_y=zero,
        flux=np.stack([column(f"src_flux_{band}_nmgy") for band in BANDS], axis=1),
        r_eff=column("src_reff_arcsec"),
        n_sersic=column("src_n_sersic"),
        src_q=axis_ratio("src_e"),
        src_phi=column("src_phi_rad"),
        src_x=column("src_x_arcsec"),
        src_y=column("src_y_arcsec"),
        psf_fwhm=np.array([stamp.fwhm for stamp in stamps]),
        kind=tier.psf.kind,
        beta=tier.psf.beta,
        center_x=np.array([stamp.cutout.center[0] for stamp in stamps]),
        center_y=np.array([stamp.cutout.center[1] for stamp in stamps]),
        n_pix=tier.n_pix,
        pixel_scale=PIXEL_SCALE,
    )


def _measured(
    task: dict[str, Any], stamp: HostStamp, image: np.ndarray, magnification: float, in_stamp: float
) -> dict[str, Any]:
    """The metrics row. Light is measured as image minus raw, so that it is the stamp that is judged."""
    added = image.astype(np.float64) - stamp.cutout.image
    invvar = stamp.cutout.invvar[_R]
    measured = {
        **stamp.shared,
        "cutout_ok": True,
        "quarantine_reason": None,
        "arc_snr": float(matched_filter_snr(added[_R], invvar, stamp.good)),
        "arc_peak_snr": float(peak_snr(added[_R], invvar, stamp.good)),
        "total_injected_flux": float(added[_R].sum()),
        **{f"injected_flux_{b}_nmgy": float(added[i].sum()) for i, b in enumerate(BANDS)},
        "magnification": float(magnification),
        "flux_in_stamp": float(in_stamp),
        "core_flux_r_nmgy": host_light.core_flux(image[_R]),
    }
    numbers = [value for value in measured.values() if isinstance(value, float)]
    measured["metrics_ok"] = bool(np.isfinite(numbers).all())
    return {**{name: task[name] for name in _COPIED}, **measured}


def _quarantined(task: dict[str, Any], reason: str) -> dict[str, Any]:
    nothing = dict.fromkeys(_MEASURED)
    outcome = {"cutout_ok": False, "metrics_ok": False, "quarantine_reason": reason}
    return {**{name: task[name] for name in _COPIED}, **nothing, **outcome}


def _stamp_row(task: dict[str, Any], stamp: HostStamp, image: np.ndarray, tier: Tier) -> dict[str, Any]:
    pixels = _pixels(image)
    return {
        **{name: task[name] for name in ("task_id", "brickname", "host_id", "is_control")},
        "n_pix": tier.n_pix,
        "image": pixels,
        "raw_image": stamp.raw,
        "image_hash": _hash64(pixels),
        "raw_hash": _hash64(stamp.raw),
    }


def _pixels(image: np.ndarray) -> bytes:
    """The bytes of the stamps table: little-endian float32, C order."""
    return np.ascontiguousarray(image, dtype="<f4").tobytes()


def _hash64(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _stamps_writer(path: Path) -> pq.ParquetWriter:
    """Images are noise and do not compress by repetition; raw cutouts repeat once a task of their host."""
    return pq.ParquetWriter(
        path,
        arrow_schema(STAMPS),
        compression="zstd",
        compression_level=1,
        use_dictionary=["raw_image", "brickname", "host_id", "raw_hash"],
        dictionary_pagesize_limit=_RAW_DICTIONARY,
        write_statistics=["task_id", "brickname", "host_id"],
    )
