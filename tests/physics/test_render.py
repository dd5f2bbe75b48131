import dataclasses

import galsim
import numpy as np
import pytest

from physics import Lens, Psf, Source, caustics, image_positions, point_magnification, render, render_batch
from tests.physics.oracle import render_oracle
from tests.physics.sets import MAGNIFICATION_BOUND, SETS, errors, is_ok
from tests.physics.systems import PIXEL, columns

PSF = Psf((1.1,))
LENS = Lens(1.3, 0.7, 0.5, 0.04, 1.1, 0.05, -0.08)
SOURCE = Source((1.0,), 0.2, 2.0, 0.6, 0.3, 0.2, 0.1)


def _worst_pixel(image, truth):
    return np.abs(image - truth).max() / truth.max()


def _check_against_oracle(lens, source, fwhm, kind, beta, **frame):
    got = render(lens, source, Psf((fwhm,), kind, beta), **frame)
    truth = render_oracle(lens, source, fwhm, kind, beta, **frame)
    assert got.image[0].sum(dtype=float) == pytest.approx(truth.image.sum(), rel=5e-4)
    assert _worst_pixel(got.image[0], truth.image) < 1e-3
    assert got.magnification == pytest.approx(truth.magnification, rel=1e-3)


@pytest.mark.parametrize("index", range(7))
@pytest.mark.parametrize("name", SETS)
def test_systems_of_every_set_equal_the_oracle(name, index):
    """A sample of `python -m benchmarks.accuracy`; of the range, the places in sight."""
    found = errors(SETS[name](0, index))
    assert is_ok(found), found
    assert found["magnification_error"] < MAGNIFICATION_BOUND


@pytest.mark.parametrize(("lens", "source", "frame"), [
    # compact, cuspy, on a fold of the caustic; sharp PSF
    (Lens(1.5, 0.6, 0.3, 0.05, 0.2, 0.1, 0.0), Source((1.0,), 0.05, 6.0, 0.4, 1.0, 0.36, 0.12), {}),
    # off-centre host, odd stamp, images near the edge
    (Lens(2.5, 0.8, 2.0, 0.02, 0.5, 3.0, -2.0), Source((1.0,), 0.15, 4.0, 0.7, 1.0, 4.0, -1.0),
     {"n_pix": 51, "center": (0.11, -0.07)}),
    # a ring around a round lens
    (Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.08, 1.0, 1.0, 0.0, 0.0, 0.0), {}),
    # another stamp size, with another Fourier length
    (LENS, SOURCE, {"n_pix": 101, "pixel_scale": 0.25}),
    # as flat as they come, one on the other: kappa falls by half within q times the distance
    (Lens(0.16, 0.12, 2.05, 0.07, 1.89, -0.1, 0.05), Source((1.0,), 0.3, 5.2, 0.12, 2.3, -0.1, 0.05), {}),
], ids=["fold", "off-centre", "ring", "101 px", "flat"])  # fmt: skip
def test_hard_system_equals_the_oracle(lens, source, frame):
    _check_against_oracle(lens, source, 0.8, "moffat", 2.5, **frame)


@pytest.mark.parametrize(("lens", "source", "fwhm", "kind", "beta"), [
    # a flat lens; sharp and broad PSFs
    (dataclasses.replace(LENS, theta_e=2.0, q=0.1), SOURCE, 0.8, "moffat", 3.0),
    (LENS, SOURCE, 0.6, "moffat", 2.5),
    (LENS, SOURCE, 0.6, "gaussian", 3.0),
    (LENS, SOURCE, 2.5, "moffat", 2.5),
    (LENS, SOURCE, 2.5, "gaussian", 3.0),
    # theta_E smaller than a pixel, and far larger than most
    (dataclasses.replace(LENS, theta_e=0.1), dataclasses.replace(SOURCE, x=0.05, y=0.0), 1.0, "moffat", 2.5),
    (dataclasses.replace(LENS, theta_e=5.0), SOURCE, 1.0, "moffat", 2.5),
    # the largest and the least concentrated source
    (LENS, dataclasses.replace(SOURCE, r_eff=1.0, n_sersic=0.3, q=0.1), 1.0, "moffat", 2.5),
    # long sources that reach beyond a narrow pad
    (dataclasses.replace(LENS, theta_e=0.3), Source((1.0,), 1.0, 1.0, 0.1, 0.0, 5.5, 0.0), 2.5, "gaussian",
     3.0),
    (LENS, dataclasses.replace(SOURCE, r_eff=5.0, n_sersic=0.5), 2.5, "gaussian", 3.0),
], ids=["q 0.1", "0.6 moffat", "0.6 gaussian", "2.5 moffat", "2.5 gaussian", "small", "large",
        "disc", "long", "broad"])  # fmt: skip
def test_ends_of_the_range_equal_the_oracle(lens, source, fwhm, kind, beta):
    _check_against_oracle(lens, source, fwhm, kind, beta)


@pytest.mark.parametrize(("lens", "source", "fwhm", "kind", "beta", "center"), [
    (Lens(2.7988, 0.99, 2.1537, 0.0506, 0.3547, -0.0235, -0.0418),
     Source((1.0,), 0.983, 0.5, 1.0, 1.9961, 0.1222, -0.3108),
     0.6, "moffat", 4.0, (0.0249, 0.1171)),
    (Lens(5.0, 0.1, 0.0437, 0.0, 0.8589, 0.0599, 0.1124),
     Source((1.0,), 0.7512, 0.3, 0.3, 0.3661, -1.368, 0.5799),
     0.6, "gaussian", 2.5, (-0.0012, 0.086)),
    (Lens(4.3751, 0.8937, 3.0495, 0.03, 1.6384, 0.0865, 0.0106),
     Source((1.0,), 0.6422, 0.3, 0.3, 2.914, 1.185, 0.4234),
     0.6, "moffat", 3.0, (-0.0882, 0.1134)),
    (Lens(2.5, 0.2, 2.423, 0.12, 1.8512, -0.0483, 0.0837),
     Source((1.0,), 0.7495, 0.5, 0.8207, 0.0099, -2.9838, 2.0643),
     0.6, "gaussian", 4.0, (-0.1038, -0.1239)),
    (Lens(1.5, 0.39, 0.8787, 0.0, 3.0704, -0.0896, 0.0327),
     Source((1.0,), 0.6076, 0.3, 0.6375, 1.2451, 0.5037, -0.0982),
     0.8, "gaussian", 2.5, (-0.0192, -0.0627)),
])  # fmt: skip
def test_a_broad_source_with_an_edge_equals_the_oracle(lens, source, fwhm, kind, beta, center):
    """n < 1, wide, and a sharp PSF: the pixels along the edge were off by 3e-3 of the peak."""
    _check_against_oracle(lens, source, fwhm, kind, beta, center=center)


@pytest.mark.parametrize("seed", range(6))
def test_source_on_the_caustic_equals_the_oracle(seed):
    """Compact and cuspy, exactly on the caustic: the hardest flux there is."""
    rng = np.random.default_rng(seed)
    lens = Lens(rng.uniform(0.5, 4), rng.uniform(0.3, 0.9), rng.uniform(0, 3), 0.05, 1.0, 0.05, -0.08)
    x, y = caustics(lens, 100)
    k = rng.integers(100)
    source = Source(
        (1.0,), rng.uniform(0.02, 0.05), rng.uniform(4, 8), rng.uniform(0.3, 1), 0.5, float(x[k]), float(y[k])
    )
    _check_against_oracle(lens, source, rng.uniform(0.8, 1.5), "moffat", 2.85)


@pytest.mark.parametrize(("n_sersic", "kind"), [(0.6, "gaussian"), (1.0, "moffat"), (4.0, "moffat")])
def test_unlensed_source_equals_galsim(n_sersic, kind):
    source = dataclasses.replace(SOURCE, n_sersic=n_sersic, r_eff=0.4)
    psf = Psf((1.2,), kind, 3.0)
    profile = galsim.Sersic(n_sersic, half_light_radius=0.4, flux=1.0)
    profile = profile.shear(q=source.q, beta=source.phi * galsim.radians).shift(source.x, source.y)
    star = galsim.Moffat(3.0, fwhm=1.2) if kind == "moffat" else galsim.Gaussian(fwhm=1.2)
    accurate = galsim.GSParams(folding_threshold=1e-4, kvalue_accuracy=1e-6, maximum_fft_size=16384)
    truth = (
        galsim.Convolve(profile, star, gsparams=accurate)
        .drawImage(nx=64, ny=64, scale=PIXEL, method="no_pixel")
        .array
    )
    got = render(None, source, psf).image[0]
    assert _worst_pixel(got, truth) < 3e-4
    assert got.sum(dtype=float) == pytest.approx(truth.sum(dtype=float), rel=3e-4)


@pytest.mark.parametrize(("x", "y"), [(0.06, -0.09), (0.6, -0.3), (2.5, 1.0)], ids=["four", "two", "one"])
def test_magnification_is_the_source_planes_mean(x, y):
    """Of the point magnification over a Gaussian source (n = 1/2), by a product rule in polar coordinates."""
    r_eff, sigma = 0.01, 0.01 / np.sqrt(2 * np.log(2))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    share = 0.5 * (nodes + 1)  # of the source's light within the radius
    mean = 0.0
    for radius, weight in zip(sigma * np.sqrt(-2 * np.log1p(-share)), 0.5 * weights, strict=True):
        for angle in 2 * np.pi * np.arange(8) / 8:
            images = image_positions(x + radius * np.cos(angle), y + radius * np.sin(angle), LENS)
            mean += weight / 8 * np.abs(point_magnification(*images, LENS)).sum()
    source = Source((1.0,), r_eff, 0.5, 1.0, 0.0, x, y)
    assert render(LENS, source, Psf((1.0,))).magnification == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("r_eff", [0.1, 0.3])
def test_concentric_isothermal_sphere(r_eff):
    """Gaussian source (n = 1/2) behind the centre of an SIS: mu = mean of 2 theta_e / beta inside, 1 +
    theta_e / beta out.
    """
    theta_e, b = 1.0, 0.6931471805599453
    radius = np.linspace(0, 12 * r_eff, 200001)[1:]
    weight = radius * np.exp(-b * (radius / r_eff) ** 2)
    mu = np.where(radius < theta_e, 2 * theta_e / radius, 1 + theta_e / radius)
    lens, source = Lens(theta_e, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), r_eff, 0.5, 1.0, 0.0, 0.0, 0.0)
    assert render(lens, source, PSF).magnification == pytest.approx(
        (mu * weight).sum() / weight.sum(), rel=3.3e-4
    )


def test_nothing_deflected_nothing_magnified():
    source = dataclasses.replace(SOURCE, n_sersic=1.0)
    bare = render(None, source, PSF)
    assert bare.magnification == pytest.approx(1.0, abs=2e-4)
    weak = render(Lens(1e-7, 0.7, 0.5, 0.0, 0.0, 0.05, -0.08), source, PSF)
    assert _worst_pixel(weak.image, bare.image) < 1e-4


def test_shear_alone_magnifies_by_its_determinant():
    sheet = Lens(0.0, 1.0, 0.0, 0.1, 0.7, 0.0, 0.0)
    assert render(sheet, dataclasses.replace(SOURCE, n_sersic=1.0), PSF).magnification == pytest.approx(
        1 / 0.99, rel=5e-4
    )


def test_no_rows_give_no_images():
    table = {name: values[:0] for name, values in columns([(LENS, SOURCE)], (1.0,)).items()}
    assert render_batch(**table).image.shape == (0, 1, 64, 64)


def test_far_source_is_magnified_like_a_point():
    got = render(LENS, dataclasses.replace(SOURCE, x=40.0, y=0.0, n_sersic=1.0), PSF)
    # one image near theta = 41.3": 1 / det for an isothermal lens and shear
    assert got.magnification == pytest.approx(1.035, abs=0.02)
    assert got.flux_in_stamp[0] < 1e-3


@pytest.mark.parametrize(
    ("name", "seed", "index"),
    [
        *(("range", 1, k) for k in (193, 58, 218, 605, 227, 299, 644, 7)),
        *(("range", 2, k) for k in (960, 664, 1601)),
        *(("stress", 1, k) for k in (119, 396, 414, 603, 772)),
    ],
)
def test_systems_that_failed_once(name, seed, index):
    """Found by `python -m benchmarks.accuracy`: steep discs, sources on the caustic, images off the stamp."""
    found = errors(SETS[name](seed, index))
    assert is_ok(found), found
    assert found["magnification_error"] < MAGNIFICATION_BOUND
