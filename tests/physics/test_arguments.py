"""Every argument of the public calls, given every kind of nonsense: a ValueError that names it."""

import dataclasses
import math

import numpy as np
import pytest

from physics import (
    Lens,
    Psf,
    Source,
    add_poisson_noise,
    caustics,
    critical_curves,
    cut,
    deflection,
    fwhm_over_psfsize,
    image_positions,
    matched_filter_snr,
    peak_snr,
    point_magnification,
    render,
    render_batch,
)  # fmt: skip
from tests.physics.systems import columns

LENS = Lens(1.3, 0.7, 0.5, 0.04, 1.1, 0.05, -0.08)
SOURCE = Source((1.0, 2.0), 0.2, 2.0, 0.6, 0.3, 0.2, 0.1)
PSF = Psf((1.1, 1.0))
IMAGES = np.ones((2, 5, 5))
TABLE = {**columns([(LENS, SOURCE)] * 3, (1.1, 1.0)), "beta": np.full(3, 3.0)}
NOT_NUMBERS = [math.nan, math.inf, -math.inf, "1", None, True, 1j, [1.0], np.array([1.0])]


def _fields(record, but=()):
    return [f.name for f in dataclasses.fields(record) if f.name not in but]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize(("record", "name"), [
    *((LENS, n) for n in _fields(LENS)), *((SOURCE, n) for n in _fields(SOURCE, "flux")), (PSF, "beta"),
])  # fmt: skip
def test_fields_must_be_finite_numbers(record, name, value):
    with pytest.raises(ValueError, match=f"{name} must") as raised:
        dataclasses.replace(record, **{name: value})
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e9], ids=repr)
@pytest.mark.parametrize(("record", "name"), [
    (LENS, "theta_e"), (LENS, "q"), (LENS, "gamma"), (LENS, "x"), (SOURCE, "r_eff"), (SOURCE, "n_sersic"),
    (SOURCE, "q"), (SOURCE, "y"), (PSF, "beta"), (LENS, "phi"), (LENS, "phi_gamma"), (SOURCE, "phi"),
])  # fmt: skip
def test_fields_out_of_range_are_named(record, name, value):
    if (value == 0.0 and name in ("theta_e", "gamma")) or (
        value < 1 and name in ("x", "y", "phi", "phi_gamma")
    ):
        return
    with pytest.raises(ValueError, match=rf"{name} must lie in .* got {value!r}"):
        dataclasses.replace(record, **{name: value})


@pytest.mark.parametrize(
    "value", [(), 1.0, "12", None, (1.0, math.nan), (math.inf,), (-1.0,), ((1.0,),), ("a",)]
)
@pytest.mark.parametrize(("record", "name"), [(SOURCE, "flux"), (PSF, "fwhm")])
def test_bands_must_be_a_sequence_of_numbers(record, name, value):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(record, **{name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e12])
@pytest.mark.parametrize("name", list(TABLE))
def test_columns_must_be_finite_and_in_range(name, value):
    column = TABLE[name].astype(float).copy()
    column[1] = value
    with pytest.raises(ValueError, match=rf"{name}\[1(, 0)?\] must be finite and lie in .* got {value!r}"):
        render_batch(**{**TABLE, name: column})


@pytest.mark.parametrize(
    "name", ["theta_e", "q", "gamma", "flux", "r_eff", "n_sersic", "src_q", "psf_fwhm", "beta"]
)
def test_columns_must_not_be_negative(name):
    with pytest.raises(ValueError, match=rf"{name}\[0(, 0)?\] .* got -1.0"):
        render_batch(**{**TABLE, name: -np.ones_like(TABLE[name])})


@pytest.mark.parametrize("name", list(TABLE))
@pytest.mark.parametrize("spoil", [
    lambda c: c[:2], lambda c: c[:, None], lambda c: c[0], lambda c: c.astype("U8"),
    lambda c: c.astype(complex),
    lambda c: c.astype(object), lambda c: c > 0, lambda c: None, lambda c: "abc", lambda c: c.astype("M8[s]"),
], ids=["short", "deep", "flat", "text", "complex", "object", "bool", "None", "word", "dates"])  # fmt: skip
def test_columns_must_have_the_shape_and_be_numbers(name, spoil):
    bad = spoil(TABLE[name])
    if name == "theta_e" and np.shape(bad) == (2,):
        name = "flux"  # theta_e sets the length that the others must have
    if name == "beta" and np.shape(bad) == () and bad is not None and not isinstance(bad, str):
        return  # one beta for all rows
    with pytest.raises(ValueError, match=name):
        render_batch(**{**TABLE, name: bad})


@pytest.mark.parametrize(("name", "values"), [
    ("n_pix", [7, 401, 64.0, "64", None, True, math.nan, -64]),
    ("pixel_scale", [0.0, -0.262, 3.0, math.nan, math.inf, "0.262", None, [0.262]]),
    ("kind", ["airy", "", None, 1, ["moffat"], np.array(["moffat", "gaussian"])]),
])  # fmt: skip
def test_options_are_named(name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"{name} must"):
            render_batch(**{**TABLE, name: value})
        if name != "kind":
            with pytest.raises(ValueError, match=f"{name} must"):
                render(LENS, SOURCE, PSF, **{name: value})
        else:
            with pytest.raises(ValueError, match=f"{name} must"):
                Psf((1.0,), value)


@pytest.mark.parametrize("center", [
    (0.0,), (0.0, 0.0, 0.0), None, 0.0, "ab", (math.nan, 0.0), (0.0, math.inf), (0.0, 1e9), ("a", "b"),
    (None, 0.0),
    (True, 0.0),
], ids=repr)  # fmt: skip
def test_centers_are_named(center):
    with pytest.raises(ValueError, match="center"):
        render(LENS, SOURCE, PSF, center=center)


@pytest.mark.parametrize(("arguments", "name"), [
    (("lens", SOURCE, PSF), "lens"), ((SOURCE, SOURCE, PSF), "lens"), ((LENS, LENS, PSF), "source"),
    ((LENS, None, PSF), "source"), ((LENS, SOURCE, None), "psf"), ((LENS, SOURCE, (1.1, 1.0)), "psf"),
    ((LENS, SOURCE, Psf((1.0,))), "psf_fwhm|bands"),
], ids=["text", "swapped", "lens twice", "no source", "no psf", "widths", "bands"])  # fmt: skip
def test_render_names_what_is_not_a_lens_source_or_psf(arguments, name):
    with pytest.raises(ValueError, match=name):
        render(*arguments)


@pytest.mark.parametrize("name", list(TABLE))
def test_masked_values_are_named_not_used(name):
    column = np.ma.masked_array(TABLE[name], mask=np.zeros(TABLE[name].shape, bool))
    render_batch(**{**TABLE, name: column})
    column[1] = np.ma.masked
    with pytest.raises(ValueError, match=rf"{name}\[1(, 0)?\] is masked"):
        render_batch(**{**TABLE, name: column})


def test_masked_bands_images_and_signals_are_named():
    masked = np.ma.masked_array(np.ones((3, 3)), mask=np.eye(3, dtype=bool))
    with pytest.raises(ValueError, match="flux must not have masked values"):
        dataclasses.replace(SOURCE, flux=masked[0])
    with pytest.raises(ValueError, match=r"images\[0, 0, 0\] is masked"):
        Psf.from_images(masked[None])
    with pytest.raises(ValueError, match=r"signal\[0, 0\] is masked"):
        peak_snr(masked, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"x\[0, 0\] is masked"):
        deflection(masked, 0.0, LENS)


@pytest.mark.parametrize("name", ["images", "psf_image"])
def test_psf_images_that_cancel_are_refused_by_name(name):
    """Divided by a sum of 1e-16 of its parts, an image is noise."""
    images = np.zeros((2, 5, 5))
    images[:, 2, 2], images[:, 2, 3] = 1.0, -1.0
    images[1, 2, 2] += 1e-16 + 1e-9
    table = {k: v for k, v in TABLE.items() if k != "psf_fwhm"}
    with pytest.raises(ValueError, match=rf"^{name}\[0\] must have a positive sum, more than 0.1"):
        Psf.from_images(images) if name == "images" else render_batch(**table, psf_image=images)


@pytest.mark.parametrize(("call", "name"), [
    (lambda bad: Psf.from_psfsize(bad), "^psfsize"),
    (lambda bad: Psf.from_images(bad), "^images"),
    (
        lambda bad: render_batch(**{k: v for k, v in TABLE.items() if k != "psf_fwhm"}, psf_image=bad),
        "^psf_image",
    ),
], ids=["from_psfsize", "from_images", "psf_image"])  # fmt: skip
@pytest.mark.parametrize("bad", [
    1.0, "abc", (), np.nan * IMAGES, -IMAGES, 0 * IMAGES, IMAGES.astype(complex), IMAGES[:, :4, :4], [[1.0]],
])  # fmt: skip
def test_psfs_are_named(call, name, bad):
    with pytest.raises(ValueError, match=name):
        call(bad)


@pytest.mark.parametrize(("call", "name"), [
    (lambda: Psf.from_psfsize((1.0,), beta=math.nan), "beta"),
    (lambda: Psf.from_psfsize((1.0,), kind="x"), "kind"),
    (lambda: Psf.from_images(IMAGES, pixel_scale=-1.0), "pixel_scale"),
    (lambda: fwhm_over_psfsize("airy"), "kind"), (lambda: fwhm_over_psfsize("moffat", 0.5), "beta"),
    (lambda: fwhm_over_psfsize("moffat", math.nan), "beta"),
    (lambda: caustics(LENS, 2), "n must"), (lambda: critical_curves(LENS, 3.5), "n must"),
    (lambda: cut(LENS, -1), "n must"),
    (lambda: image_positions(math.nan, 0.0, LENS), "source_x"),
    (lambda: image_positions(0.0, "a", LENS), "source_y"),
    (lambda: deflection("a", 0.0, LENS), "x"), (lambda: deflection(0.0, np.array([np.inf]), LENS), "y"),
    (lambda: deflection(np.zeros(2), np.zeros(3), LENS), "x and y"), (lambda: deflection(1j, 0.0, LENS), "x"),
    (lambda: point_magnification(np.nan, 0.0, LENS), "x"),
    (lambda: point_magnification(0.0, None, LENS), "y"),
    (lambda: deflection(0.0, 0.0, None), "lens"), (lambda: caustics("lens"), "lens"),
    (lambda: image_positions(0.0, 0.0, SOURCE), "lens"), (lambda: cut(SOURCE), "lens"),
])  # fmt: skip
def test_analysis_names_its_arguments(call, name):
    with pytest.raises(ValueError, match=name):
        call()


GOOD = np.ones((3, 3))


@pytest.mark.parametrize("bad", [
    np.full((3, 3), np.nan), np.full((3, 3), np.inf), -GOOD, GOOD[:2], GOOD.astype("U3"), GOOD * 1j,
    None, "abc",
    GOOD.astype(object), GOOD > 0,
], ids=["nan", "inf", "negative", "shape", "text", "complex", "None", "word", "object", "bool"])  # fmt: skip
@pytest.mark.parametrize("function", [matched_filter_snr, peak_snr,
                                      lambda s, w: add_poisson_noise(s, w, 10.0, 1)],
                         ids=["matched filter", "peak", "noise"])  # fmt: skip
def test_metrics_name_signal_and_invvar(function, bad):
    with pytest.raises(ValueError, match="invvar"):
        function(GOOD, bad)
    signal_may_be_negative = function in (matched_filter_snr, peak_snr) and bad is not None
    if np.shape(bad) == (2, 3):
        with pytest.raises(ValueError, match="invvar must have shape"):
            function(bad, GOOD)
    elif not (signal_may_be_negative and np.array_equal(bad, -GOOD)):
        with pytest.raises(ValueError, match="signal"):
            function(bad, GOOD)


@pytest.mark.parametrize("good", [np.ones((3, 3)), np.ones((2, 3), bool), "yes", 1, np.full((3, 3), None)])
def test_metrics_name_the_mask(good):
    for function in (matched_filter_snr, peak_snr):
        with pytest.raises(ValueError, match="good must be a boolean array"):
            function(GOOD, GOOD, good)


@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf, "1", None, [1.0], 1j, True], ids=repr)
def test_gains_are_named(gain):
    with pytest.raises(ValueError, match="gain must"):
        add_poisson_noise(GOOD, GOOD, gain, 1)


@pytest.mark.parametrize("rng", [-1, 1.5, "seed", None, math.nan, True], ids=repr)
def test_seeds_are_named(rng):
    with pytest.raises(ValueError, match="rng must"):
        add_poisson_noise(GOOD, GOOD, 10.0, rng)


def test_too_many_photons_are_named():
    with pytest.raises(ValueError, match="gain"):
        add_poisson_noise(1e12 * GOOD, GOOD, 1e12, 1)
