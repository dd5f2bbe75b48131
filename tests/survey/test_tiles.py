"""Layouts of compressed images, and files of some of their tiles, as astropy and cfitsio read them."""

from pathlib import Path

import fitsio
import numpy as np
import pytest
from astropy.io import fits

from survey.errors import BrickError
from survey.fitsfile import check_content
from survey.layout import brick_files
from survey.synthetic.codecs import coadd_bytes
from survey.tiles import FIRST_BYTES, STORAGE, TiledImage, bytes_needed, read_tiles, some_tiles


def head_of(path: Path) -> bytes:
    """The first bytes of a file, asked for in the smallest pieces."""
    content, size = path.read_bytes(), 2880
    while (needed := bytes_needed(content[:size], path)) > size:
        size = needed
    return content[:size]


def kept(path: Path, boxes) -> tuple[TiledImage, list[int], bytes]:
    """A file of the tiles that some boxes touch, made of byte ranges of the whole file."""
    content, head = path.read_bytes(), head_of(path)
    image = read_tiles(head, path)
    tiles = image.touched(boxes)
    pieces = {}
    for start, stop in image.byte_ranges(tiles, gap=100):
        pieces |= image.cut_tiles(tiles, start, content[start:stop])
    assert sorted(pieces) == [tile for tile in tiles if image.stops[tile] > image.starts[tile]]
    return image, tiles, some_tiles(head, image, pieces)


def compare(path: Path, boxes, tmp_path: Path) -> None:
    """The kept tiles hold the pixels they had, to astropy and to cfitsio; the file is whole."""
    image, tiles, content = kept(path, boxes)
    part = tmp_path / "part.fits.fz"
    part.write_bytes(content)
    check_content(part.read_bytes(), part)
    assert len(content) <= path.stat().st_size
    whole = fits.getdata(path, 1)
    with fits.open(part) as hdus, fitsio.FITS(str(part)) as other:
        assert hdus[1].shape == image.shape == whole.shape
        for tile in tiles:
            top, bottom, left, right = image.box_of(tile)
            expected = whole[top:bottom, left:right]
            assert np.array_equal(hdus[1].section[top:bottom, left:right], expected), tile
            assert np.array_equal(other[1][top:bottom, left:right], expected), tile
    again = read_tiles(content, part)
    assert np.flatnonzero(again.stops > again.starts).tolist() == tiles
    assert (again.steps is None) == (image.steps is None)
    assert image.steps is None or np.array_equal(again.steps, image.steps)
    assert np.array_equal(again.storage[tiles], image.storage[tiles])


def test_some_tiles_of_every_kind_of_file(sky, tmp_path):
    boxes = [(90, 154, 130, 194), (400, 460, 440, 470)]  # across tiles; over the upper corner
    for brick in sky.healthy[:2]:
        for relative in brick_files(brick.name):
            compare(sky.folder / relative, boxes, tmp_path)


def test_some_tiles_of_real_files(real_data, tmp_path):
    """invvar-g holds tiles of both columns: quantised ones, and constant ones kept by GZIP."""
    used = set()
    for path in sorted(real_data.glob("desitarget_dr6/legacysurvey-*.fits.fz")):
        compare(path, [(1700, 1780, 40, 130), (3540, 3600, 3540, 3600)], tmp_path)
        image = read_tiles(path.read_bytes()[:FIRST_BYTES], path)
        used.update(image.storage[image.stops > image.starts].tolist())
    assert used == {STORAGE.index("COMPRESSED_DATA"), STORAGE.index("GZIP_COMPRESSED_DATA")}


def test_boxes_touch_the_tiles_that_hold_their_pixels(sky):
    path = sky.folder / brick_files(sky.healthy[0].name)[0]
    image = read_tiles(head_of(path), path)
    rng = np.random.default_rng(8)
    for _ in range(200):
        row, column = rng.integers(-80, 500, 2).tolist()
        box = (row, row + int(rng.integers(1, 200)), column, column + int(rng.integers(1, 200)))
        mask = np.zeros(image.shape, bool)
        mask[max(box[0], 0) : max(box[1], 0), max(box[2], 0) : max(box[3], 0)] = True
        expected = [
            tile
            for tile in range(len(image.starts))
            if mask[
                image.box_of(tile)[0] : image.box_of(tile)[1], image.box_of(tile)[2] : image.box_of(tile)[3]
            ].any()
        ]
        assert image.touched([box]) == expected, box


def test_ranges_are_joined_across_small_gaps(sky):
    path = sky.folder / brick_files(sky.healthy[0].name)[0]
    image = read_tiles(head_of(path), path)
    assert image.byte_ranges([0, 1, 2]) == [(image.starts[0], image.stops[2])]  # they lie side by side
    apart = image.byte_ranges([0, 2])
    assert apart == [(image.starts[0], image.stops[0]), (image.starts[2], image.stops[2])]
    size = int(image.stops[1] - image.starts[1])
    assert image.byte_ranges([2, 0], gap=size - 1) == apart
    assert image.byte_ranges([2, 0], gap=size) == [(image.starts[0], image.stops[2])]


def test_a_tile_cut_in_two_is_not_taken(sky):
    path = sky.folder / brick_files(sky.healthy[0].name)[0]
    content, image = path.read_bytes(), read_tiles(head_of(path), path)
    start, stop = int(image.starts[0]), int(image.stops[1])
    assert list(image.cut_tiles([0, 1, 2], start, content[start:stop])) == [0, 1]
    assert list(image.cut_tiles([0, 1, 2], start, content[start : stop - 1])) == [0]
    assert list(image.cut_tiles([0, 1, 2], start + 1, content[start + 1 : stop])) == [1]
    with pytest.raises(ValueError, match="tile 0 has 3 bytes"):
        some_tiles(head_of(path), image, {0: b"abc"})


def test_the_first_bytes_of_a_full_brick_suffice(tmp_path):
    plane = np.zeros((3600, 3600), np.float32)
    content = coadd_bytes("psfsize", plane, {"SURVEY": "x"})
    assert bytes_needed(content[:FIRST_BYTES], "x") <= FIRST_BYTES


def test_files_of_another_kind(sky, tmp_path):
    path = sky.folder / brick_files(sky.healthy[0].name)[0]
    head = head_of(path)
    head = head[: bytes_needed(head, path)]

    def reason(content: bytes) -> str:
        with pytest.raises(BrickError, match=r"coadd-g: ") as caught:
            read_tiles(content, "coadd-g")
        return caught.value.reason

    assert reason(b"<html>") == "corrupt"
    assert reason(b"") == "truncated"
    assert reason(head[:-1]) == "truncated"
    assert reason(head[:4000]) == "truncated"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 4)))]).writeto(tmp_path / "plain")
    assert reason((tmp_path / "plain").read_bytes()) == "bad_layout"
    assert (
        reason(head.replace(b"ZNAXIS  =                    2", b"ZNAXIS  =                    3"))
        == "bad_layout"
    )
    for card, value in ((b"ZTILE1", b"10"), (b"ZNAXIS1", b"0"), (b"NAXIS1", b"23"), (b"ZNAXIS2", b"x")):
        at = head.index(b"\x20" + card.ljust(8) + b"=") + 1
        assert reason(head[: at + 10] + value.rjust(20) + head[at + 30 :]) == "corrupt", card
    wild = bytearray(head)
    data = read_tiles(head, path).span.data_start
    wild[data : data + 4] = (1 << 30).to_bytes(4, "big")
    assert reason(bytes(wild)) == "corrupt"
