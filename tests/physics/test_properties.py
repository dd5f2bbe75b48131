"""What holds of every system, whatever its parameters."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physics import Lens, Psf, Source, render, render_batch
from tests.physics.oracle import sersic
from tests.physics.sets import SETS
from tests.physics.systems import PIXEL, columns, random_systems

PSF = Psf((1.1,))
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _exact(index):
    """A system of exact values that has a peak in the stamp."""
    case = SETS["exact"](1, index)
    return (case.lens, case.source) if case.place != "edge" else _exact(index + 1)


seeds = st.integers(0, 10**6)
lenses = st.builds(
    Lens, st.sampled_from([0.0, 1e-3, 0.01]), st.sampled_from([0.1, 0.9999, 1.0]), st.just(0.0),
    st.sampled_from([0.0, 0.12]), st.just(0.0), st.just(0.0), st.just(0.0),
)  # fmt: skip
sources = st.builds(
    Source, st.just((1.0,)), st.sampled_from([0.02, 0.1, 1.0]), st.sampled_from([0.3, 1.0, 6.0, 8.0]),
    st.sampled_from([0.1, 1.0]), st.sampled_from([0.0, 0.5 * np.pi]), st.sampled_from([0.0, 0.25 * PIXEL]),
    st.sampled_from([0.0, PIXEL]),
)  # fmt: skip
systems = st.one_of(
    seeds.map(lambda seed: next(iter(random_systems(1, seed)))), seeds.map(_exact), st.tuples(lenses, sources)
)
fractions = st.one_of(st.sampled_from([0.0, 0.5, -0.5]), st.floats(-0.5, 0.5))
subpixel = st.tuples(fractions, fractions)


def _worst_pixel(image, truth):
    return np.abs(image - truth).max() / truth.max()


def _rotated(lens, source, angle):
    c, s = np.cos(angle), np.sin(angle)

    def turn(p):
        return {"x": c * p.x - s * p.y, "y": s * p.x + c * p.y, "phi": p.phi + angle}

    return (
        dataclasses.replace(lens, **turn(lens), phi_gamma=lens.phi_gamma + angle),
        dataclasses.replace(source, **turn(source)),
    )


@few
@given(systems)
def test_quarter_turn(system):
    image = render(*system, PSF).image[0]
    turned = render(*_rotated(*system, np.pi / 2), PSF).image[0]
    assert _worst_pixel(turned, np.rot90(image, -1)) < 5e-5  # row j is y: x -> -y is numpy's clockwise turn


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
    assert _worst_pixel(flipped, image[::-1]) < 5e-5


@few
@given(systems, st.floats(-3, 3))
def test_magnification_does_not_depend_on_orientation(system, angle):
    straight, turned = render(*system, PSF), render(*_rotated(*system, angle), PSF)
    assert turned.magnification == pytest.approx(straight.magnification, rel=1e-3)


@few
@given(systems, st.integers(1, 4), st.integers(1, 4))
def test_shift_by_whole_pixels(system, right, up):
    image = render(*system, PSF).image[0]
    # a host moved by (-right, up) pixels takes the light with it: x = column - cx
    moved = render(*system, PSF, center=(-right * PIXEL, up * PIXEL)).image[0]
    assert np.abs(moved[up:, :-right] - image[:-up, right:]).max() < 5e-4 * image.max()


@few
@given(systems, subpixel)
def test_flux_does_not_depend_on_the_subpixel_position(system, shift):
    first = render(*system, PSF)
    second = render(*system, PSF, center=(shift[0] * PIXEL, shift[1] * PIXEL))
    assert second.magnification == pytest.approx(first.magnification, rel=5e-4)


@few
@given(systems, subpixel)
def test_magnification_is_at_least_that_of_the_sheet_and_light_is_positive(system, shift):
    got = render(*system, PSF, center=(shift[0] * PIXEL, shift[1] * PIXEL))
    # any SIE adds to the image of the sheet: mu > 1 / (1 - gamma^2) >= 1, and none leaves it as it is
    least = 1 / (1 - system[0].gamma ** 2)
    assert got.magnification > least * (1 if system[0].theta_e > 0.01 else 1 - 5e-4)
    assert got.image.min() > -3e-5 * got.image.max()
    assert 0 < got.flux_in_stamp[0] <= 1


@few
@given(systems, st.floats(0.6, 2.5), st.floats(0.6, 2.5), st.sampled_from([2.5, 2.85, 4.0]))
def test_bands_share_the_magnification(system, first, second, beta):
    lens, source = system
    both = render(lens, dataclasses.replace(source, flux=(1.0, 7.0)), Psf((first, second), beta=beta))
    alone = render(lens, source, Psf((second,), "gaussian"))
    assert both.magnification == pytest.approx(alone.magnification, rel=5e-4)
    assert both.image.shape == (2, 64, 64)


@few
@given(systems, st.floats(1e-6, 1e6))
def test_image_is_linear_in_flux(system, flux):
    lens, source = system
    psf = Psf((1.1, 1.4))
    one = render(lens, dataclasses.replace(source, flux=(1.0, 1.0)), psf)
    many = render(lens, dataclasses.replace(source, flux=(flux, 0.0)), psf)
    np.testing.assert_allclose(many.image[0], flux * one.image[0].astype(float), rtol=1e-6, atol=1e-30)
    assert (many.image[1] == 0).all()
    np.testing.assert_array_equal(many.flux_in_stamp, one.flux_in_stamp)
    share = one.image.sum((1, 2), dtype=float) / one.magnification
    assert many.flux_in_stamp == pytest.approx(share, rel=1e-5)


@few
@given(systems)
def test_brightness_never_exceeds_the_sources(system):
    """Lensing moves light, it does not brighten it, and the PSF only dims."""
    source = dataclasses.replace(system[1], n_sersic=0.5 + 0.1 * system[1].n_sersic)
    image = render(system[0], source, PSF).image[0]
    assert image.max() <= sersic(np.zeros(1), source)[0] * PIXEL**2 * (1 + 1e-4)


@few
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_any_split_of_the_rows_gives_the_same_bytes(seed, cut, backwards):
    table = _table(seed)
    whole = render_batch(**table)
    parts = [{k: v[rows] for k, v in table.items()} for rows in (slice(cut), slice(cut, None))]
    if backwards:
        parts.reverse()
    images = [render_batch(**part).image for part in parts]
    if backwards:
        images.reverse()
    assert np.concatenate(images).tobytes() == whole.image.tobytes()


def _table(seed):
    """Seven rows of mixed PSFs."""
    rng = np.random.default_rng(seed)
    table = columns(list(random_systems(7, seed)), (1.0,), center=(0.03, -0.05))
    return {**table, "psf_fwhm": rng.choice([0.6, 1.0, 1.3, 2.5], (7, 1)), "beta": rng.choice([2.5, 3.0], 7)}


@pytest.mark.parametrize("seed", [1, 2])
def test_batch_is_bit_for_bit_the_single_render(seed):
    table = _table(seed)
    batch = render_batch(**table)
    for i, (lens, source) in enumerate(random_systems(7, seed)):
        psf = Psf((float(table["psf_fwhm"][i, 0]),), beta=float(table["beta"][i]))
        single = render(lens, source, psf, center=(0.03, -0.05))
        assert single.image.tobytes() == batch.image[i].tobytes()
        assert single.magnification == batch.magnification[i]
        np.testing.assert_array_equal(single.flux_in_stamp, batch.flux_in_stamp[i])


@few
@given(systems)
def test_a_vanishing_lens_leaves_the_source(system):
    lens, source = system
    weak = dataclasses.replace(lens, theta_e=1e-7, gamma=0.0)
    bare, got = render(None, source, PSF), render(weak, source, PSF)
    assert _worst_pixel(got.image, bare.image) < 3e-4
    assert got.magnification == pytest.approx(1.0, abs=5e-4)
