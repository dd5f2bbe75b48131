import galsim
import numpy as np
import pytest

from physics import Lens, Psf, Source, render, render_batch
from tests.physics.systems import PIXEL, columns, random_systems

LENS = Lens(1.3, 0.7, 0.5, 0.04, 1.1, 0.05, -0.08)
SOURCE = Source((1.0,), 0.2, 2.0, 0.6, 0.3, 0.2, 0.1)


def _gaussian(fwhm, side=61, x=0.0, y=0.0):
    d = (np.arange(side) - side // 2) * PIXEL
    sigma = fwhm / 2.3548200450309493
    return np.exp(-0.5 * ((d[None, :] - x) ** 2 + (d[:, None] - y) ** 2) / sigma**2)


def _worst(image, truth):
    return np.abs(image - truth).max() / truth.max()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_pix", [64, 51])
def test_image_of_a_gaussian_is_the_gaussian(seed, n_pix):
    ((lens, source),) = random_systems(1, seed)
    truth = render(lens, source, Psf((1.0,), "gaussian"), n_pix=n_pix)
    got = render(lens, source, Psf.from_images(_gaussian(1.0)[None]), n_pix=n_pix)
    assert _worst(got.image, truth.image) < 3e-4
    assert got.magnification == pytest.approx(truth.magnification, rel=1e-5)
    assert got.flux_in_stamp == pytest.approx(truth.flux_in_stamp, rel=3e-4)


def test_lopsided_psf_is_the_sum_of_shifted_renders():
    """0.7 of the light in place, 0.3 of it moved by (+0.9, -0.5)": which way is up, and right."""
    move = (0.9, -0.5)
    psf = 0.7 * _gaussian(1.1) + 0.3 * _gaussian(1.1, x=move[0], y=move[1])
    star = Psf((1.1,), "gaussian")
    # a host moved by -m puts everything at +m in the stamp: x = column - cx
    truth = 0.7 * render(LENS, SOURCE, star).image + 0.3 * render(LENS, SOURCE, star, center=move).image
    assert _worst(render(LENS, SOURCE, Psf.from_images(psf[None])).image, truth) < 3e-4


def test_unlensed_source_equals_galsims_interpolated_image():
    psf = _gaussian(1.2) + 0.3 * _gaussian(1.5, x=0.6, y=0.2)
    psf /= psf.sum()
    star = galsim.InterpolatedImage(
        galsim.Image(psf, scale=PIXEL), x_interpolant="lanczos15", normalization="flux"
    )
    profile = galsim.Sersic(1.0, half_light_radius=0.5, flux=1.0)
    profile = profile.shear(q=SOURCE.q, beta=SOURCE.phi * galsim.radians).shift(SOURCE.x, SOURCE.y)
    truth = galsim.Convolve(profile, star).drawImage(nx=64, ny=64, scale=PIXEL, method="no_pixel").array
    source = Source((1.0,), 0.5, 1.0, SOURCE.q, SOURCE.phi, SOURCE.x, SOURCE.y)
    got = render(None, source, Psf.from_images(psf[None])).image[0]
    assert _worst(got, truth) < 5e-4
    assert got.sum(dtype=float) == pytest.approx(truth.sum(dtype=float), rel=5e-4)


def test_bands_have_their_own_images_and_rows_do_not_matter():
    pairs = [(lens, Source((1.0, 2.0), *_rest(source))) for lens, source in random_systems(3, 4)]
    images = np.stack([_gaussian(1.0), _gaussian(1.4)])
    table = {k: v for k, v in columns(pairs, (1.0, 1.4)).items() if k != "psf_fwhm"}
    batch = render_batch(**table, psf_image=images)
    for i, (lens, source) in enumerate(pairs):
        assert render(lens, source, Psf.from_images(images)).image.tobytes() == batch.image[i].tobytes()
    analytic = render_batch(**columns(pairs, (1.0, 1.4)), kind="gaussian")
    assert _worst(batch.image, analytic.image) < 3e-4


def _rest(source):
    return source.r_eff, source.n_sersic, source.q, source.phi, source.x, source.y


def test_noise_equivalent_area_is_the_images():
    image = _gaussian(1.2)
    assert Psf.from_images(image[None]).fwhm == pytest.approx((1.2,), rel=1e-6)
    area = PIXEL**2 * image.sum() ** 2 / np.sum(image**2)
    assert Psf.from_images(image[None]).noise_equivalent_area == pytest.approx((area,))


@pytest.mark.parametrize(("images", "message"), [
    (np.ones((5, 5)), "shape"), (np.ones((1, 4, 4)), "odd"), (np.ones((1, 5, 7)), "shape"),
    (np.ones((1, 67, 67)), "at most 65"), (-np.ones((1, 5, 5)), "positive sum"),
    (np.full((1, 5, 5), np.nan), r"images\[0, 0, 0\]"), (np.full((1, 5, 5), "a"), "real numbers"),
])  # fmt: skip
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        Psf.from_images(images)


def test_other_scale_missing_and_double_psf_are_refused():
    psf = Psf.from_images(_gaussian(1.2)[None])
    with pytest.raises(ValueError, match="pixel_scale"):
        render(LENS, SOURCE, psf, pixel_scale=0.3)
    table = columns([(LENS, SOURCE)], (1.0,))
    with pytest.raises(ValueError, match="psf_fwhm must be given, or psf_image"):
        render_batch(**table, psf_image=_gaussian(1.0)[None])
    del table["psf_fwhm"]
    with pytest.raises(ValueError, match="psf_fwhm must be given"):
        render_batch(**table)
    with pytest.raises(ValueError, match="2 bands|1 bands"):
        render_batch(**table, psf_image=np.stack([_gaussian(1.0)] * 2))


def test_light_beside_the_stamp_is_scattered_into_it():
    """A ghost 24 px from the star's core, of a source that is 20 px outside."""
    far = 24 * PIXEL
    psf = 0.7 * _gaussian(1.1) + 0.3 * _gaussian(1.1, x=far)
    beside = Source((1.0,), 0.2, 2.0, 0.6, 0.3, -52 * PIXEL, 0.0)
    ghost = Source((1.0,), 0.2, 2.0, 0.6, 0.3, far - 52 * PIXEL, 0.0)
    truth = 0.3 * render(None, ghost, Psf((1.1,), "gaussian")).image
    assert _worst(render(None, beside, Psf.from_images(psf[None])).image, truth) < 3e-4
