"""Phase 4c on synthetic bricks, against oracles that share no code with it.

lenstronomy's rays integrated adaptively for the arcs, astropy for pixels and positions, numpy for metrics.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pipeline import inject
from pipeline.errors import InputError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.inject import inject_brick, inject_chunk
from pipeline.manifest import manifest_rows
from pipeline.parquet import read, to_bytes
from pipeline.schema import BANDS, MANIFEST, METRICS, STAMPS
from pipeline.staging import cache_brick, cache_chunk
from pipeline.storage import cache_key, coadd_psf_key
from pipeline.store import FolderStore, get_json, publish, publish_json
from pipeline.tier import load_tier
from survey.layout import coadd_path
from survey.sources import FolderSource
from tests.physics.oracle import render_oracle
from tests.pipeline.small_run import small_run

SCALE = 0.262
TIER = load_tier("debug")


@pytest.fixture(scope="module")
def result(world):
    tasks = manifest_rows(world.hosts, TIER).to_pylist()
    return inject_brick(world.store, world.names[0], world.cached[world.names[0]], tasks, TIER)


@pytest.fixture(scope="module")
def pairs(world, result):
    """(metrics row, injected, raw) of every task, images in double."""
    stamps = {row["task_id"]: row for row in result.stamps}

    def image(data):
        return np.frombuffer(data, "<f4").reshape(3, 64, 64).astype(np.float64)

    return [
        (row, image(stamps[row["task_id"]]["image"]), image(stamps[row["task_id"]]["raw_image"]))
        for row in result.metrics
    ]


def _pixels(world, kind, band):
    with fits.open(world.sky / coadd_path(kind, world.names[0], band)) as hdus:
        return hdus[1].data.astype(np.float64), WCS(hdus[1].header)


def test_every_task_has_one_row_and_one_stamp(world, result):
    ids = sorted(manifest_rows(world.hosts, TIER)["task_id"].to_pylist())
    assert sorted(row["task_id"] for row in result.metrics) == ids
    assert sorted(row["task_id"] for row in result.stamps) == ids
    assert all(row["cutout_ok"] and row["metrics_ok"] for row in result.metrics)


def test_the_raw_stamp_is_the_coadd_around_the_host(world, pairs):
    for index, band in enumerate(BANDS):
        image, wcs = _pixels(world, "image", band)
        for row, _, raw in pairs[::37]:
            x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
            x0, y0 = (round(float(v - 31.5)) for v in (x, y))
            np.testing.assert_array_equal(raw[index], image[y0 : y0 + 64, x0 : x0 + 64])
            assert row["offset_x_arcsec"] == pytest.approx((x - x0 - 31.5) * SCALE, abs=1e-4)
            assert row["offset_y_arcsec"] == pytest.approx((y - y0 - 31.5) * SCALE, abs=1e-4)


def test_the_host_shines_at_the_origin_of_the_frame(pairs):
    """Offset of the light from (cx, cy), by host: a frame off by half a pixel would show 0.13 arcsec."""
    axis = (np.arange(64) - 31.5) * SCALE
    seen = {row["host_id"]: (row, raw[1]) for row, _, raw in pairs}
    offsets = []
    for row, raw in seen.values():
        x, y = np.meshgrid(axis - row["offset_x_arcsec"], axis - row["offset_y_arcsec"])
        weight = np.where(np.hypot(x, y) < 1.2, raw, 0.0)
        offsets.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.06


@pytest.mark.parametrize(("pick", "band"), [(5, "g"), (60, "r"), (130, "z"), (171, "g")])
def test_what_was_added_is_what_lenstronomy_makes_of_the_manifest(world, pairs, pick, band):
    """Closure: every angle, sign, unit and offset between the manifest and the stamp."""
    row, injected, raw = pairs[pick]

    def q(e):
        return (1 - e) / (1 + e)

    gamma, phi = row["shear"], row["shear_phi_rad"]
    lens = SimpleNamespace(theta_e=row["theta_e_arcsec"], q=q(row["lens_e"]), phi=row["lens_phi_rad"],
                           gamma=gamma, phi_gamma=phi, x=0.0, y=0.0)  # fmt: skip
    source = SimpleNamespace(r_eff=row["src_reff_arcsec"], n_sersic=row["src_n_sersic"],
                             q=q(row["src_e"]),
                             phi=row["src_phi_rad"], x=row["src_x_arcsec"],
                             y=row["src_y_arcsec"])  # fmt: skip
    center = (row["offset_x_arcsec"], row["offset_y_arcsec"])
    fwhm = row[f"psf_fwhm_used_{band}"]
    oracle = render_oracle(lens, source, fwhm, "moffat", row["psf_beta"], center=center)
    expected = oracle.image * row[f"src_flux_{band}_nmgy"]
    difference = (injected - raw)[BANDS.index(band)]
    assert np.abs(difference - expected).max() < 2e-3 * expected.max()
    assert difference.sum() == pytest.approx(expected.sum(), rel=2e-3)
    assert row["magnification"] == pytest.approx(oracle.magnification, rel=1e-3)


def test_the_psf_has_the_noise_equivalent_area_of_the_map_at_the_host(world, pairs):
    """psfsize = 2.355/(2 sqrt(pi)) sqrt(NEA); for a Moffat NEA = pi a^2 (2 beta - 1)/(beta - 1)^2."""
    for band in BANDS:
        psfsize, wcs = _pixels(world, "psfsize", band)
        for row, _, _ in pairs[::50]:
            x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
            at_host = psfsize[round(float(y)), round(float(x))]
            assert row[f"psfsize_{band}"] == pytest.approx(at_host, rel=1e-6)
            a = row[f"psf_fwhm_used_{band}"] / (2 * np.sqrt(2 ** (1 / row["psf_beta"]) - 1))
            area = np.pi * a**2 * (2 * row["psf_beta"] - 1) / (row["psf_beta"] - 1) ** 2
            assert 2.3548 / (2 * np.sqrt(np.pi)) * np.sqrt(area) == pytest.approx(at_host, rel=1e-4)


def test_metrics_are_those_of_the_stamp(world, pairs):
    invvar, wcs = _pixels(world, "invvar", "r")
    for row, injected, raw in pairs[::23]:
        added = injected - raw
        x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
        x0, y0 = (round(float(v - 31.5)) for v in (x, y))
        weight = invvar[y0 : y0 + 64, x0 : x0 + 64]
        assert row["arc_snr"] == pytest.approx(np.sqrt((added[1] ** 2 * weight).sum()), rel=1e-4)
        assert row["arc_peak_snr"] == pytest.approx((added[1] * np.sqrt(weight)).max(), rel=1e-4)
        assert row["total_injected_flux"] == row["injected_flux_r_nmgy"]
        for index, band in enumerate(BANDS):
            assert row[f"injected_flux_{band}_nmgy"] == pytest.approx(added[index].sum(), rel=1e-4)
        expected = row["src_flux_r_nmgy"] * row["magnification"] * row["flux_in_stamp"]
        assert row["total_injected_flux"] == pytest.approx(expected, rel=1e-3)


def test_hashes_are_of_the_stored_bytes_and_differ_in_injections(result):
    for stamp in result.stamps[::30]:
        for name in ("image", "raw"):
            data = stamp["image" if name == "image" else "raw_image"]
            assert stamp[f"{name}_hash"] == hashlib.blake2b(data, digest_size=8).hexdigest()
        assert stamp["image_hash"] != stamp["raw_hash"]


@pytest.mark.parametrize(("index", "reason"), [(1, "hash_mismatch"), (2, "missing_band")])
def test_a_bad_brick_gives_a_reason_for_every_task_and_no_stamp(world, index, reason):
    name = world.names[index]
    assert world.cached[name]["reason"] == reason
    tasks = [row | {"brickname": name} for row in manifest_rows(world.hosts, TIER).to_pylist()]
    result = inject_brick(world.store, name, world.cached[name], tasks, TIER)
    assert [row["task_id"] for row in result.metrics] == sorted(task["task_id"] for task in tasks)
    assert {row["quarantine_reason"] for row in result.metrics} == {reason}
    assert not any(row["cutout_ok"] or row["metrics_ok"] for row in result.metrics)
    assert all(row["magnification"] is None and row["psfsize_r"] is None for row in result.metrics)
    assert not result.stamps


def test_a_host_at_the_edge_is_quarantined_alone(world):
    hosts = world.hosts.to_pylist()
    with fits.open(world.sky / coadd_path("image", world.names[0], "r")) as hdus:
        corner = WCS(hdus[1].header).all_pix2world(5, 200, 0)
    tasks = manifest_rows(world.hosts, TIER).to_pylist()
    for task in tasks:
        if task["host_id"] == hosts[0]["host_id"]:
            task["ra"], task["dec"] = float(corner[0]), float(corner[1])
    result = inject_brick(world.store, world.names[0], world.cached[world.names[0]], tasks, TIER)
    bad = [row for row in result.metrics if not row["cutout_ok"]]
    assert {row["host_id"] for row in bad} == {hosts[0]["host_id"]}
    assert {row["quarantine_reason"] for row in bad} == {"off_edge"}
    assert len(bad) == TIER.n_combinations
    assert len(result.stamps) == len(tasks) - len(bad)


def test_a_cache_that_changed_since_4b_is_noticed(world, tmp_path):
    name = world.names[0]
    store = FolderStore(tmp_path)
    cached = cache_brick(store, FolderSource(world.sky), name)
    path = coadd_path("image", name, "r")
    other = coadd_path("image", name, "g")
    key = cache_key(path, cached["files"][path]["sha256"])
    (store.root / key).write_bytes(store.get(cache_key(other, cached["files"][other]["sha256"])))
    tasks = manifest_rows(world.hosts.slice(0, 1), TIER).to_pylist()
    result = inject_brick(store, name, cached, tasks, TIER)
    assert {row["quarantine_reason"] for row in result.metrics} == {"hash_mismatch"}


@pytest.fixture
def chunk_run(world, tmp_path):
    """A chunk of one good and one bad brick, cached, its manifest part written."""
    store = FolderStore(tmp_path / "bucket")
    request = RunRequest("debug", "run-1", "hosts/x.parquet", world.sky.as_uri())
    good = manifest_rows(world.hosts, TIER)
    bad = [
        row | {"brickname": world.names[2], "task_id": f"bad{i}"} for i, row in enumerate(good.to_pylist())
    ]
    import pyarrow as pa

    rows = pa.concat_tables([good, pa.Table.from_pylist(bad, schema=good.schema)])
    chunk = ChunkRecord("val-00000", "val", 0, (world.names[0], world.names[2]), len(rows))
    publish(store, request.layout.partition("manifest", "val").part(0), to_bytes(rows))
    publish_json(store, request.layout.chunks, [chunk.to_event()])
    cache_chunk(store, request, chunk)
    return store, request, chunk


def test_a_chunk_publishes_its_parts_and_again_changes_nothing(chunk_run):
    store, request, chunk = chunk_run
    first = inject_chunk(store, request, chunk)
    assert first == {"rows": chunk.rows, "quarantined": chunk.rows // 2}
    files = {item.key: store.get(item.key) for item in store.list("runs/")}
    metrics = request.layout.partition(METRICS.name, "val").part(0)
    stamps = request.layout.partition(STAMPS.name, "val").part(0)
    receipt = get_json(store, request.layout.receipt("inject", chunk.chunk_id))
    assert receipt["quarantined"] == {"missing_band": chunk.rows // 2}
    assert receipt["libraries"]["numpy"] == np.__version__
    assert receipt["parts"]["stamps"] == {
        "key": stamps, "sha256": hashlib.sha256(files[stamps]).hexdigest()
    }  # fmt: skip
    assert len(read(files[metrics], METRICS, metrics)) == chunk.rows
    assert inject_chunk(store, request, chunk) == first
    assert {item.key: store.get(item.key) for item in store.list("runs/")} == files


def test_the_next_brick_and_no_other_is_read_while_one_is_worked_on(world, monkeypatch):
    """Each cached file is fetched once; an error of the thread reaches the caller."""
    read, fetched, started = [], Counter(), {name: threading.Event() for name in "abc"}

    def reading(store, brick, *_):
        read.append(brick)
        started[brick].set()
        return {brick: "no_psf"}

    tasks = {name: [{"host_id": name}] for name in "abc"}
    with monkeypatch.context() as patch:
        patch.setattr(inject, "_read_brick", reading)
        ahead = inject._read_ahead(world.store, {name: {} for name in "abc"}, tasks, TIER)
        assert next(ahead) == (tasks["a"], {"a": "no_psf"})
        assert started["b"].wait(10)
        assert read == ["a", "b"]
        assert [stamps for _, stamps in ahead] == [{"b": "no_psf"}, {"c": "no_psf"}]
    good = world.names[0]
    get = world.store.get
    monkeypatch.setattr(world.store, "get", lambda key: fetched.update([key]) or get(key))
    tasks = {good: manifest_rows(world.hosts, TIER).to_pylist()}
    [(_, stamps)] = inject._read_ahead(world.store, world.cached, tasks, TIER)
    assert all(isinstance(stamp, inject.HostStamp) for stamp in stamps.values())
    assert sorted(fetched.values()) == [1] * 10
    with pytest.raises(KeyError):
        list(inject._read_ahead(world.store, {}, tasks, TIER))


def test_raw_cutouts_are_stored_once_a_host(chunk_run):
    store, request, chunk = chunk_run
    inject_chunk(store, request, chunk)
    path = Path(store.root / request.layout.partition(STAMPS.name, "val").part(0))
    group = pq.ParquetFile(path).metadata.row_group(0)
    sizes = {
        group.column(i).path_in_schema: group.column(i).total_compressed_size
        for i in range(group.num_columns)
    }
    assert sizes["raw_image"] < sizes["image"] / 20


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("theta_e_arcsec", 0.0, "theta_e_arcsec is 0.0"), ("lens_e", -0.2, "lens_e is -0.2"),
     ("src_reff_arcsec", -1.0, "src_reff_arcsec is -1.0")],
)  # fmt: skip
def test_an_impossible_manifest_row_is_named_and_nothing_is_written(world, tmp_path, name, value, message):
    """theta_E <= 0; q > 1, which in the manifest's columns is a negative ellipticity."""
    store = FolderStore(tmp_path)
    request = RunRequest("debug", "run-1", "hosts/x.parquet", world.sky.as_uri())
    rows = manifest_rows(world.hosts, TIER)
    values = rows[name].to_pylist()
    values[3] = value
    import pyarrow as pa

    index = rows.schema.get_field_index(name)
    rows = rows.set_column(index, rows.schema.field(name), pa.array(values))
    key = request.layout.partition(MANIFEST.name, "val").part(0)
    publish(store, key, to_bytes(rows))
    chunk = ChunkRecord("val-00000", "val", 0, (world.names[0],), len(rows))
    with pytest.raises(InputError, match=f"{key}: row {rows['task_id'][3]}: {message}"):
        inject_chunk(store, request, chunk)
    assert [item.key for item in store.list("runs/")] == [key]
    assert not store.exists(request.layout.receipt(CACHE_PHASE, chunk.chunk_id))


def test_a_host_with_psf_images_gets_them_and_the_others_a_moffat(world, tmp_path):
    """Two hosts, one of them with images of another width in each band, off their middle in g."""
    tier = replace(TIER, psf=replace(TIER.psf, kind="image"))
    rows = manifest_rows(world.hosts.slice(0, 2), TIER).to_pylist()
    with_images, without = sorted({row["host_id"] for row in rows})
    tasks = [row for host in (with_images, without) for row in rows if row["host_id"] == host][::16]
    store = FolderStore(tmp_path)
    cached = cache_brick(store, FolderSource(world.sky), world.names[0])
    axis = (np.arange(63) - 31) * SCALE
    stars = [
        np.exp(-((axis - dx) ** 2 + axis[:, None] ** 2) / (2 * sigma**2))
        for dx, sigma in ((0.5, 0.4), (0, 0.5), (0, 0.6))
    ]
    hdus = [
        fits.ImageHDU(star / star.sum(), fits.Header({"BAND": b}))
        for b, star in zip("grz", stars, strict=True)
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "psf.fits")
    publish(store, coadd_psf_key(world.names[0], with_images), (tmp_path / "psf.fits").read_bytes())

    got = inject_brick(store, world.names[0], cached, tasks, tier)
    plain = inject_brick(store, world.names[0], cached, tasks, TIER)
    assert [row["task_id"] for row in got.metrics] == sorted(task["task_id"] for task in tasks)
    for row, other in zip(got.metrics, plain.metrics, strict=True):
        if row["host_id"] == without:
            assert row == other
            continue
        assert (row["psf_kind"], row["psf_beta"]) == ("image", None)
        assert {row[f"psf_source_{band}"] for band in BANDS} == {"image"}
        assert [row[f"psf_fwhm_used_{b}"] / 2.3548 for b in BANDS] == pytest.approx([0.4, 0.5, 0.6], rel=1e-3)
        assert row["psfsize_g"] == other["psfsize_g"]
        assert row["magnification"] == pytest.approx(other["magnification"], rel=1e-6)
    shift = {}
    for name, result in (("image", got), ("plain", plain)):
        stamps = [stamp for stamp in result.stamps if stamp["host_id"] == with_images]
        added = [np.frombuffer(s["image"], "<f4") - np.frombuffer(s["raw_image"], "<f4") for s in stamps]
        light = np.array(added).reshape(-1, 3, 64, 64).astype(float)[:, :2].sum(axis=2)
        shift[name] = (light * np.arange(64) * SCALE).sum(axis=2) / light.sum(axis=2)
    moved = shift["image"] - shift["plain"]  # of g and r, arcsec
    assert moved[:, 0] == pytest.approx(0.5, abs=0.02)
    assert moved[:, 1] == pytest.approx(0.0, abs=0.02)


def test_psf_images_that_cannot_be_used_quarantine_their_host(world, tmp_path):
    tier = replace(TIER, psf=replace(TIER.psf, kind="image"))
    tasks = manifest_rows(world.hosts, TIER).to_pylist()[::48]
    store = FolderStore(tmp_path)
    cached = cache_brick(store, FolderSource(world.sky), world.names[0])
    publish(store, coadd_psf_key(world.names[0], tasks[0]["host_id"]), b"<html>")
    got = {row["host_id"]: row["quarantine_reason"] for row in inject_brick(
        store, world.names[0], cached, tasks, tier
    ).metrics}  # fmt: skip
    assert got.pop(tasks[0]["host_id"]) == "bad_psf"
    assert set(got.values()) == {None}


def test_pixels_that_are_no_numbers_are_not_written(tmp_path, monkeypatch):
    real = inject._stamp_row

    def spoiled(task, stamp, image, tier):
        return real(task, stamp, np.where(np.arange(64) == 0, np.float32(np.nan), image), tier)

    monkeypatch.setattr(inject, "_stamp_row", spoiled)
    said = r"stamps of brick \w+: row \w+: image is 49152 bytes, not all of them finite pixels"
    with pytest.raises(InputError, match=said):
        small_run(tmp_path, closure=False)
    assert not list(tmp_path.rglob("stamps/**/*.parquet"))


def test_metrics_are_not_ok_where_a_pixel_is_no_number(world):
    stamps = inject._read_brick(
        world.store, world.names[0], world.cached[world.names[0]],
        tasks := manifest_rows(world.hosts, TIER).to_pylist()[:1], TIER,
    )  # fmt: skip
    stamp = stamps[tasks[0]["host_id"]]
    image = stamp.cutout.image.copy()
    assert inject._measured(tasks[0], stamp, image, {})["metrics_ok"]
    image[2, 5, 5] = np.nan
    assert not inject._measured(tasks[0], stamp, image, {})["metrics_ok"]


def test_a_row_that_breaks_the_contract_is_named_and_nothing_is_published(tmp_path, monkeypatch):
    real = inject.render_batch

    def below_one(**arguments):
        arcs = real(**arguments)
        return replace(arcs, magnification=0.5 * arcs.magnification / arcs.magnification)

    monkeypatch.setattr(inject, "render_batch", below_one)
    with pytest.raises(
        InputError, match=r"metrics of brick \w+: row \w+: magnification is 0.5; .* at least 1"
    ):
        small_run(tmp_path, closure=False)
    assert not list(tmp_path.rglob("metrics/**/*.parquet")) and not list(
        tmp_path.rglob("stamps/**/*.parquet")
    )
