"""What the closure's noise explains of an image: the light's own Poisson noise, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from closure import arc_snr, deviation, snr_loss, uniforms, without_noise

GAIN = 5000.0
X, Y = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5)
LIGHT = 0.8 * np.exp(-((np.hypot(X, Y) - 6) ** 2) / 8) / 300 + 1e-7
U = uniforms(12345, 3, 64)[1]
EXACT = np.zeros((64, 64))


def stored(light: np.ndarray, gain: float = GAIN) -> np.ndarray:
    return poisson.ppf(U, light * gain) / gain


def test_the_same_light_is_the_reference_itself() -> None:
    assert np.abs(stored(LIGHT) - LIGHT).max() > 0.1 * LIGHT.max()
    np.testing.assert_allclose(without_noise(stored(LIGHT), LIGHT, GAIN, U, EXACT), LIGHT, rtol=1e-9)
    nearly = stored(1.0005 * LIGHT)
    np.testing.assert_allclose(without_noise(nearly, LIGHT, GAIN, U, EXACT), LIGHT, rtol=1e-9)


@pytest.mark.parametrize("factor", [0.97, 1.03, 1.2])
def test_other_light_is_seen_through_the_noise(factor: float) -> None:
    found = deviation(without_noise(stored(factor * LIGHT), LIGHT, GAIN, U, EXACT), LIGHT, 0.262)
    assert found.flux == pytest.approx(factor - 1, abs=0.25 * abs(factor - 1))
    assert found.l2 > 0.01


def test_missing_noise_and_another_gain_are_no_noise() -> None:
    for image in (LIGHT, stored(LIGHT, 1.1 * GAIN), 2 * stored(LIGHT) - LIGHT):
        assert deviation(without_noise(image, LIGHT, GAIN, U, EXACT), LIGHT, 0.262).l2 > 0.02


def test_what_was_rounded_is_explained() -> None:
    rounding = np.full((64, 64), 1e-3)
    image = stored(LIGHT) + np.random.default_rng(1).uniform(-1e-3, 1e-3, (64, 64))
    np.testing.assert_allclose(without_noise(image, LIGHT, GAIN, U, rounding), LIGHT, rtol=1e-9)


def test_a_gain_that_is_none_is_refused() -> None:
    for gain in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="gain"):
            without_noise(LIGHT, LIGHT, gain, U, EXACT)


def test_even_light_loses_what_its_variance_adds() -> None:
    """SNR^2 goes down by 1 + s/B for light s everywhere on a sky B."""
    assert snr_loss(np.full((8, 8), 0.1), 0.4) == pytest.approx(0.5 * np.log(1.25))


@pytest.mark.parametrize("sky", [None, 0.05])
def test_the_snr_of_an_image_is_that_of_its_pixels(sky: float | None) -> None:
    image = np.array([[0.0, 0.02], [0.1, -0.001]])
    variance = 1 / 400 + np.array([0.0, 0.02, 0.1]) * (0 if sky is None else 1 / (400 * sky))
    pixels = np.array([0.0, 0.02, 0.1]) / np.sqrt(variance)
    assert arc_snr(image, 400.0, sky) == pytest.approx((np.sqrt((pixels**2).sum()), pixels[2]))
