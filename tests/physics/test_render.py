import dataclasses

import galsim
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physics import Lens, Psf, Source, caustics, render, render_batch
from tests.physics.oracle import render_oracle
from tests.physics.systems import PIXEL, columns, random_systems

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


@pytest.mark.parametrize("seed", range(6))
def test_random_system_equals_the_oracle(seed):
    rng = np.random.default_rng(seed)
    ((lens, source),) = random_systems(1, seed)
    kind = ("moffat", "gaussian")[seed % 2]
    _check_against_oracle(lens, source, rng.uniform(0.8, 2.0), kind, rng.uniform(2.5, 4.0))


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
], ids=["fold", "off-centre", "ring", "101 px"])  # fmt: skip
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
], ids=["q 0.1", "0.6 moffat", "0.6 gaussian", "2.5 moffat", "2.5 gaussian", "small", "large",
        "disc"])  # fmt: skip
def test_ends_of_the_range_equal_the_oracle(lens, source, fwhm, kind, beta):
    _check_against_oracle(lens, source, fwhm, kind, beta)


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
        (mu * weight).sum() / weight.sum(), rel=4e-4
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


def _rotated(lens, source, angle):
    c, s = np.cos(angle), np.sin(angle)

    def turn(p):
        return {"x": c * p.x - s * p.y, "y": s * p.x + c * p.y, "phi": p.phi + angle}

    return (
        dataclasses.replace(lens, **turn(lens), phi_gamma=lens.phi_gamma + angle),
        dataclasses.replace(source, **turn(source)),
    )


few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
systems = st.integers(0, 10**6).map(lambda seed: next(iter(random_systems(1, seed))))


@few
@given(systems)
def test_quarter_turn(system):
    image = render(*system, PSF).image[0]
    turned = render(*_rotated(*system, np.pi / 2), PSF).image[0]
    assert _worst_pixel(turned, np.rot90(image, -1)) < 3e-4  # row j is y: x -> -y is numpy's clockwise turn


@few
@given(systems)
def test_mirror(system):
    lens, source = system
    image = render(lens, source, PSF).image[0]
    flipped = render(
        dataclasses.replace(lens, phi=-lens.phi, phi_gamma=-lens.phi_gamma, y=-lens.y),
        dataclasses.replace(source, phi=-source.phi, y=-source.y),
        PSF,
    ).image[0]
    assert _worst_pixel(flipped, image[::-1]) < 3e-4


@few
@given(systems, st.floats(-3, 3))
def test_magnification_and_flux_do_not_depend_on_orientation(system, angle):
    straight, turned = render(*system, PSF), render(*_rotated(*system, angle), PSF)
    assert turned.magnification == pytest.approx(straight.magnification, rel=7e-4)


@few
@given(systems)
def test_shift_by_whole_pixels(system):
    lens, source = system
    image = render(lens, source, PSF).image[0]
    moved = render(lens, source, PSF, center=(-3 * PIXEL, 2 * PIXEL)).image[0]
    assert np.abs(moved[2:, :-3] - image[:-2, 3:]).max() < 4e-4 * image.max()


@few
@given(systems, st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)))
def test_flux_does_not_depend_on_the_subpixel_position(system, shift):
    first = render(*system, PSF)
    second = render(*system, PSF, center=(shift[0] * PIXEL, shift[1] * PIXEL))
    assert second.magnification == pytest.approx(first.magnification, rel=5e-4)


@few
@given(systems)
def test_magnification_is_at_least_one_and_light_is_positive(system):
    got = render(*system, PSF)
    assert got.magnification >= 1 / (1 - system[0].gamma ** 2) - 5e-4
    assert got.image.min() > -1e-5 * got.image.max()
    assert 0 < got.flux_in_stamp[0] <= 1


def test_flux_scales_the_image_band_by_band():
    one = render(LENS, dataclasses.replace(SOURCE, flux=(1.0, 1.0)), Psf((1.1, 1.4)))
    many = render(LENS, dataclasses.replace(SOURCE, flux=(3.0, 0.0)), Psf((1.1, 1.4)))
    np.testing.assert_allclose(many.image[0], 3 * one.image[0], rtol=1e-6)
    assert (many.image[1] == 0).all()
    np.testing.assert_array_equal(many.flux_in_stamp, one.flux_in_stamp)
    assert many.flux_in_stamp == pytest.approx(
        one.image.sum((1, 2), dtype=float) / one.magnification, rel=1e-5
    )


def test_batch_is_bit_for_bit_the_single_render():
    pairs = list(random_systems(5, 11))
    table = columns(pairs, (1.0,), center=(0.03, -0.05))
    table["psf_fwhm"] = np.array([[1.0], [1.0], [1.3], [1.0], [0.9]])
    table["beta"] = np.array([2.5, 3.0, 2.5, 2.5, 3.0])
    batch = render_batch(**table)
    for i, (lens, source) in enumerate(pairs):
        psf = Psf((float(table["psf_fwhm"][i, 0]),), beta=float(table["beta"][i]))
        single = render(lens, source, psf, center=(0.03, -0.05))
        assert single.image.tobytes() == batch.image[i].tobytes()
        assert single.magnification == batch.magnification[i]
        np.testing.assert_array_equal(single.flux_in_stamp, batch.flux_in_stamp[i])


def test_no_rows_give_no_images():
    table = {name: values[:0] for name, values in columns([(LENS, SOURCE)], (1.0,)).items()}
    assert render_batch(**table).image.shape == (0, 1, 64, 64)


@pytest.mark.parametrize(("lens", "source"), [
    (Lens(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.001, 8.0, 1.0, 0.0, 0.0, 0.0)),
    (Lens(3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.05, 10.0, 0.1, 0.0, 0.0, 0.0)),
    (Lens(1.0, 0.2, 0.0, 0.5, 1.0, 0.0, 0.0), Source((1.0,), 5.0, 6.0, 1.0, 0.0, 0.0, 0.0)),
    (Lens(60.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0), Source((1.0,), 0.1, 1.0, 1.0, 0.0, 10.0, 10.0)),
    (LENS, dataclasses.replace(SOURCE, x=150.0, y=-90.0)),
    (Lens(1.0, 0.7, 0.0, 0.0, 0.0, 200.0, 0.0), SOURCE),
    (Lens(1e-9, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0), dataclasses.replace(SOURCE, x=0.0, y=0.0)),
    (Lens(1.0, 0.7, 0.0, 0.0, 0.0, 0.131, 0.131), dataclasses.replace(SOURCE, x=0.131, y=0.131)),
], ids=["point ring", "cusp ring", "extreme", "cluster", "far source", "far lens", "0", "edge"])  # fmt: skip
def test_corners_of_parameter_space_are_finite(lens, source):
    got = render(lens, source, Psf((0.8,), beta=2.5))
    assert np.isfinite(got.image).all()
    assert got.magnification > 0.99
    assert -1e-3 < got.flux_in_stamp[0] < 1.001


def test_far_source_is_magnified_like_a_point():
    got = render(LENS, dataclasses.replace(SOURCE, x=40.0, y=0.0, n_sersic=1.0), PSF)
    # one image near theta = 41.3": 1 / det for an isothermal lens and shear
    assert got.magnification == pytest.approx(1.035, abs=0.02)
    assert got.flux_in_stamp[0] < 1e-3


@pytest.mark.parametrize(("change", "message"), [
    ({"theta_e": np.array([np.nan])}, r"theta_e\[0\] must be finite"),
    ({"q": np.array([0.7, 0.7])}, r"q must have shape \(1,\)"),
    ({"r_eff": np.array([-1.0])}, r"r_eff\[0\]"),
    ({"phi": np.array(["a"])}, "phi must be an array of real numbers"),
    ({"flux": np.array([1.0])}, r"flux must have shape \(n, band\)"),
    ({"flux": np.array([[-1.0]])}, r"flux\[0, 0\]"),
    ({"psf_fwhm": np.array([[0.0]])}, r"psf_fwhm\[0, 0\]"),
    ({"psf_fwhm": np.array([[20.0]])}, r"psf_fwhm\[0, 0\] .* got 20.0"),
    ({"psf_fwhm": np.array([[1.0, 1.0]])}, "psf_fwhm must have shape"),
    ({"kind": "airy"}, "kind must be one of"),
    ({"beta": 0.5}, r"beta\[0\]"),
    ({"n_pix": 4}, "n_pix"),
    ({"n_pix": 64.0}, "n_pix must be an integer"),
    ({"pixel_scale": float("inf")}, "pixel_scale must be finite"),
    ({"theta_e": 1.0}, "theta_e must be a column"),
])  # fmt: skip
def test_bad_columns_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        render_batch(**{**columns([(LENS, SOURCE)], (1.0,)), **change})


def test_bad_center_is_refused():
    with pytest.raises(ValueError, match="center"):
        render(LENS, SOURCE, PSF, center=(0.0,))
