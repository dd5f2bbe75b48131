import dataclasses

import numpy as np
import pytest

from physics import Psf, add_poisson_noise, matched_filter_snr, peak_snr, render
from tests.physics.sets import SETS

SIGNAL = np.array([[0.0, 3.0], [4.0, 1.0]])
INVVAR = np.array([[1.0, 1.0], [4.0, 0.0]])


def test_closed_forms():
    assert matched_filter_snr(SIGNAL, INVVAR) == pytest.approx(np.sqrt(9 + 64))
    assert peak_snr(SIGNAL, INVVAR) == pytest.approx(8.0)


def test_masked_pixels_do_not_count():
    good = np.array([[True, True], [False, True]])
    assert matched_filter_snr(SIGNAL, INVVAR, good) == pytest.approx(3.0)
    assert peak_snr(SIGNAL, INVVAR, good) == pytest.approx(3.0)
    assert peak_snr(SIGNAL, INVVAR, np.zeros((2, 2), bool)) == 0.0


def test_poisson_noise_has_the_stated_mean_and_variance():
    signal = np.full((300, 300), 0.02)
    invvar = np.full((300, 300), 1e4)
    noisy, updated = add_poisson_noise(signal, invvar, gain=5000.0, rng=7)
    assert noisy.mean() == pytest.approx(0.02, abs=4 * np.sqrt(0.02 / 5000) / 300)
    assert noisy.var() == pytest.approx(0.02 / 5000, rel=0.03)
    assert updated == pytest.approx(1 / (1e-4 + 0.02 / 5000))


def test_same_seed_same_noise_and_no_data_stays_no_data():
    first = add_poisson_noise(SIGNAL, INVVAR, 100.0, 3)
    second = add_poisson_noise(SIGNAL, INVVAR, 100.0, np.random.Generator(np.random.Philox(3)))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1][1, 1] == 0.0
    assert (add_poisson_noise(SIGNAL, INVVAR, 100.0, 4)[0] != first[0]).any()


@pytest.mark.parametrize("name", SETS)
def test_noise_takes_whatever_is_rendered(name):
    """Images ring below zero: by 1.4e-5 of the peak, and by all of it where all light is beside the stamp."""
    rang = 0
    for index in range(60):
        case = SETS[name](3, index)
        psf = Psf((case.fwhm,), case.kind, case.beta)
        source = dataclasses.replace(case.source, flux=(30.0,))
        signal = render(case.lens, source, psf, n_pix=case.n_pix, center=case.center).image[0]
        noisy, _ = add_poisson_noise(signal, np.ones(signal.shape), 5000.0, 1)
        assert noisy.min() >= 0
        rang += int(signal.min() < -1e-6 * signal.max())
    assert rang > 0


@pytest.mark.parametrize(("call", "message"), [
    (lambda: matched_filter_snr(SIGNAL, INVVAR[:1]), "invvar must have shape"),
    (lambda: matched_filter_snr(SIGNAL * np.nan, INVVAR), "signal must be finite"),
    (lambda: peak_snr(SIGNAL, -INVVAR), "invvar must not be negative"),
    (lambda: peak_snr(SIGNAL, INVVAR, np.ones((2, 2))), "good must be a boolean"),
    (lambda: add_poisson_noise(SIGNAL, INVVAR, 0.0, 1), "gain must be positive"),
    (lambda: add_poisson_noise(-SIGNAL, INVVAR, 1.0, 1), "signal must not be negative"),
    (lambda: add_poisson_noise(SIGNAL - 0.01, INVVAR, 1e3, 1), "signal must not be negative"),
    (lambda: add_poisson_noise(-0.01 * SIGNAL, INVVAR, 1.0, 1), "signal must not be negative"),
])  # fmt: skip
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
