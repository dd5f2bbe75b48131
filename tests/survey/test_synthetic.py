"""The six points in which a synthetic brick must be a fair stand-in."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.optimize import least_squares
from scipy.special import gammaincinv, j0

from survey.bricks import brick_at
from survey.layout import BANDS, PIXEL_SCALE, coadd_path
from survey.maskbits import CARD_OF_NAME, MASK_BITS, bits_from_header
from survey.openfile import open_coadd
from survey.psf import moffat_fwhm_per_psfsize
from survey.synthetic.conditions import CHI_STD, observe
from survey.synthetic.noise import autocorrelation, bass_kernel, correlated_noise, decam_kernel
from survey.synthetic.pixels import paint
from survey.synthetic.profiles import moffat_transform, sersic_b, sersic_transform
from survey.synthetic.render import Painter, Source
from survey.synthetic.writer import BrickPlan, brick_contents
from tests.survey.conftest import SOUTH, WIDE, Made, make, point_source_depth

# 1. codecs, layout, cards


def raw_header(sky, kind, band=None, hdu=1):
    path = sky.folder / coadd_path(kind, sky.bricks[0].name, band)
    return fits.open(path, disable_image_compression=True)[hdu].header


def test_the_files_hold_what_was_painted(tmp_path):
    """Noise, stars and steps are measured below on painted pixels: the files give them back.

    Image to half a step of 1e-4, invvar to a third of its own jitter, the rest exactly; what is exactly 0
    stays so, and nothing else becomes 0.
    """
    contents = brick_contents(BrickPlan(SOUTH, 450, 12, 3))
    made = make(SOUTH, 450)
    for band in BANDS:
        for kind in ("image", "invvar", "psfsize"):
            painted = getattr(made.pixels, kind)[band]
            found = open_coadd(contents[coadd_path(kind, SOUTH.name, band)], kind, kind).read()
            assert np.array_equal(found == 0, painted == 0), (band, kind)
            if kind == "image":
                assert np.abs(found - painted).max() <= 0.5001e-4
            elif kind == "psfsize":
                assert np.array_equal(found, painted)
            else:
                jitter = np.std(np.diff(painted[:, 100:140], axis=0)) / np.sqrt(2)
                assert np.std(found - painted) < jitter / 3
    mask = open_coadd(contents[coadd_path("maskbits", SOUTH.name)], "maskbits", "maskbits").read()
    assert np.array_equal(mask, made.pixels.maskbits)


@pytest.mark.parametrize("kind", ["image", "invvar", "psfsize", "maskbits"])
def test_tiles_codecs_and_types(sky, kind):
    header = raw_header(sky, kind, None if kind == "maskbits" else "g")
    assert (header["ZTILE1"], header["ZTILE2"], header["ZNAXIS1"], header["ZNAXIS2"]) == (100, 100, 450, 450)
    codec, bits, quantisation = {
        "image": ("RICE_1", {-32}, "SUBTRACTIVE_DITHER_2"),
        "invvar": ("RICE_1", {-32}, "NO_DITHER"),
        "psfsize": ("GZIP_1", {-32}, "NONE"),
        "maskbits": ("HCOMPRESS_1", {16, 32}, None),
    }[kind]
    assert header["ZCMPTYPE"] == codec
    assert header["ZBITPIX"] in bits
    assert header.get("ZQUANTIZ") == quantisation
    assert header["IMTYPE"] == kind
    path = sky.folder / coadd_path(kind, sky.bricks[0].name, None if kind == "maskbits" else "g")
    with fits.open(path, disable_image_compression=True) as hdus:
        if kind == "image":
            assert np.allclose(hdus[1].data["ZSCALE"], 1e-4)
    with fits.open(path) as hdus:
        assert hdus[0].data is None
        assert len(hdus) == (4 if kind == "maskbits" else 2)


def test_cards_are_those_of_a_real_coadd(sky, real_data):
    real = fits.open(
        real_data / "desitarget_dr6/legacysurvey-0959p805-image-g.fits.fz", disable_image_compression=True
    )[1]
    ours = raw_header(sky, "image", "g")
    for card in ("ZQUANTIZ", "ZTILE1", "ZVAL1", "ZVAL2", "BUNIT", "CTYPE1", "CTYPE2", "MAGZERO", "EQUINOX"):
        assert ours[card] == real.header[card], card
    assert ours["CD1_1"] == pytest.approx(real.header["CD1_1"], rel=1e-12)
    for card in (
        "BRICKNAM",
        "BRICKID",
        "BRICKRA",
        "BRICKDEC",
        "RAMIN",
        "RAMAX",
        "DECMIN",
        "DECMAX",
        "FILTER",
    ):
        assert type(ours[card]) is type(real.header[card]), card
    # absolute step 1e-4 nanomaggy: the scale of every quantised tile, as in the real file
    path = sky.folder / coadd_path("image", sky.bricks[0].name, "g")
    tiles = fits.open(path, disable_image_compression=True)[1].data["ZSCALE"]
    assert np.allclose(tiles[tiles != 0], 1e-4)
    assert np.allclose(real.data["ZSCALE"][real.data["ZSCALE"] != 0], 1e-4)


def test_mask_cards_in_both_types(sky):
    kinds = set()
    for brick in sky.healthy:
        with fits.open(sky.folder / coadd_path("maskbits", brick.name)) as hdus:
            kind, header = hdus[1].data.dtype, hdus[1].header
            last = 13 if kind == np.int16 else 16
            expected = {name: bit for name, bit in MASK_BITS.items() if bit <= last}
            assert bits_from_header(header) == expected
            assert header["MB_NPRIM"] == 1
            assert header[CARD_OF_NAME["MEDIUM"]] == 2048
            assert header["MBIT_11"] == "MEDIUM"
            assert [hdu.name for hdu in hdus[1:]] == ["MASKBITS", "WISEM1", "WISEM2"]
            assert [hdus[i].data.dtype for i in (2, 3)] == [np.uint8, np.uint8]
            kinds.add(str(kind))
    assert kinds == {"int16", "int32"}


# 2. noise


def blank_sky(made: Made) -> np.ndarray:
    """Pixels far from every source that matters."""
    blank = np.ones(made.primary.shape, bool)
    sources = made.sources
    reach = 12 + 4 * np.maximum(25 - sources.mag[:, 1], 0) + 12 * sources.shape_r
    for x, y, radius in zip(sources.x, sources.y, reach, strict=True):
        rows = slice(max(int(y - radius), 0), max(int(y + radius) + 2, 0))
        columns = slice(max(int(x - radius), 0), max(int(x + radius) + 2, 0))
        near = blank[rows, columns]
        dy, dx = np.mgrid[: near.shape[0], : near.shape[1]]
        near &= np.hypot(dx + columns.start - x, dy + rows.start - y) > radius
    return blank


def test_noise_of_blank_sky(made):
    blank = blank_sky(made)
    assert blank.mean() > 0.1
    for band in BANDS:
        chi = made.pixels.image[band] * np.sqrt(made.pixels.invvar[band])
        good = blank & (made.pixels.invvar[band] > 0)
        camera = "north" if made.conditions.north else "south"
        assert chi[good].std() == pytest.approx(CHI_STD[camera], abs=0.015), band
        assert (made.pixels.image[band][good] < 0).mean() == pytest.approx(0.5, abs=0.03)
        bass = made.conditions.north and band != "z"
        wanted = {1: 0.59} if bass else {1: 0.11, 2: -0.075}
        for lag, value in wanted.items():
            for axis in (0, 1):
                pair = good & np.roll(good, -lag, axis)
                other = np.roll(chi, -lag, axis)
                found = np.corrcoef(chi[pair], other[pair])[0, 1]
                assert found == pytest.approx(value, abs=0.025), (band, lag, axis)


def test_kernels_give_the_cameras_autocorrelation():
    assert autocorrelation(decam_kernel())[1:3] == pytest.approx([0.11, -0.075], abs=1e-6)
    assert autocorrelation(bass_kernel())[1] == pytest.approx(0.59, abs=1e-6)
    noise = correlated_noise((600, 700), decam_kernel(), np.random.default_rng(0))
    assert noise.shape == (600, 700)
    assert noise.std() == pytest.approx(1.0, abs=0.01)


def test_depth_lies_between_a_deep_field_and_the_surveys_most_common_and_varies():
    depths = []
    for index in range(60):
        maps = observe(brick_at(10.0 + 5 * index, 5.0), (100, 100), 0).bands
        depths.append(
            [
                point_source_depth(float(np.median(maps[b].invvar)), float(np.median(maps[b].psfsize)))
                for b in BANDS
            ]
        )
    low, middle, high = np.percentile(depths, [5, 50, 95], axis=0)
    common = np.array([24.8, 24.2, 23.3])
    deep = [point_source_depth(s**-2, w) for s, w in ((0.0020, 1.41), (0.0025, 1.30), (0.0089, 1.31))]
    assert ((middle > common) & (middle < deep)).all()
    assert low == pytest.approx(common, abs=0.3)
    assert high == pytest.approx(np.array(deep), abs=0.3)
    assert (high - low > 0.3).all()


# 3. invvar


def test_invvar_steps_jitters_and_has_holes():
    made = make(SOUTH, 1500)
    for band in BANDS:
        maps = made.conditions.bands[band]
        log = np.log(np.where(maps.invvar > 0, maps.invvar, np.nan))
        jitter = np.nanstd(np.diff(log, axis=1)[:, ::7].clip(-0.1, 0.1)) / np.sqrt(2)
        assert 0.008 < jitter < 0.035, band
        rough = np.nanmedian(log[:1500].reshape(30, 50, 30, 50), axis=(1, 3))
        assert np.nanmax(rough) - np.nanmin(rough) > 0.1, band  # CCD and field edges
        assert maps.n_exposures.max() > maps.n_exposures.min()
        column = np.nanmedian(log, axis=0)
        bad = column[1:-1] < np.minimum(column[:-2], column[2:]) - 0.05
        assert 2 <= bad.sum() < 60, band  # bad columns: lower than both their neighbours
        weights, image = made.pixels.invvar[band], made.pixels.image[band]
        covered = maps.psfsize > 0
        assert (weights[~covered] == 0).all()
        assert (image[~covered] == 0).all()
        masked = (weights == 0) & covered
        assert 1e-5 < masked.mean() < 0.02
        assert (image[masked] != 0).all()  # patched
        assert (image[covered] == 0).mean() < 1e-4


def test_where_nothing_was_seen_pixels_are_zero_and_where_masked_they_are_patched():
    made = make(SOUTH, 300, seed=5)
    maps = made.conditions.bands["r"]
    maps.invvar[:, :80] = maps.psfsize[:, :80] = 0.0
    maps.invvar[:, 150:160] = 0.0
    pixels = paint(SOUTH, made.conditions, made.sources, made.primary, 5)
    assert (pixels.image["r"][:, :80] == 0).all()
    assert (pixels.invvar["r"][:, :80] == 0).all()
    assert (pixels.invvar["r"][:, 150:160] == 0).all()
    assert (pixels.image["r"][:, 150:160] != 0).all()
    assert (pixels.image["g"][:, :80] != 0).any()
    bit = 1 << MASK_BITS["ALLMASK_R"]
    assert (pixels.maskbits[:, 150:160] & bit).all()
    assert not (pixels.maskbits[:, :80] & bit).any()


# 4. PSF


def test_psfsize_is_piecewise_constant(made):
    for band in BANDS:
        psfsize = made.pixels.psfsize[band]
        values = np.unique(psfsize)
        assert 2 <= len(values) < 300
        assert ((psfsize == 0) | ((psfsize > 0.7) & (psfsize < 2.7))).all()
        assert (np.diff(psfsize, axis=1) != 0).mean() < 0.02


def fitted_fwhm(stamp: np.ndarray) -> tuple[float, float]:
    """FWHM (pixels) and exponent of a Moffat fitted to a star, without any of the product's code."""
    middle = stamp.shape[0] // 2
    y, x = np.mgrid[: stamp.shape[0], : stamp.shape[1]] - middle

    def model(p):
        flux, fwhm, beta, x0, y0 = p
        core = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
        r2 = (x - x0) ** 2 + (y - y0) ** 2
        return flux * (beta - 1) / np.pi / core**2 * (1 + r2 / core**2) ** -beta

    limits = ([0, 0.5, 1.1, -3, -3], [np.inf, 20, 20, 3, 3])
    fit = least_squares(lambda p: (model(p) - stamp).ravel(), [stamp.sum(), 4.0, 3.0, 0, 0], bounds=limits)
    return fit.x[1], fit.x[2]


def painter(pixels: int = 256, beta: float = 2.75) -> Painter:
    return Painter(np.zeros((3, pixels, pixels), np.float32), (1e-7, 1e-7, 1e-7), beta)


@pytest.mark.parametrize("psfsize", [0.9, 1.3, 2.0])
def test_a_drawn_star_has_its_psfsize_and_a_smaller_fwhm(psfsize):
    paint_on = painter()
    paint_on.add(Source(128.3, 127.6, (1.0, 2.0, 3.0), 0.0, 0.0, 1.0, 0.0), (psfsize,) * 3)
    star = paint_on.canvas[1].astype(float)
    assert star.sum() == pytest.approx(2.0, rel=3e-3)
    area = star.sum() ** 2 / (star**2).sum() * PIXEL_SCALE**2
    assert 2.355 / 2 / np.sqrt(np.pi) * np.sqrt(area) == pytest.approx(psfsize, rel=0.01)
    fwhm, beta = fitted_fwhm(star[108:149, 108:149])
    assert fwhm * PIXEL_SCALE / psfsize == pytest.approx(0.755, abs=0.01)
    assert beta == pytest.approx(2.75, abs=0.05)
    y, x = np.mgrid[:256, :256]
    assert ((star * x).sum() / star.sum(), (star * y).sum() / star.sum()) == pytest.approx(
        (128.3, 127.6), abs=0.02
    )


def test_stars_on_the_sky_are_narrower_than_psfsize(made):
    """Bright unsaturated stars of the finished image: FWHM about 0.76 of the map beneath them."""
    stars = made.sources.take(
        (made.sources.kind == "PSF") & (made.sources.mag[:, 1] > 17.0) & (made.sources.mag[:, 1] < 20.5)
    )
    ratios = []
    for x, y in zip(stars.x, stars.y, strict=True):
        column, row = round(x), round(y)
        others = np.hypot(made.sources.x - x, made.sources.y - y)
        if not (15 < column < WIDE - 15 and 15 < row < WIDE - 15) or np.sort(others)[1] < 18:
            continue
        stamp = made.pixels.image["r"][row - 8 : row + 9, column - 8 : column + 9].astype(float)
        ratios.append(fitted_fwhm(stamp)[0] * PIXEL_SCALE / made.pixels.psfsize["r"][row, column])
    assert len(ratios) >= 3
    expected = moffat_fwhm_per_psfsize(made.conditions.beta)
    assert np.median(ratios) == pytest.approx(expected, abs=0.02)
    assert 0.73 < expected < 0.77


# 5. sources


def test_transforms_against_direct_integration():
    """Sersic: sum of a fine image; Moffat: unit at k = 0 and the exact pair at beta = 1.5 (exponential)."""
    k = np.array([0.3, 1.0, 3.0, 10.0])
    radii = np.geomspace(1e-7, 3e3, 400_000)
    for n in (1.0, 1.5, 2.5, 4.0, 5.0):
        weights = np.exp(-sersic_b(n) * radii ** (1 / n)) * radii**2
        direct = np.array([(weights * j0(q * radii)).sum() for q in k]) / weights.sum()
        assert sersic_transform((k**2).astype(np.float32), n) == pytest.approx(direct, abs=2e-3), n
    core = 1.0 / (2 * np.sqrt(2 ** (1 / 1.5) - 1))
    assert moffat_transform(k, 1.0, 1.5) == pytest.approx(np.exp(-k * core), rel=1e-10)
    assert moffat_transform(np.zeros(1), 1.0, 2.7) == pytest.approx([1.0])


@pytest.mark.parametrize(("sersic", "r_eff", "ratio"), [(1.0, 0.5, 0.5), (4.0, 1.2, 0.7), (2.5, 0.4, 1.0)])
def test_galaxies_are_drawn_to_one_percent(sersic, r_eff, ratio):
    """Against light scattered as rays: photons drawn from the Sersic profile and displaced by the Moffat."""
    angle, beta, psfsize = 0.6, 2.75, 1.3
    paint_on = painter(192)
    paint_on.add(Source(96.2, 95.7, (1.0, 1.0, 1.0), sersic, r_eff, ratio, angle), (psfsize,) * 3)
    rng = np.random.default_rng(5)
    count = 2_000_000
    major = r_eff / PIXEL_SCALE * (gammaincinv(2 * sersic, rng.random(count)) / sersic_b(sersic)) ** sersic
    turn = rng.uniform(0, 2 * np.pi, count)
    u, v = major * np.cos(turn), ratio * major * np.sin(turn)
    fwhm = psfsize * moffat_fwhm_per_psfsize(beta) / PIXEL_SCALE
    core = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
    # the pixel is in the PSF already: photons land as points, counted over a pixel without widening it
    blur = core * np.sqrt((1 - rng.random(count)) ** (1 / (1 - beta)) - 1)
    side = rng.uniform(0, 2 * np.pi, count)
    x = 96.2 + u * np.cos(angle) - v * np.sin(angle) + blur * np.cos(side)
    y = 95.7 + u * np.sin(angle) + v * np.cos(angle) + blur * np.sin(side)
    counted = np.histogram2d(y, x, bins=np.arange(-0.5, 192.5))[0] / count
    drawn = paint_on.canvas[0].astype(np.float64)
    box = fft_box(drawn)
    error = np.abs(box - counted)
    noise = np.sqrt(np.maximum(box, 1e-7) / count)
    assert (error < 0.01 * box.max() + 4 * noise).all()
    assert drawn.sum() == pytest.approx(1.0, abs=0.02 if sersic > 3 else 0.005)


def fft_box(image: np.ndarray) -> np.ndarray:
    """Average over the pixel what is sampled at its middle."""
    fx, fy = np.fft.rfftfreq(image.shape[1]), np.fft.fftfreq(image.shape[0])
    return np.fft.irfft2(np.fft.rfft2(image) * np.sinc(fx)[None, :] * np.sinc(fy)[:, None], image.shape)
