"""Stamps from synthetic files, and from files made of real pixels."""

import pickle
from pathlib import Path

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import maximum_filter

from survey import openfile
from survey.bricks import brick_named
from survey.coadd import BrickReader, Cutout
from survey.errors import BrickError, CutoutError
from survey.layout import BANDS, PIXEL_SCALE, brick_files, coadd_path
from survey.strip import Strip
from survey.synthetic.codecs import coadd_bytes, maskbits_bytes
from survey.wcs import TanWCS
from tests.survey.conftest import cut_many

NAME = "0591m305"


def write_brick(
    folder: Path, planes: dict[str, np.ndarray], wcs: TanWCS, mask: np.ndarray | None = None
) -> Path:
    """Write the ten files of a brick from (3, rows, columns) planes of image, invvar and psfsize."""
    shape = planes["image"].shape[1:]
    mask = np.zeros(shape, np.int32) if mask is None else mask
    wise = (np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    contents = {coadd_path("maskbits", NAME): maskbits_bytes(mask, wise, wcs.to_header())}
    for kind, bands in planes.items():
        for band, plane in zip(BANDS, bands, strict=True):
            contents[coadd_path(kind, NAME, band)] = coadd_bytes(
                kind, np.ascontiguousarray(plane, np.float32), wcs.to_header()
            )
    for relative, content in contents.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def flat_planes(pixels: int = 200) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "image": rng.normal(0, 0.003, (3, pixels, pixels)),
        "invvar": rng.uniform(0.9e5, 1.1e5, (3, pixels, pixels)),
        "psfsize": np.full((3, pixels, pixels), 1.3),
    }


def brick_wcs(pixels: int = 200) -> TanWCS:
    brick = brick_named(NAME)
    return TanWCS(brick.ra, brick.dec, (pixels - 1) / 2, (pixels - 1) / 2)


def test_pixels_are_fitsios(sky):
    for brick in sky.healthy:
        for relative in brick_files(brick.name):
            path = sky.folder / relative
            kind = relative.split("-")[1].split(".")[0]
            pixels = openfile.open_coadd(path, kind).read()
            expected = fitsio.read(path, ext=1)
            assert pixels.dtype == expected.dtype
            assert np.array_equal(pixels, expected), relative


def test_real_pixels_are_fitsios(real_data):
    for path in sorted(real_data.glob("desitarget_dr6/legacysurvey-*-i*.fits.fz")):
        kind = path.name.split("-")[2]
        coadd = openfile.open_coadd(path, kind)
        assert coadd.shape == (3600, 3600)
        assert np.array_equal(coadd.read(), fitsio.read(path, ext=1)), path.name


@pytest.mark.parametrize("n_pix", [64, 65, 96, 101])
def test_the_frames_origin_is_the_host(sky, n_pix):
    """The stamp's pixel at x = 0, y = 0 is the host, whichever the sub-pixel offset and the parity."""
    brick = sky.healthy[0]
    with BrickReader(sky.folder, brick.name) as reader:
        wcs = reader.wcs
        whole = fitsio.read(sky.folder / coadd_path("image", brick.name, "r"), ext=1)
        for x_pix, y_pix in ((200.0, 210.0), (199.51, 210.49), (230.25, 180.7)):
            ra, dec = (float(v) for v in wcs.to_sky(x_pix, y_pix))
            stamp = reader.cut(ra, dec, n_pix)
            assert (stamp.x_pix, stamp.y_pix) == pytest.approx((x_pix, y_pix), abs=1e-5)
            assert max(abs(c) for c in stamp.center) <= PIXEL_SCALE / 2 + 1e-6
            column = stamp.center[0] / PIXEL_SCALE + (n_pix - 1) / 2
            row = stamp.center[1] / PIXEL_SCALE + (n_pix - 1) / 2
            left, bottom = round(x_pix - column), round(y_pix - row)
            assert (left + column, bottom + row) == pytest.approx((x_pix, y_pix), abs=1e-5)
            assert np.array_equal(stamp.image[1], whole[bottom : bottom + n_pix, left : left + n_pix])


def test_a_stamp_holds_what_the_files_hold(tmp_path):
    planes = flat_planes()
    mask = np.zeros((200, 200), np.int16)
    mask[100, 90] = 2
    write_brick(tmp_path, planes, brick_wcs(), mask)
    brick = brick_named(NAME)
    with BrickReader(tmp_path, NAME) as reader:
        stamp = reader.cut(brick.ra, brick.dec, 64)
    window = np.s_[:, 68:132, 68:132]
    assert stamp.center == pytest.approx((0.0, 0.0), abs=1e-6)
    assert np.abs(stamp.image - planes["image"][window]).max() <= 0.5001e-4
    assert np.allclose(stamp.invvar, planes["invvar"][window], rtol=0.02)
    assert (stamp.image.dtype, stamp.invvar.dtype, stamp.maskbits.dtype) == (np.float32, np.float32, np.int32)
    assert np.argwhere(stamp.maskbits == 2).tolist() == [[32, 22]]
    assert np.all(stamp.psfsize == np.float32(1.3))
    assert stamp.psf_source == ("map",) * 3
    assert pickle.loads(pickle.dumps(stamp)).center == stamp.center  # noqa: S301


def test_real_pixels_come_back_at_their_place(real_data, tmp_path):
    """A real grz cutout of brick 0591m305, written as the brick's window it is, and cut again."""
    with fits.open(real_data / "pysersic_ls/cutout_59.1067_-30.4848.fits") as hdus:
        header = hdus[1].header
        real = [np.array(hdu.data, np.float32) for hdu in hdus[1:]]
    brick = brick_named(NAME)
    assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx((brick.ra, brick.dec), abs=1e-9)
    wcs = TanWCS.from_header(header)
    planes = {
        "image": np.stack(real[0::2]),
        "invvar": np.stack(real[1::2]),
        "psfsize": np.full((3, 256, 256), 1.3),
    }
    write_brick(tmp_path, planes, wcs)
    with BrickReader(tmp_path, NAME) as reader:
        stamp = reader.cut(59.1067, -30.4848, 64)
    # the middle of the cutout is what the viewer was asked for
    assert (stamp.x_pix, stamp.y_pix) == pytest.approx((128, 128), abs=2)
    left, bottom = (
        round(v - 31.5 - c / PIXEL_SCALE)
        for v, c in zip((stamp.x_pix, stamp.y_pix), stamp.center, strict=True)
    )
    window = np.s_[:, bottom : bottom + 64, left : left + 64]
    assert np.abs(stamp.image - planes["image"][window]).max() <= 0.51e-4
    assert np.allclose(stamp.invvar, planes["invvar"][window], rtol=0.05)
    # the galaxy asked for is in the middle
    assert stamp.image[1, 27:37, 27:37].sum() > 5 * stamp.image[1, :10, :10].sum()


def test_a_real_half_empty_brick_lacks_its_r_band(real_data):
    with pytest.raises(BrickError) as caught, BrickReader(real_data / "desitarget_dr6", "0959p805"):
        pass
    assert caught.value.reason == "missing_file"
    for name in ("image-r", "invvar-r", "psfsize-g", "psfsize-r", "psfsize-z", "maskbits"):
        assert name in str(caught.value)


def test_real_coverage_of_a_half_empty_brick(real_data, tmp_path):
    """Real g (11.6 % covered): stamps on its empty part are refused, those on its covered part come back."""
    folder = real_data / "desitarget_dr6"
    image, invvar = (folder / f"legacysurvey-0959p805-{kind}-g.fits.fz" for kind in ("image", "invvar"))
    coadd = openfile.open_coadd(image, "image")
    covered = fitsio.read(invvar, ext=1) > 0
    header = coadd.wcs.to_header()
    files = {}
    (tmp_path / "p").write_bytes(coadd_bytes("psfsize", np.where(covered, 1.6, 0).astype(np.float32), header))
    wise = (np.zeros((3600, 3600), np.uint8),) * 2
    (tmp_path / "m").write_bytes(maskbits_bytes(np.zeros((3600, 3600), np.int16), wise, header))
    for band in BANDS:
        files |= {
            coadd_path(kind, "0959p805", band): path
            for kind, path in (("image", image), ("invvar", invvar), ("psfsize", tmp_path / "p"))
        }
    files[coadd_path("maskbits", "0959p805")] = tmp_path / "m"
    share = covered.reshape(36, 100, 36, 100).mean(axis=(1, 3))
    full = np.argwhere(share == 1.0)[0]
    empty = np.argwhere(maximum_filter(share, 3) == 0.0)[100]
    places = [coadd.wcs.to_sky(100.0 * column + 50, 100.0 * row + 50) for row, column in (full, empty)]
    with BrickReader(files, "0959p805") as reader:
        stamps = cut_many(reader, places, 64)
    assert isinstance(stamps[0], Cutout)
    assert isinstance(stamps[1], CutoutError)
    assert stamps[1].reason == "no_coverage"


def test_a_real_saturated_star_keeps_its_patched_pixels(real_data, tmp_path):
    """1102p240: 19.6 % of pixels have invvar 0 over a patched image; that is coverage."""
    folder = real_data / "obiwan_coadd"
    image, invvar = (folder / f"legacysurvey-1102p240-{kind}-z.fits.fz" for kind in ("image", "invvar"))
    coadd = openfile.open_coadd(image, "image")
    header, shape = coadd.wcs.to_header(), coadd.shape
    (tmp_path / "p").write_bytes(coadd_bytes("psfsize", np.full(shape, 1.3, np.float32), header))
    (tmp_path / "m").write_bytes(
        maskbits_bytes(np.zeros(shape, np.int16), (np.zeros(shape, np.uint8),) * 2, header)
    )
    files = {coadd_path("maskbits", "1102p240"): tmp_path / "m"}
    for band in BANDS:
        for kind, path in (("image", image), ("invvar", invvar), ("psfsize", tmp_path / "p")):
            files[coadd_path(kind, "1102p240", band)] = path
    ra, dec = coadd.wcs.to_sky(49.6, 50.2)
    with BrickReader(files, "1102p240") as reader:
        stamp = reader.cut(float(ra), float(dec), 96)
    masked = stamp.invvar[2] == 0
    assert 0.1 < masked.mean() < 0.3
    assert (stamp.image[2][masked] != 0).mean() > 0.99


def test_stamps_over_the_edge(sky):
    brick = sky.healthy[0]
    with BrickReader(sky.folder, brick.name) as reader:
        wcs, (rows, columns) = reader.wcs, reader.shape

        def cut(x, y):
            return cut_many(reader, [tuple(float(v) for v in wcs.to_sky(x, y))], 64)[0]

        assert isinstance(cut(31.51, 31.51), Cutout)
        assert isinstance(cut(columns - 32.51, rows - 32.51), Cutout)
        for x, y in ((30.9, 200), (200, 30.9), (columns - 31.9, 200), (200, rows - 31.9), (-500, 200)):
            error = cut(x, y)
            assert isinstance(error, CutoutError)
            assert error.reason == "off_edge"
        with pytest.raises(CutoutError, match="reaches over"):
            reader.cut(brick.ra + 180.0, -brick.dec, 64)


def test_psfsize_of_zero_is_never_used(tmp_path):
    planes = flat_planes()
    planes["psfsize"][0, :, 90:] = 0.0  # g: no PSF at the host, 1.3 elsewhere
    planes["psfsize"][0, :, :50] = 1.5
    planes["psfsize"][2] = 0.0  # z: no PSF anywhere
    write_brick(tmp_path, planes, brick_wcs())
    brick = brick_named(NAME)
    with BrickReader(tmp_path, NAME) as reader:
        stamp = reader.cut(brick.ra, brick.dec, 64)
    assert stamp.psf_source == ("brick_mean", "map", "none")
    assert stamp.psfsize == pytest.approx([(50 * 1.5 + 40 * 1.3) / 90, 1.3, 0.0], rel=1e-6)


@pytest.mark.parametrize("kind", ["image", "invvar"])
def test_a_stamp_without_data_in_one_band(tmp_path, kind):
    planes = flat_planes()
    planes[kind][1, :, 60:] = 0.0
    write_brick(tmp_path, planes, brick_wcs())
    wcs = brick_wcs()
    with BrickReader(tmp_path, NAME) as reader:
        covered, empty = cut_many(reader, [wcs.to_sky(80.0, 100.0), wcs.to_sky(140.0, 100.0)], 64)
    assert isinstance(covered, Cutout)
    assert isinstance(empty, CutoutError)
    assert empty.reason == "no_coverage"
    assert "in r" in str(empty)


def test_each_tile_is_decoded_once_and_only_where_a_stamp_lies(sky, monkeypatch):
    """Stamps of both tile rows and columns, asked for in any order; of psfsize only the hosts' tiles."""
    read: list[tuple[str, int]] = []
    decode = openfile.CoaddFile.tile

    def counting(coadd, tile):
        read.append((Path(coadd.name).name.split("-", 2)[2], tile))
        return decode(coadd, tile)

    monkeypatch.setattr(openfile.CoaddFile, "tile", counting)
    pixels = [(250.0, 250.0), (160.0, 140.0), (240.0, 240.0), (150.0, 150.0), (190.0, 199.0)]
    with BrickReader(sky.folder, sky.healthy[0].name) as reader:
        assert not read
        cut_many(reader, [reader.wcs.to_sky(*place) for place in pixels], 64)
    assert len(set(read)) == len(read)
    tiles = {name: {tile for other, tile in read if other == name} for name, _ in read}
    assert len(tiles) == 10
    assert tiles["image-g.fits.fz"] == tiles["maskbits.fits.fz"] == {6, 7, 11, 12}  # of 5 x 5
    assert tiles["psfsize-r.fits.fz"] == {6, 12}


def test_memory_is_bounded_by_rows_of_tiles(sky, monkeypatch):
    """Hosts on a fine lattice over the whole image: the strips never hold more than three rows of tiles."""
    most = 0
    cut = Strip.cut

    def watching(strip, box, into):
        nonlocal most
        cut(strip, box, into)
        most = max(most, len(strip._held))

    monkeypatch.setattr(Strip, "cut", watching)
    with BrickReader(sky.folder, sky.healthy[0].name) as reader:
        lattice = [reader.wcs.to_sky(x, y) for y in range(40, 410, 23) for x in range(40, 410, 37)]
        stamps = cut_many(reader, lattice, 64)
        assert len(stamps) == 170
    assert 5 < most <= 10  # a stamp reaches over two of the five rows of five tiles


def test_files_may_be_given_as_a_mapping_or_a_list(sky):
    brick = sky.healthy[0].name
    paths = {relative: sky.folder / relative for relative in brick_files(brick)}
    for files in (paths, paths.values(), sky.folder / "coadd" / brick[:3] / brick):
        with BrickReader(files, brick) as reader:
            assert reader.shape == (450, 450)


def broken(tmp_path: Path, kind: str, content: bytes) -> BrickError:
    write_brick(tmp_path, flat_planes(), brick_wcs())
    band = None if kind == "maskbits" else "r"
    path = tmp_path / coadd_path(kind, NAME, band)
    path.write_bytes(content)
    brick = brick_named(NAME)
    with pytest.raises(BrickError) as caught, BrickReader(tmp_path, NAME) as reader:
        reader.cut(brick.ra, brick.dec, 64)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_files_that_disagree_or_are_no_coadds(tmp_path):
    header, plane = brick_wcs().to_header(), np.ones((200, 200), np.float32)
    wrong_shape = coadd_bytes("image", plane[:, :150].copy(), header)
    assert broken(tmp_path, "image", wrong_shape).reason == "wrong_shape"
    moved = {**header, "CRPIX1": header["CRPIX1"] + 1}
    assert broken(tmp_path, "invvar", coadd_bytes("invvar", plane, moved)).reason == "bad_wcs"
    rotated = {**header, "CTYPE1": "RA---SIN"}
    assert broken(tmp_path, "image", coadd_bytes("image", plane, rotated)).reason == "bad_wcs"
    assert broken(tmp_path, "image", coadd_bytes("invvar", plane, header)).reason == "wrong_unit"
    bad = {**header, "MB_BRIGH": 3}
    mask = fits.CompImageHDU(np.zeros((200, 200), np.int16), fits.Header(bad))
    fits.HDUList([fits.PrimaryHDU(), mask]).writeto(tmp_path / "mask")
    assert broken(tmp_path, "maskbits", (tmp_path / "mask").read_bytes()).reason == "bad_layout"


def test_damaged_files(tmp_path):
    header = brick_wcs().to_header()
    good = coadd_bytes("image", flat_planes()["image"][1].astype(np.float32), header)
    assert broken(tmp_path, "image", good[: len(good) // 2]).reason == "truncated"
    assert broken(tmp_path, "image", good[:2880]).reason == "truncated"
    assert broken(tmp_path, "image", b"").reason == "truncated"
    flipped = bytearray(good)
    flipped[-5000] ^= 0xFF
    assert broken(tmp_path, "image", bytes(flipped)).reason == "corrupt"
    nan = flat_planes()["psfsize"][1].astype(np.float32)
    nan[150, 150] = np.nan  # in the tile of the host
    assert broken(tmp_path, "psfsize", coadd_bytes("psfsize", nan, header)).reason == "corrupt"


def test_damaged_tiles_without_checksums(tmp_path):
    plane = flat_planes()["image"][1].astype(np.float32)
    hdu = fits.CompImageHDU(
        plane, fits.Header(brick_wcs().to_header()), compression_type="GZIP_1", quantize_level=0
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "plain")
    content = bytearray((tmp_path / "plain").read_bytes())
    start = len(content) // 2 - 10000
    content[start : start + 20000] = bytes(20000)
    assert broken(tmp_path, "image", bytes(content)).reason == "corrupt"


def test_a_brick_that_is_not_there(tmp_path):
    with pytest.raises(BrickError) as caught, BrickReader(tmp_path, NAME):
        pass
    assert caught.value.reason == "not_found"
