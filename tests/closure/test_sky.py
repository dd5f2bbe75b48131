"""The sky closure's prediction against GalSim, and its fit against stamps whose defect is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import galsim
import numpy as np
import pytest

from closure import CatalogueSource, PsfModel, fit, orientation, predict

N_PIX, SCALE, SIGMA = 64, 0.262, 0.02
CENTER = (0.07, -0.11)
PSF = PsfModel.of_psfsize(1.3, "moffat", 2.85)
HOST = CatalogueSource(0.0, 0.0, 1.4, 4.0, 0.15, 0.4, (40.0,))
NEIGHBOUR = CatalogueSource(4.6, -2.9, 0.5, 1.0, 0.3, 2.0, (8.0,))
STAR = CatalogueSource(-5.0, -5.4, 0.0, 1.0, 0.0, 0.0, (12.0,))
FIELD = (HOST, NEIGHBOUR, STAR)


def by_galsim(source: CatalogueSource, n_pix: int = N_PIX) -> np.ndarray:
    """The same source: q = b/a on the axis of r_eff, drawn without a pixel, for the PSF holds it."""
    psf = galsim.Moffat(beta=PSF.beta, fwhm=PSF.fwhm)
    light: galsim.GSObject = psf
    if source.r_eff:
        q = (1 - source.e) / (1 + source.e)
        profile = galsim.Sersic(n=source.n_sersic, half_light_radius=source.r_eff * math.sqrt(q))
        light = galsim.Convolve(profile.shear(q=q, beta=source.phi * galsim.radians), psf)
    light = light.withFlux(source.flux[0]).shift(source.x + CENTER[0], source.y + CENTER[1])
    drawn = light.drawImage(nx=n_pix, ny=n_pix, scale=SCALE, method="no_pixel", dtype=np.float64)
    return np.asarray(drawn.array)


@pytest.mark.parametrize("source", [HOST, NEIGHBOUR, STAR], ids=["de Vaucouleurs", "disc", "star"])
def test_a_source_is_what_galsim_draws(source: CatalogueSource) -> None:
    ours, theirs = predict([source], [PSF], N_PIX, SCALE, CENTER)[0], by_galsim(source)
    assert np.abs(ours - theirs).max() < 0.01 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.01)


def test_sources_beyond_the_edge_spill_into_the_stamp() -> None:
    outside = CatalogueSource(9.5, 0.0, 0.0, 1.0, 0.0, 0.0, (100.0,))
    spilt = predict([outside], [PSF], N_PIX, SCALE, CENTER)[0]
    assert spilt[:, -1].max() == pytest.approx(by_galsim(outside)[:, -1].max(), rel=0.05)


def sky(seed: int = 1, sources: tuple[CatalogueSource, ...] = FIELD) -> np.ndarray:
    """A stamp of the field by GalSim, with noise."""
    noise = np.random.default_rng(seed).normal(0, SIGMA, (N_PIX, N_PIX))
    return sum((by_galsim(source) for source in sources), noise)


@pytest.fixture(scope="module")
def predicted() -> np.ndarray:
    return predict(FIELD, [PSF], N_PIX, SCALE, CENTER)


def test_a_stamp_as_it_should_be_is_found_so(predicted: np.ndarray) -> None:
    found = fit(sky(), predicted[0], SIGMA, SCALE)
    assert abs(found.light - 1) < 0.02
    assert math.hypot(found.x, found.y) < 0.02
    assert abs(found.level) < 0.15
    assert found.slope < 0.3
    assert 0.9 < found.scatter < 1.1
    assert found.light_error < 0.02 and found.place_error < 0.02


AXIS = (np.arange(N_PIX) - (N_PIX - 1) / 2) / N_PIX


@pytest.mark.parametrize(
    ("change", "quantity", "value", "within"),
    [
        (lambda raw: 1.5 * raw, "light", 1.5, 0.03),
        (lambda raw: 0 * raw, "light", 0.0, 0.01),
        (lambda raw: sky(2, ()), "light", 0.0, 0.02),
        (lambda raw: raw + 5 * SIGMA, "level", 5.0, 0.2),
        (lambda raw: raw + 3 * SIGMA * AXIS[None, :], "slope", 3.0, 0.3),
        (lambda raw: raw + sky(2, ()), "scatter", math.sqrt(2), 0.1),
        (lambda raw: np.roll(raw, 1, axis=1), "x", SCALE, 0.06),
        (lambda raw: np.roll(raw, -1, axis=0), "y", -SCALE, 0.06),
    ],
    ids=[
        "brighter",
        "blank",
        "noise alone",
        "pedestal",
        "gradient",
        "noise twice",
        "a pixel right",
        "a pixel down",
    ],
)
def test_a_defect_is_measured(
    predicted: np.ndarray,
    change: Callable[[np.ndarray], np.ndarray],
    quantity: str,
    value: float,
    within: float,
) -> None:
    assert getattr(fit(change(sky()), predicted[0], SIGMA, SCALE), quantity) == pytest.approx(
        value, abs=within
    )


def test_a_stamp_that_lies_right_is_told_from_the_seven_other_ways(predicted: np.ndarray) -> None:
    raw = sky()
    own = orientation(raw[None], predicted, [SIGMA])
    assert own is not None and own > 0.9
    for turns in range(4):
        for mirrored in (raw, raw.T):
            turned = np.rot90(mirrored, turns)
            if turned is not raw and not (turns == 0 and mirrored is raw):
                found = orientation(turned[None], predicted, [SIGMA])
                assert found is not None and found < -0.8


def test_a_round_host_alone_does_not_tell() -> None:
    lone = (CatalogueSource(0.0, 0.0, 1.4, 4.0, 0.0, 0.0, (40.0,)),)
    alone = predict(lone, [PSF], N_PIX, SCALE, (0.0, 0.0))
    assert orientation(sky(1, lone)[None], alone, [SIGMA]) is None


def test_nothing_predicted_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="nothing is predicted"):
        fit(sky(), np.zeros((N_PIX, N_PIX)), SIGMA, SCALE)
