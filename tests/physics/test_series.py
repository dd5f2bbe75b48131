import numpy as np
import pytest

from physics.series import COLUMNS, forward, inverse, series

RNG = np.random.default_rng(5)


def _waves(samples, modes):
    theta = 2 * np.pi * (np.arange(samples) - samples // 2 + 0.5) / samples
    angle = np.outer(np.arange(modes), theta)
    return np.cos(angle), np.sin(angle)


def _values(rows, row):
    return RNG.normal(size=rows * row).astype(np.float32)


@pytest.mark.parametrize(("samples", "modes", "columns"), [
    (112, 40, 112), (168, 72, 80), (64, 16, 16), (112, 64, 48), (72, 24, 3 * COLUMNS),
])  # fmt: skip
def test_forward_is_the_sum_over_samples(samples, modes, columns):
    row, part = columns + 16, 80 * (columns + 16)
    values, out = _values(samples, row), np.zeros(2 * part, np.float32)
    work = np.zeros(samples * COLUMNS, np.float32)
    forward(series(samples, 72), values, row, columns, modes, work, out, part)
    matrix = values.reshape(samples, row)[:, :columns].astype(float)
    for k, wave in enumerate(_waves(samples, modes)):
        got = out[k * part : k * part + modes * row].reshape(modes, row)
        np.testing.assert_allclose(got[:, :columns], wave @ matrix, atol=2e-7 * np.abs(matrix).sum(0).max())
        assert (got[:, columns:] == 0).all()


@pytest.mark.parametrize(("samples", "modes", "columns", "wanted"), [
    (112, 40, 80, 64), (112, 40, 80, 112), (160, 64, 48, 102), (64, 16, 16, 8), (64, 72, 32, 10),
])  # fmt: skip
def test_inverse_is_the_sum_over_modes(samples, modes, columns, wanted):
    """The last has modes beyond the samples' Nyquist frequency, which alias."""
    row, part = columns + 16, modes * (columns + 16)
    spectrum, out = _values(2 * modes, row), np.zeros((wanted + 1) * row, np.float32)
    c, s = spectrum.reshape(2, modes, row)[:, :, :columns].astype(float)
    work = np.zeros(samples * COLUMNS, np.float32)
    inverse(series(samples, 72), spectrum, part, row, columns, modes, work, out, wanted)
    cos, sin = _waves(samples, modes)
    first = (samples - wanted) // 2
    truth = (cos.T @ c + sin.T @ s)[first : first + wanted]
    got = out[: wanted * row].reshape(wanted, row)[:, :columns]
    np.testing.assert_allclose(got, truth, atol=2e-7 * (np.abs(c) + np.abs(s)).sum(0).max())
