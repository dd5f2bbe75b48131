"""Phase 4c: cut the stamps of a chunk's bricks, add the arcs, measure, write `metrics` and `stamps`.

One Parquet part of each table a chunk. Every manifest row becomes one metrics row: measured, or with the
reason why there is nothing. The receipt is written last and names what was published.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from physics import Psf, matched_filter_snr, peak_snr, render_batch
from physics.render import RenderedBatch
from pipeline import host_light
from pipeline.contracts import check_rows
from pipeline.events import CACHE_PHASE, INJECT_PHASE, ChunkRecord, RunRequest
from pipeline.host_psf import images_of_hosts, psf_of_host
from pipeline.libraries import libraries
from pipeline.manifest import tier_of
from pipeline.noise import effective_gain, noisy, updated_invvar
from pipeline.parquet import from_rows, read, stamps_writer, to_bytes
from pipeline.progress import Progress
from pipeline.schema import BANDS, MANIFEST, METRICS, STAMPS, Table
from pipeline.storage import cache_key
from pipeline.store import Store, get_json, publish, publish_json
from pipeline.tier import Tier
from pipeline.usable import refuse_unusable_run
from survey.coadd import BrickReader, Cutout
from survey.errors import BrickError, CutoutError
from survey.layout import PIXEL_SCALE
from survey.maskbits import BAD_BITS, bit_fractions, flagged, wise_brightmask_fraction

_R = BANDS.index("r")
_COPIED = tuple(name for name in METRICS.names if name in MANIFEST.names)
_MEASURED = tuple(name for name in METRICS.names if name not in MANIFEST.names)
_OF_LIGHT = (
    *("arc_snr", "arc_snr_sky", "arc_peak_snr", "total_injected_flux", "magnification", "flux_in_stamp"),
    *(name for band in BANDS for name in (f"injected_flux_{band}_nmgy", f"gain_{band}")),
)


def inject_chunk(store: Store, request: RunRequest, chunk: ChunkRecord) -> dict[str, Any]:
    """Inject every brick of a chunk and publish its parts; counts.

    InputError for a bad manifest row, and for a run without a usable brick.
    """
    tier, layout = tier_of(request), request.layout
    part_of = {
        table.name: layout.partition(table.name, chunk.region_split).part(chunk.part)
        for table in (MANIFEST, METRICS, STAMPS)
    }
    manifest_key = part_of.pop(MANIFEST.name)
    manifest = read(store.get(manifest_key), MANIFEST, store.uri(manifest_key))
    check_rows(manifest, MANIFEST, store.uri(manifest_key), "task_id")
    cached = get_json(store, layout.receipt(CACHE_PHASE, chunk.chunk_id))["bricks"]
    refuse_unusable_run(store, request, cached)

    progress = Progress(f"4c {chunk.chunk_id}", len(manifest), "rows")
    metrics: list[pa.Table] = []
    with tempfile.TemporaryDirectory() as folder:
        stamps_file = Path(folder) / "stamps.parquet"
        with stamps_writer(stamps_file) as writer:
            tasks_of = {
                brick: manifest.filter(pc.equal(manifest["brickname"], brick)).to_pylist()
                for brick in chunk.bricks
            }
            ahead = _read_ahead(store, cached, tasks_of, tier)
            for brick, (tasks, stamps) in zip(tasks_of, ahead, strict=True):
                result = _inject(tasks, stamps, tier)
                metrics.append(_kept(from_rows(METRICS, result.metrics), METRICS, brick))
                if result.stamps:
                    writer.write_table(_kept(from_rows(STAMPS, result.stamps), STAMPS, brick))
                progress.advance(len(tasks))
        table = pa.concat_tables(metrics)
        hashes = {
            STAMPS.name: store.publish_file(part_of[STAMPS.name], stamps_file),
            METRICS.name: publish(store, part_of[METRICS.name], to_bytes(table)),
        }
    receipt: dict[str, Any] = {
        "rows": len(table),
        "quarantined": Counter(r for r in table["quarantine_reason"].to_pylist() if r),
        "parts": {name: {"key": key, "sha256": hashes[name]} for name, key in part_of.items()},
        "libraries": libraries(),
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
    """A host's cutout with what is measured once, whatever is injected: the frame, the masks, the PSF.

    gain: electrons per nmgy by band, where the tier's light has noise.
    """

    cutout: Cutout
    raw: bytes
    raw_hash: str
    good: np.ndarray
    shared: dict[str, Any]
    psf: Psf
    gain: np.ndarray | None


Stamps = dict[str, HostStamp | str]
"""A stamp for each host, or the reason why it has none."""


def inject_brick(
    store: Store, brick: str, cached: dict[str, Any], tasks: list[dict[str, Any]], tier: Tier
) -> BrickResult:
    """All tasks of a brick. A brick that cannot be read quarantines its tasks with the reason."""
    return _inject(tasks, _read_brick(store, brick, cached, tasks, tier), tier)


def _read_ahead(
    store: Store, cached: dict[str, Any], tasks_of: dict[str, list[dict[str, Any]]], tier: Tier
) -> Iterator[tuple[list[dict[str, Any]], Stamps]]:
    """Each brick's tasks and stamps; a thread fetches and decodes the next brick, and no other, meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as ahead:

        def start(brick: str) -> Future[Stamps]:
            return ahead.submit(_read_brick, store, brick, cached[brick], tasks_of[brick], tier)

        bricks = list(tasks_of)
        reading = start(bricks[0])
        for number, brick in enumerate(bricks, 1):
            stamps = reading.result()
            if number < len(bricks):
                reading = start(bricks[number])
            yield tasks_of[brick], stamps


def _read_brick(
    store: Store, brick: str, cached: dict[str, Any], tasks: list[dict[str, Any]], tier: Tier
) -> Stamps:
    """The stamp of each host of the tasks, or the reason why there is none: the brick's, or its own."""
    reason = cached.get("reason")
    if reason is None:
        try:
            with BrickReader(_fetch(store, brick, cached["files"]), brick, verify=False) as reader:
                return _cut_hosts(reader, tasks, tier, images_of_hosts(store, brick, tier))
        except BrickError as error:
            reason = error.reason
    return {task["host_id"]: reason for task in tasks}


def _fetch(store: Store, brick: str, files: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    """The brick's files from the cache, each read once, their hashes compared with those that 4b recorded."""
    contents = {}
    for survey_path, recorded in files.items():
        content = store.get(cache_key(survey_path, recorded["sha256"]))
        if hashlib.sha256(content).hexdigest() != recorded["sha256"]:
            raise BrickError(
                "hash_mismatch", survey_path, f"the cache of {brick} changed since 4b; run 4b again"
            )
        contents[survey_path] = content
    return contents


def _cut_hosts(
    reader: BrickReader,
    tasks: list[dict[str, Any]],
    tier: Tier,
    psf_images: Callable[[str], np.ndarray | None],
) -> Stamps:
    """A stamp for each host, or the reason why there is none; one pass over the brick's files."""
    positions = {task["host_id"]: (task["ra"], task["dec"]) for task in tasks}
    hosts = list(positions)
    stamps: Stamps = {}
    for index, cutout in reader.cut_all(list(positions.values()), tier.n_pix):
        try:
            if isinstance(cutout, CutoutError):
                raise cutout
            stamps[hosts[index]] = _host_stamp(cutout, tier, psf_images(hosts[index]))
        except CutoutError as error:
            stamps[hosts[index]] = error.reason
    return stamps


def _host_stamp(cutout: Cutout, tier: Tier, psf_images: np.ndarray | None = None) -> HostStamp:
    """The stamp with what is measured once for its host; CutoutError if pixels or PSF cannot be used."""
    for name, pixels in (("image", cutout.image), ("invvar", cutout.invvar)):
        if n_bad := int((~np.isfinite(pixels)).sum()):
            place = f"{cutout.brick}: the stamp at {cutout.ra:.6f}, {cutout.dec:.6f}"
            raise CutoutError("not_finite", f"{place} has {n_bad} pixels of {name} that are no numbers")
    psf, psf_columns = psf_of_host(cutout, tier, psf_images)
    bad = flagged(cutout.maskbits, BAD_BITS, cutout.mask_bits) | (cutout.invvar <= 0).any(axis=0)
    shares = bit_fractions(cutout.maskbits, cutout.mask_bits)
    shared = {
        **{f"psfsize_{b}": float(cutout.psfsize[i]) for i, b in enumerate(BANDS)},
        **psf_columns,
        "bad_pixel_frac": float(bad.mean()),
        "wise_brightmask_frac": wise_brightmask_fraction(cutout.maskbits, cutout.mask_bits),
        **{f"mask_{bit.lower()}_frac": share for bit, share in shares.items()},
        "offset_x_arcsec": cutout.center[0],
        "offset_y_arcsec": cutout.center[1],
        **_of_host(cutout),
    }
    good = ~bad & (cutout.invvar[_R] > 0)
    gain = _gain(cutout) if tier.poisson_noise else None
    raw = _pixels(cutout.image)
    return HostStamp(cutout, raw, _hash64(raw), good, shared, psf, gain)


def _gain(cutout: Cutout) -> np.ndarray:
    """Electrons per nmgy by band; CutoutError where no telescope of the survey has so many or so few."""
    gain = effective_gain(cutout.invvar)
    for band, value in zip(BANDS, gain, strict=True):
        column = METRICS.column(f"gain_{band}")
        if not (column.low or 0) <= value <= (column.high or np.inf):
            raise CutoutError(
                "gain_out_of_range",
                f"{cutout.brick}: gain of {value:.6g} electrons per nmgy in {band} at {cutout.ra:.6f}, "
                f"{cutout.dec:.6f}; {column.low} to {column.high} are known",
            )
    return gain


def _of_host(cutout: Cutout) -> dict[str, float | None]:
    """What the raw stamp shows of the host and of its noise; NULL where it shows nothing."""
    x, y = host_light.centroid(cutout.image[_R], cutout.center)
    bands = [(b, cutout.image[i], cutout.invvar[i]) for i, b in enumerate(BANDS)]
    found = {
        "host_x_arcsec": x,
        "host_y_arcsec": y,
        **{f"sky_noise_{b}": host_light.noise_ratio(image, invvar) for b, image, invvar in bands},
        **{f"sky_level_{b}": host_light.sky_level(image, invvar) for b, image, invvar in bands},
    }
    return {
        **{f"host_core_flux_{b}_nmgy": host_light.core_flux(image) for b, image, _ in bands},
        **{name: value if np.isfinite(value) else None for name, value in found.items()},
    }


def _inject(tasks: list[dict[str, Any]], stamps: Stamps, tier: Tier) -> BrickResult:
    """Render the injections whose host has a stamp in one batch, add, measure; controls stay as they are."""
    there = [(task, stamp) for task in tasks if isinstance(stamp := stamps[task["host_id"]], HostStamp)]
    ready = [(task, stamp) for task, stamp in there if not task["is_control"]]
    result = BrickResult(
        [_quarantined(t, s) for t in tasks if isinstance(s := stamps[t["host_id"]], str)], []
    )
    for task, stamp in there:
        if task["is_control"]:
            result.metrics.append(_measured(task, stamp, stamp.cutout.image, dict.fromkeys(_OF_LIGHT)))
            result.stamps.append(_stamp_row(task, stamp, stamp.cutout.image, tier))
    if ready:
        arcs = _render_all(ready, tier)
        for index, (task, stamp) in enumerate(ready):
            clean = arcs.image[index].astype(np.float32)
            added = clean if stamp.gain is None else noisy(clean, stamp.gain, task["task_seed64"])
            image = stamp.cutout.image + added
            light = _light(stamp, image, arcs.magnification[index], arcs.flux_in_stamp[index, _R])
            light |= _snr(stamp, image, clean)
            result.metrics.append(_measured(task, stamp, image, light))
            result.stamps.append(_stamp_row(task, stamp, image, tier))
    result.metrics.sort(key=lambda row: row["task_id"])
    return result


def _render_all(ready: list[tuple[dict[str, Any], HostStamp]], tier: Tier) -> RenderedBatch:
    """The arcs of all tasks: in one batch, but for the hosts with PSF images, which have one each."""
    batches: dict[str, list[int]] = {}
    for index, (task, stamp) in enumerate(ready):
        batches.setdefault("" if stamp.psf.images is None else task["host_id"], []).append(index)
    parts = [_render([ready[i] for i in batch], tier) for batch in batches.values()]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(list(batches.values())))
    names = ("image", "magnification", "flux_in_stamp")
    return RenderedBatch(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in names))


def _render(ready: list[tuple[dict[str, Any], HostStamp]], tier: Tier) -> RenderedBatch:
    """The arcs of tasks that share the kind of PSF, nmgy per pixel, shape (task, band, n_pix, n_pix)."""
    tasks, stamps = [task for task, _ in ready], [stamp for _, stamp in ready]
    psf = stamps[0].psf

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
        psf_fwhm=np.array([stamp.psf.fwhm for stamp in stamps]) if psf.images is None else None,
        psf_image=psf.images,
        kind=psf.kind,
        beta=psf.beta,
        center_x=np.array([stamp.cutout.center[0] for stamp in stamps]),
        center_y=np.array([stamp.cutout.center[1] for stamp in stamps]),
        n_pix=tier.n_pix,
        pixel_scale=PIXEL_SCALE,
    )


def _light(stamp: HostStamp, image: np.ndarray, magnification: float, in_stamp: float) -> dict[str, Any]:
    """What was added, measured as image minus raw, so that it is the stamp that is judged."""
    added = image.astype(np.float64) - stamp.cutout.image
    flux = [float(band.sum()) for band in added]
    gain = (None,) * len(BANDS) if stamp.gain is None else stamp.gain.tolist()
    return {
        "total_injected_flux": flux[_R],
        **{f"injected_flux_{b}_nmgy": flux[i] for i, b in enumerate(BANDS)},
        **{f"gain_{b}": gain[i] for i, b in enumerate(BANDS)},
        "magnification": float(magnification),
        "flux_in_stamp": float(in_stamp),
        "core_flux_r_nmgy": host_light.core_flux(image[_R]),
    }


def _snr(stamp: HostStamp, image: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """SNR of the added light; where it has noise, of the light alone (its own noise would add to it)."""
    sky = updated = stamp.cutout.invvar[_R]
    if stamp.gain is None:
        signal = image[_R].astype(np.float64) - stamp.cutout.image[_R]
    else:
        signal = clean[_R].astype(np.float64)
        updated = updated_invvar(sky, clean[_R], stamp.gain[_R])
    snr = float(matched_filter_snr(signal, updated, stamp.good))
    return {
        "arc_snr": snr,
        "arc_snr_sky": snr if updated is sky else float(matched_filter_snr(signal, sky, stamp.good)),
        "arc_peak_snr": float(peak_snr(signal, updated, stamp.good)),
    }


def _measured(
    task: dict[str, Any], stamp: HostStamp, image: np.ndarray, light: Mapping[str, float | None]
) -> dict[str, Any]:
    """The metrics row; `light` is that of an injection, or its columns without values in a control."""
    untouched = {"core_flux_r_nmgy": stamp.shared["host_core_flux_r_nmgy"]}
    measured = {**stamp.shared, **untouched, "cutout_ok": True, "quarantine_reason": None, **light}
    numbers = [value for value in measured.values() if isinstance(value, float)]
    measured["metrics_ok"] = bool(np.isfinite(numbers).all() and np.isfinite(image).all())
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
        "raw_hash": stamp.raw_hash,
    }


def _pixels(image: np.ndarray) -> bytes:
    """The bytes of the stamps table: little-endian float32, C order."""
    return np.ascontiguousarray(image, dtype="<f4").tobytes()


def _hash64(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
