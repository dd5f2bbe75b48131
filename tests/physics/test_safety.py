"""The whole accepted range: finite, positive and bounded, or a ValueError, whatever is combined."""

import dataclasses
import itertools

import numpy as np
import pytest

from physics import Lens, Psf, Source, caustics, cut, render

PIXEL = 0.262
LENS = Lens(1.3, 0.7, 0.5, 0.04, 1.1, 0.05, -0.08)
SOURCE = Source((1.0,), 0.2, 2.0, 0.6, 0.3, 0.2, 0.1)
PSF = Psf((0.8,), beta=2.5)
#: The render's error bound, and the ring of a wing's Fourier series below zero.
MAGNIFICATION_ERROR, RIPPLE = 1e-3, 1e-4


def _check(lens, source, psf=PSF, *, least=None, **frame):
    got = render(lens, source, psf, **frame)
    n_pix = frame.get("n_pix", 64)
    assert got.image.shape == (1, n_pix, n_pix)
    assert got.image.dtype == np.float32
    assert np.isfinite(got.image).all()
    assert np.isfinite(got.flux_in_stamp).all()
    # the peak a star of all this light would have bounds any pixel, and what is called zero
    width = psf.fwhm[0]
    star = got.magnification * min(1.0, 2.0 * (frame.get("pixel_scale", PIXEL) / width) ** 2)
    assert -RIPPLE * star <= got.image.min()
    assert got.image.max() <= star
    gamma = 0.0 if lens is None else lens.gamma
    least = 1 / (1 - gamma**2) if least is None else least
    assert got.magnification >= least * (1 - MAGNIFICATION_ERROR)
    assert -RIPPLE <= got.flux_in_stamp[0] <= 1 + MAGNIFICATION_ERROR
    assert got.flux_in_stamp[0] == pytest.approx(got.image.sum(dtype=float) / got.magnification, abs=1e-5)
    return got


def _places(lens):
    """Where a source can be: name -> (x, y)."""
    on_caustic, on_cut = caustics(lens, 16), cut(lens, 16)
    return {
        "lens": (lens.x, lens.y),
        "caustic": (float(on_caustic[0][3]), float(on_caustic[1][3])),
        "cusp": (float(on_caustic[0][0]), float(on_caustic[1][0])),
        "cut": (float(on_cut[0][5]), float(on_cut[1][5])),
        "pixel corner": (PIXEL, PIXEL),
        "edge": (32 * PIXEL, 0.0),
        "outside": (20.0, -20.0),
        "far": (300.0, 400.0),
    }


SHAPES = {
    "round": {"q": 1.0, "gamma": 0.0},
    "round, sheared": {"q": 1.0, "gamma": 0.1},
    "plain": {},
    "flat": {"q": 0.1, "gamma": 0.0},
    "flat, sheared": {"q": 0.1, "gamma": 0.3},
    "cancelling": {"q": 0.5625, "gamma": 0.1875, "phi": 0.0, "phi_gamma": 0.0},
    "nearly round": {"q": 1 - 1e-9, "gamma": 1e-12},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("theta_e", [1e-9, 1e-3 * PIXEL, 0.1, 1.3, 5.0, 60.0])
def test_any_lens_with_the_source_anywhere(shape, theta_e):
    lens = dataclasses.replace(LENS, theta_e=theta_e, **SHAPES[shape])
    for x, y in _places(lens).values():
        _check(lens, dataclasses.replace(SOURCE, x=x, y=y))


@pytest.mark.parametrize("place", ["lens", "caustic", "cut", "pixel corner", "edge"])
@pytest.mark.parametrize("r_eff", [0.02, 1.0, 100.0])
def test_any_source_anywhere(place, r_eff):
    x, y = _places(LENS)[place]
    for n_sersic, q in itertools.product((0.5, 1.0, 4.0, 8.0, 10.0), (0.1, 1.0)):
        _check(LENS, dataclasses.replace(SOURCE, r_eff=r_eff, n_sersic=n_sersic, q=q, x=x, y=y))


@pytest.mark.parametrize(("theta_e", "r_eff", "n_sersic", "q"), [
    (0.3, 0.05, 0.3, 1.0), (3.0, 0.05, 1.0, 0.1), (3.0, 1.0, 4.0, 1.0), (3.0, 0.02, 4.0, 1.0),
    (0.3, 1e-3, 2.0, 1.0), (60.0, 0.5, 1.0, 1.0),
])  # fmt: skip
def test_exact_rings(theta_e, r_eff, n_sersic, q):
    """Every cell along the ring splits: work lists are at their fullest."""
    lens = Lens(theta_e, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    source = dataclasses.replace(SOURCE, r_eff=r_eff, n_sersic=n_sersic, q=q, x=0.0, y=0.0)
    _check(lens, source, least=1.0)


@pytest.mark.parametrize("kind", ["moffat", "gaussian"])
@pytest.mark.parametrize("n_pix", [8, 9, 21, 64, 101, 400])
def test_any_stamp_and_psf(kind, n_pix):
    """The broadest accepted PSF is a quarter of the stamp; beyond, the refusal names it."""
    for scale in (0.05, 0.262, 0.9):
        for pixels in (2.0, 4.0, 0.25 * n_pix):
            if pixels <= 0.25 * n_pix:
                for center in ((0.0, 0.0), (0.49 * scale, -0.5 * scale), (50.0, -100.0)):
                    psf = Psf((pixels * scale,), kind, beta=1.5 if n_pix == 21 else 2.5)
                    _check(LENS, SOURCE, psf, n_pix=n_pix, pixel_scale=scale, center=center)
        with pytest.raises(ValueError, match=r"psf_fwhm\[0, 0\] .* got"):
            render(LENS, SOURCE, Psf((0.26 * n_pix * scale,), kind), n_pix=n_pix, pixel_scale=scale)


@pytest.mark.parametrize("lens", [None, Lens.none(), Lens(0.0, 0.3, 0.0, 0.2, 0.7, 0.0, 0.0),
                                  dataclasses.replace(LENS, x=60.0, y=-60.0)],
                         ids=["no lens", "none", "sheet", "lens far away"])  # fmt: skip
@pytest.mark.parametrize("r_eff", [0.02, 0.3, 100.0])
def test_without_a_lens_in_sight(lens, r_eff):
    for n_sersic in (0.5, 1.0, 8.0):
        _check(lens, dataclasses.replace(SOURCE, r_eff=r_eff, n_sersic=n_sersic))


def test_no_flux_is_no_light():
    got = render(LENS, dataclasses.replace(SOURCE, flux=(0.0,)), PSF)
    assert (got.image == 0).all()
    assert got.magnification > 1


@pytest.mark.parametrize(
    ("r_eff", "n_sersic", "q", "x", "y"),
    [(0.02, 0.3, 0.1, 8.384, 0.0), (1e-3, 0.3, 0.6, 0.2, 0.1), (1e-3, 0.5, 0.1, 0.05, -0.08)],
)
def test_compact_discs_are_not_lost(r_eff, n_sersic, q, x, y):
    """Their light ends so steeply that a cell which holds all of it may be dark at its centre."""
    _check(LENS, dataclasses.replace(SOURCE, r_eff=r_eff, n_sersic=n_sersic, q=q, x=x, y=y))
