"""The sky closure of a small run: its table, its sample, and what it says where the catalogue fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from pipeline.catalogues import MOST_BRICKS, sampled_bricks
from pipeline.events import CACHE_PHASE, ChunkRecord
from pipeline.schema import BANDS, STAMPS
from pipeline.sky import close_sky
from tests.pipeline.small_run import SmallRun, small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    return small_run(tmp_path_factory.mktemp("sky"))


def again(run: SmallRun) -> pa.Table:
    """The sky table made anew."""
    part = run.folder / "sky/tier=debug/run_id=r1/region_split=all/part-00000.parquet"
    old = part.read_bytes()
    part.unlink()
    try:
        close_sky(run.store, run.request)
        return pq.read_table(part, partitioning=None)
    finally:
        part.unlink(missing_ok=True)
        part.write_bytes(old)


def test_every_host_is_as_the_catalogue_says(run: SmallRun) -> None:
    table = run.table("sky")
    assert sorted(table["host_id"].to_pylist()) == sorted(set(run.table("metrics")["host_id"].to_pylist()))
    assert set(table["sky_reason"].to_pylist()) == {None}
    assert min(table["sky_neighbours"].to_pylist()) > 0
    for band in BANDS:
        assert np.abs(known(table, f"sky_light_{band}")).max() < 0.3
        assert np.abs(known(table, f"sky_left_{band}")).max() < 0.5
        assert 0.7 < np.median(known(table, f"sky_scatter_{band}")) < 1.1
        assert np.abs(known(table, f"sky_psf_{band}")).max() < 1e-6
    stamps = run.table("stamps")
    hashes = dict(zip(stamps["host_id"].to_pylist(), stamps["raw_hash"].to_pylist(), strict=True))
    assert dict(zip(table["host_id"].to_pylist(), table["raw_hash"].to_pylist(), strict=True)) == hashes


def known(table: pa.Table, column: str) -> np.ndarray:
    return table[column].drop_null().to_numpy()


def test_it_is_made_twice_alike(run: SmallRun) -> None:
    assert again(run).equals(run.table("sky"))


def change_pixels(run: SmallRun, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], None]:
    """Other raw pixels in the stored stamps; what puts the old ones back."""
    (path,) = (run.folder / STAMPS.name).rglob("*.parquet")
    old = path.read_bytes()
    table = pq.read_table(path, partitioning=None)
    pixels = [
        change(np.frombuffer(raw, "<f4").reshape(3, n, n)).astype("<f4").tobytes()
        for raw, n in zip(table["raw_image"].to_pylist(), table["n_pix"].to_pylist(), strict=True)
    ]
    place = table.column_names.index("raw_image")
    pq.write_table(table.set_column(place, "raw_image", pa.array(pixels, pa.binary())), path)
    return lambda: path.write_bytes(old) and None


@pytest.mark.parametrize(
    ("change", "column", "low", "high"),
    [
        (lambda raw: np.swapaxes(raw, 1, 2), "sky_orientation", -1.5, 0.0),
        (lambda raw: np.zeros_like(raw), "sky_light_r", -5.0, -2.0),
        (lambda raw: 2 * raw, "sky_light_z", 0.4, 1.0),
        (lambda raw: raw[[2, 1, 0]], "sky_light_z", -3.0, -0.3),
        (lambda raw: np.roll(raw, 1, axis=2), "sky_x_r_arcsec", 0.2, 0.32),
    ],
    ids=["transposed", "blank", "bright", "bands swapped", "a pixel off"],
)
def test_pixels_of_something_else_are_seen(
    run: SmallRun, change: Callable[[np.ndarray], np.ndarray], column: str, low: float, high: float
) -> None:
    put_back = change_pixels(run, change)
    try:
        values = known(again(run), column)
    finally:
        put_back()
    assert len(values)
    assert low < np.median(values) < high


def receipt(run: SmallRun) -> Path:
    return run.store.root / run.request.layout.receipt(CACHE_PHASE, "train-00000")


def with_catalogue(run: SmallRun, record: dict[str, object] | None) -> pa.Table:
    """The table with another record of the brick's catalogue in 4b's receipt; None: with none."""
    path = receipt(run)
    old = path.read_text()
    told = json.loads(old)
    (brick,) = told["catalogues"]
    told["catalogues"] = {brick: {**told["catalogues"][brick], **record}} if record is not None else {}
    path.write_text(json.dumps(told))
    try:
        return again(run)
    finally:
        path.write_text(old)


def test_without_neighbours_the_host_is_judged_alone(run: SmallRun) -> None:
    table = with_catalogue(run, None)
    assert set(table["sky_neighbours"].to_pylist()) == {None}
    assert set(table["sky_orientation"].to_pylist()) == {None}
    assert np.abs(known(table, "sky_light_r")).max() < 0.3


def other_catalogue(run: SmallRun, content: bytes) -> dict[str, object]:
    """A record of another file in the place of the catalogue."""
    import hashlib

    from pipeline.storage import cache_key

    sha256 = hashlib.sha256(content).hexdigest()
    path = run.store.root / cache_key("tractor/x.fits", sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"path": "tractor/x.fits", "sha256": sha256}


def empty_table(tmp_path: Path, names: str = "objid bx by type shape_r shape_e1 shape_e2 sersic") -> bytes:
    columns = [
        fits.Column(name=name, format="4A" if name == "type" else "E", array=[])
        for name in (*names.split(), *(f"flux_{b}" for b in BANDS))
    ]
    path = tmp_path / "empty.fits"
    fits.BinTableHDU.from_columns(columns).writeto(path)
    return path.read_bytes()


def test_a_catalogue_that_does_not_help_is_a_reason(run: SmallRun, tmp_path: Path) -> None:
    assert reasons(with_catalogue(run, {"sha256": "0" * 64, **other_catalogue(run, b"no FITS")})) == {
        "catalogue_unreadable"
    }
    assert reasons(with_catalogue(run, other_catalogue(run, empty_table(tmp_path)))) == {"not_in_catalogue"}
    (tmp_path / "empty.fits").unlink()
    without = other_catalogue(run, empty_table(tmp_path, "objid bx by type"))
    assert reasons(with_catalogue(run, without)) == {"catalogue_unreadable"}


def reasons(table: pa.Table) -> set[str | None]:
    return set(table["sky_reason"].to_pylist())


def test_the_bricks_are_of_few_chunks_and_the_same_for_every_task() -> None:
    chunks = [
        ChunkRecord(f"train-{i:05d}", "train", i, tuple(f"{10 * i + k:04d}p000" for k in range(10)), 100)
        for i in range(30)
    ]
    bricks = sampled_bricks("r1", chunks)
    assert len(bricks) == len(set(bricks)) == MOST_BRICKS
    assert bricks == sampled_bricks("r1", chunks[::-1])
    assert bricks != sampled_bricks("r2", chunks)
    assert sum(bool(set(chunk.bricks) & set(bricks)) for chunk in chunks) == MOST_BRICKS // 10
    assert sorted(sampled_bricks("r1", chunks[:2])) == sorted(b for c in chunks[:2] for b in c.bricks)
