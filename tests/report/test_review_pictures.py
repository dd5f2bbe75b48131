"""Stamps as pictures: orientation, colours, which are chosen, what is read of them, the README's strip."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import InputError
from report import hero_image
from report.cards import build_gallery, ring_of
from report.folder import Frame, count_table, read_table
from report.gallery import WORST, Pick, choose, index_stamps, read_pairs
from report.hero import COLUMNS
from report.pictures import colours, difference, gain_of, png, stretched_grey
from report.stats import group_values


def spot(row: int, column: int, band: int | None = None) -> np.ndarray:
    stamp = np.zeros((3, 16, 16), dtype=np.float32)
    stamp[slice(None) if band is None else band, row, column] = 0.5
    return stamp


def test_row_0_is_at_the_bottom_and_column_0_at_the_left() -> None:
    picture = np.asarray(Image.open(io.BytesIO(png(colours(spot(1, 2))))))
    assert np.unravel_index(picture.sum(axis=2).argmax(), (16, 16)) == (16 - 1 - 1, 2)


@pytest.mark.parametrize(("band", "channel"), [(0, 2), (1, 1), (2, 0)])
def test_g_r_z_are_blue_green_red(band: int, channel: int) -> None:
    picture = colours(spot(8, 8, band))
    assert picture[16 - 1 - 8, 8].argmax() == channel


def test_the_stretch_is_monotonic_and_survives_nan_and_negative_pixels() -> None:
    flux = np.linspace(-0.05, 2, 256, dtype=np.float32).reshape(16, 16)
    grey = colours(np.stack([flux / 6, flux / 3.4, flux / 2.2]))[::-1].astype(int).sum(axis=2).ravel()
    assert (np.diff(grey) >= 0).all()
    stamp = spot(8, 8)
    stamp[:, 0, 0] = np.nan
    assert colours(stamp).dtype == np.uint8


def test_a_difference_of_nothing_is_black() -> None:
    picture, gain = difference(spot(8, 8), spot(8, 8), 7.0), gain_of(spot(8, 8), spot(8, 8))
    assert picture.max() == 0
    assert gain == 1


def test_a_faint_difference_is_brightened_and_the_gain_told() -> None:
    raw = spot(8, 8)
    added = np.zeros_like(raw)
    added[:, 3, 4] = 0.004
    gain = gain_of(raw + added, raw)
    picture = difference(raw + added, raw, gain)
    assert gain > 1
    assert picture[16 - 1 - 3, 4].max() > 60
    assert picture[16 - 1 - 8, 8].max() == 0


def picked(run: Path, l2: np.ndarray) -> tuple[Frame, list[Pick], np.ndarray]:
    """The metrics, what is chosen of them, and each row's group of theta_E."""
    metrics = read_table(run, "metrics", COLUMNS).frame
    theta = group_values(metrics.numbers("theta_e_arcsec"))
    return metrics, choose(metrics, theta, index_stamps(run), l2), theta.index


def test_both_ends_the_median_and_the_faintest_detected_are_chosen(go_run: Path) -> None:
    metrics, picks, groups = picked(go_run, np.full(288, np.nan))
    snr = metrics.numbers("arc_snr")
    for group in range(3):
        own = np.sort(snr[(groups == group) & np.isfinite(snr)])
        by_role = {p.role: snr[p.metrics_row] for p in picks if p.group == group}
        assert by_role["brightest"] == own[-1]
        assert by_role["median"] == own[len(own) // 2]
        assert by_role["faintest detected"] == own[own >= 5][0]
        assert by_role["faintest"] == own[0] < 5
        assert WORST not in by_role
    assert len({p.metrics_row for p in picks}) == len(picks)


def test_the_worst_by_closure_is_the_first_folded_card_and_gives_its_deviation(go_run: Path) -> None:
    l2 = np.full(288, np.nan)
    metrics, *_ = picked(go_run, l2)
    good = np.flatnonzero(~metrics.flags("is_control") & np.isfinite(metrics.numbers("arc_snr")))
    l2[good[:9]] = 1e-4, 2e-4, 3e-4, 0.271, 0.312, 0.293, 1e-4, 2e-4, 3e-4
    l2[np.flatnonzero(~np.isfinite(metrics.numbers("arc_snr")))] = 9.0  # no stamp to be shown
    _, picks, groups = picked(go_run, l2)
    worst = [p.metrics_row for p in picks if p.role == WORST]
    assert sorted(worst) == good[3:6].tolist()
    assert sorted(groups[worst]) == [0, 1, 2]
    table = read_table(go_run, "metrics", COLUMNS)
    theta = group_values(table.frame.numbers("theta_e_arcsec"))
    gallery = build_gallery(go_run, table, theta, count_table(go_run, "stamps"), l2)
    first = [dict(shelf.more[0].facts)["closure"] for shelf in gallery.shelves[:3]]
    assert sorted(first) == ["0.271", "0.293", "0.312"]
    assert gallery.notes == ()


def test_all_differences_of_a_shelf_are_scaled_alike_and_the_scale_is_stated(go_run: Path) -> None:
    table = read_table(go_run, "metrics", COLUMNS)
    theta = group_values(table.frame.numbers("theta_e_arcsec"))
    gallery = build_gallery(go_run, table, theta, count_table(go_run, "stamps"), np.full(288, np.nan))
    for shelf in gallery.shelves:
        told = {card.panels[2].name for card in (*shelf.cards, *shelf.more)}
        assert told == {f"difference, ×{shelf.gain:g}" if shelf.gain != 1 else "difference"}
    greys = [grey for _, grey in gallery.scale]
    assert greys == sorted(greys)
    for flux, grey in gallery.scale:  # the scale is that of the pictures
        flat = (
            np.full((3, 2, 2), 1.0, np.float32) * np.array([3.4 / 6.0, 1.0, 3.4 / 2.2])[:, None, None] * flux
        )
        assert colours(flat.astype(np.float32))[0, 0] == pytest.approx(255 * grey, abs=1)
    assert stretched_grey(1e9) == 1.0


def test_a_gallery_of_some_files_says_so(go_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.gallery.MOST_FILES", 2)
    table = read_table(go_run, "metrics", COLUMNS)
    theta = group_values(table.frame.numbers("theta_e_arcsec"))
    gallery = build_gallery(go_run, table, theta, count_table(go_run, "stamps"), np.full(288, np.nan))
    assert gallery.notes[0].startswith("Stamps were looked for in 2 of 3 files")


def test_the_stamps_read_are_those_of_the_rows_chosen(go_run: Path) -> None:
    index = index_stamps(go_run)
    places = [index.place(i) for i in (0, 40, 100, len(index) - 1)]
    pairs = read_pairs(index, places)
    for position, place in zip((0, 40, 100, len(index) - 1), places, strict=True):
        part = pq.ParquetFile(index.files[place.file]).read(columns=["task_id", "image"])
        at = part["task_id"].to_pylist().index(index.task_ids[position].as_py())
        assert part["image"][at].as_py() == pairs[place][0].tobytes()


def test_only_the_chosen_row_groups_are_read(go_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []
    original = pq.ParquetFile.iter_batches

    def spy(self: pq.ParquetFile, *args: object, **options: object) -> object:
        read.append((str(options["row_groups"]), *options["columns"]))  # type: ignore[misc]
        return original(self, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    index = index_stamps(go_run)
    read_pairs(index, [index.place(0), index.place(1), index.place(50)])
    assert read == [("[0]", "n_pix", "image", "raw_image"), ("[1]", "n_pix", "image", "raw_image")]


def test_stamps_of_a_wrong_size_are_stated(fresh_run: Callable[..., Path]) -> None:
    run = fresh_run()
    for part in (run / "stamps").rglob("*.parquet"):
        table = pq.ParquetFile(part).read()
        at = table.column_names.index("n_pix")
        column = [[65] * table.num_rows]
        pq.write_table(table.set_column(at, "n_pix", column), part)
    metrics = read_table(run, "metrics", COLUMNS)
    theta = group_values(metrics.frame.numbers("theta_e_arcsec"))
    gallery = build_gallery(
        run, metrics, theta, count_table(run, "stamps"), np.full(len(metrics.frame), np.nan)
    )
    assert gallery.shelves == ()
    assert gallery.notes[0].startswith("The stamps cannot be shown:")


def test_the_ring_lies_on_the_host_with_y_counted_from_the_northern_edge() -> None:
    row = {"theta_e_arcsec": [0.524], "offset_x_arcsec": [0.131], "offset_y_arcsec": [0.262]}
    assert ring_of(Frame(pa.table(row)), 64) == pytest.approx((32.5, 31.0, 2.0))
    assert ring_of(Frame(pa.table({"theta_e_arcsec": pa.array([None], pa.float64())})), 64) is None


def test_hero_image_is_a_small_picture(go_run: Path, tmp_path: Path) -> None:
    out = hero_image(go_run, tmp_path / "hero.png")
    assert out.stat().st_size < 300_000
    with Image.open(out) as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 30
    assert [p.name for p in tmp_path.iterdir()] == ["hero.png"]


def test_hero_image_without_stamps_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no injected stamps"):
        hero_image(tmp_path, tmp_path / "hero.png")
