"""Single tiles against astropy's public reading of the whole file, for every codec that the survey uses."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

from survey import openfile
from survey.errors import BrickError
from survey.layout import brick_files
from survey.tiles import STORAGE, bytes_needed, read_tiles, some_tiles
from survey.wcs import TanWCS
from tests.survey.test_coadd import brick_wcs

CODECS = {
    "dithered, zeros kept": {"compression_type": "RICE_1", "quantize_level": -1e-4, "quantize_method": 2},
    "dithered": {"compression_type": "RICE_1", "quantize_level": 4, "quantize_method": 1},
    "not dithered": {"compression_type": "RICE_1", "quantize_level": 16, "quantize_method": -1},
    "gzip": {"compression_type": "GZIP_1", "quantize_level": 0},
    "gzip shuffled": {"compression_type": "GZIP_2", "quantize_level": 0},
    "gzip shuffled, quantised": {"compression_type": "GZIP_2", "quantize_level": 16, "quantize_method": 1},
    "gzip, quantised": {"compression_type": "GZIP_1", "quantize_level": 16, "quantize_method": 1},
    "hcompress, quantised": {"compression_type": "HCOMPRESS_1", "quantize_level": 16, "quantize_method": 2},
}


def written(tmp_path, pixels, **codec):
    path = tmp_path / "coadd.fits.fz"
    header = fits.Header(brick_wcs().to_header())
    hdu = fits.CompImageHDU(pixels, header, tile_shape=(100, 100), **codec)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def field(kind: type) -> np.ndarray:
    """Noise with a block of zeros, a constant block and a bright spot; the edge tiles are smaller."""
    rng = np.random.default_rng(5)
    pixels = rng.normal(0, 0.003, (250, 230)).astype(np.float32)
    pixels[:120, :110] = 0.0
    pixels[200:, 100:200] = 0.25
    pixels[150, 150] = 900.0
    return pixels if kind is np.float32 else np.rint(pixels * 1000).astype(kind)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("codec", CODECS)
def test_every_quantisation_of_floats(codec, kind, tmp_path):
    path = written(tmp_path, field(np.float32).astype(kind), **CODECS[codec])
    pixels = openfile.open_coadd(path, "image").read()
    expected = fits.getdata(path, 1)
    assert pixels.dtype == kind
    assert pixels.dtype.isnative
    assert np.array_equal(pixels, expected)
    if "zeros" in codec or codec in ("gzip", "gzip shuffled"):
        assert not pixels[:100, :100].any()


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8])
@pytest.mark.parametrize("codec", ["RICE_1", "HCOMPRESS_1", "GZIP_1", "GZIP_2"])
def test_every_codec_of_integers(kind, codec, tmp_path):
    path = written(tmp_path, np.abs(field(np.int32)).clip(0, 200).astype(kind), compression_type=codec)
    pixels = openfile.open_coadd(path, "maskbits").read()
    assert pixels.dtype == kind
    assert np.array_equal(pixels, fits.getdata(path, 1))


def test_tiles_that_no_quantisation_suits(tmp_path):
    """A constant tile is kept as gzipped floats in another column."""
    path = written(tmp_path, field(np.float32), **CODECS["not dithered"])
    image = read_tiles(path.read_bytes(), path)
    assert STORAGE.index("GZIP_COMPRESSED_DATA") in image.storage
    assert np.array_equal(openfile.open_coadd(path, "image").read(), fits.getdata(path, 1))


def test_real_tiles(real_data):
    for path in sorted(real_data.glob("*/legacysurvey-*.fits.fz")):
        coadd = openfile.open_coadd(path, path.name.split("-")[2])
        assert np.array_equal(coadd.read(), fits.getdata(path, 1)), path.name


def test_a_file_of_some_tiles_gives_their_pixels_and_names_the_others(sky):
    path = sky.folder / brick_files(sky.healthy[0].name)[0]
    content, whole = path.read_bytes(), openfile.open_coadd(path, "image")
    image = read_tiles(content[: bytes_needed(content, path)], path)
    tiles = {tile: content[image.starts[tile] : image.stops[tile]] for tile in (3, 7, 24)}
    part = openfile.open_coadd(some_tiles(content, image, tiles), "image", "part")
    assert part.wcs.close_to(whole.wcs)
    for tile in tiles:
        assert np.array_equal(part.tile(tile), whole.tile(tile))
    with pytest.raises(
        BrickError, match=r"part: tile 4 is not in this file; stage the brick again"
    ) as caught:
        part.tile(4)
    assert caught.value.reason == "absent_tile"


def test_other_codecs_and_scaled_numbers_are_refused(tmp_path):
    def refused(path) -> str:
        with pytest.raises(BrickError) as caught:
            openfile.open_coadd(path, "maskbits")
        assert caught.value.reason == "bad_layout"
        return str(caught.value)

    line = refused(written(tmp_path, field(np.int16).clip(0), compression_type="PLIO_1"))
    assert "compressed by 'PLIO_1'" in line
    assert "unpack it with funpack and pack it" in line
    path = written(tmp_path, field(np.int32).clip(0, 9).astype(np.int16), compression_type="RICE_1")
    path.write_bytes(path.read_bytes().replace(b"CRPIX1  = ", b"BSCALE  = "))
    assert "BSCALE" in refused(path)


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_unsigned_integers(kind, codec, tmp_path):
    pixels = np.abs(field(np.int32)) + 40_000
    path = written(tmp_path, pixels.clip(0, 65_535).astype(kind), compression_type=codec)
    assert np.array_equal(openfile.open_coadd(path, "image").read(), fits.getdata(path, 1))


def renamed(path, cards):
    """The file with string cards of HDU 1 changed, bytes in place."""
    content = path.read_bytes()
    for keyword, (old, new) in cards.items():
        card = f"{keyword:8}= '{old}".encode()
        at = content.index(card)
        content = content[:at] + f"{keyword:8}= '{new}'".ljust(80).encode() + content[at + 80 :]
    path.write_bytes(content)


@pytest.mark.parametrize(("codec", "column"), [
    ("GZIP_1", "GZIP_COMPRESSED_DATA"), ("NOCOMPRESS", "UNCOMPRESSED_DATA")
])  # fmt: skip
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint32])
def test_integers_that_the_codec_does_not_suit(kind, codec, column, tmp_path):
    """Tiles in the columns beside COMPRESSED_DATA, as the standard lets a writer put them (10.1.3)."""
    pixels = (np.abs(field(np.int32)) % 20_000 + (0 if kind is np.int16 else 40_000)).astype(kind)
    path = written(tmp_path, pixels, compression_type=codec)
    assert np.array_equal(fits.getdata(path, 1), pixels)
    renamed(path, {"ZCMPTYPE": (codec, "RICE_1"), "TTYPE1": ("COMPRESSED_DATA", column)})
    assert {STORAGE[n] for n in read_tiles(path.read_bytes(), path).storage} == {column}
    assert np.array_equal(openfile.open_coadd(path, "image").read(), pixels)


@pytest.mark.parametrize("place", [0, 1])
def test_images_that_are_not_packed_are_named_so(place, tmp_path):
    path = tmp_path / "coadd.fits.fz"
    hdu = (fits.ImageHDU if place else fits.PrimaryHDU)(field(np.float32))
    fits.HDUList([fits.PrimaryHDU(), hdu] if place else [hdu]).writeto(path)
    with pytest.raises(
        BrickError, match=f"HDU {place} holds an image that is not compressed; .* fpack"
    ) as caught:
        openfile.open_coadd(path, "image")
    assert caught.value.reason == "bad_layout"
    assert "fetch" not in str(caught.value)


def test_threads_do_not_spoil_each_others_pixels(tmp_path):
    """As 4b decodes: four bricks at once."""
    pixels = np.abs(field(np.int32))
    path = written(tmp_path, pixels, compression_type="HCOMPRESS_1")
    coadd = openfile.open_coadd(path, "maskbits")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: coadd.read(), range(40)):
            assert np.array_equal(found, pixels)


def spoiled_once(tmp_path, kind):
    pixels = np.ones((250, 230), np.float32)
    pixels[3, 5] = -1e-3
    return openfile.open_coadd(written(tmp_path, pixels, **CODECS["gzip"]), kind)


def test_a_negative_size_is_refused(tmp_path):
    coadd = spoiled_once(tmp_path, "psfsize")
    assert np.all(coadd.tile(1) == 1)
    for read in (lambda: coadd.tile(0), coadd.check):
        with pytest.raises(BrickError, match="negative psfsize") as caught:
            read()
        assert caught.value.reason == "corrupt"


def test_a_negative_weight_is_none_and_counted(tmp_path):
    coadd = spoiled_once(tmp_path, "invvar")
    assert (coadd.tile(0)[3, 4:7].tolist(), coadd.check(), coadd.check([1])) == ([1, 0, 1], 1, 0)
    assert coadd.read().min() == 0
    image = spoiled_once(tmp_path, "image")
    assert (image.tile(0).min(), image.check()) == (np.float32(-1e-3), 0)


def test_blank_pixels_are_not_pixels(tmp_path):
    pixels = field(np.float32)
    pixels[5, 5] = np.nan
    coadd = openfile.open_coadd(written(tmp_path, pixels, **CODECS["dithered"]), "image")
    assert np.isnan(fits.getdata(tmp_path / "coadd.fits.fz", 1)[5, 5])
    with pytest.raises(BrickError, match="not finite"):
        coadd.tile(0)


def test_the_projection_is_read_without_astropy(tmp_path):
    path = written(tmp_path, field(np.float32), **CODECS["gzip"])
    assert TanWCS.from_header(fits.getheader(path, 1)).close_to(openfile.open_coadd(path, "image").wcs)
