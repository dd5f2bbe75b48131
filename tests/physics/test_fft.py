import numpy as np
import pytest

from physics.fft import fft_columns, fft_plan


@pytest.mark.parametrize("n", [64, 96, 128, 144, 192, 288, 384])
def test_columns_equal_numpy(n):
    rng = np.random.default_rng(n)
    z = rng.normal(size=(n, 32)) + 1j * rng.normal(size=(n, 32))
    re, im = z.real.astype(np.float32).ravel(), z.imag.astype(np.float32).ravel()
    out_re, out_im = fft_columns(re, im, np.empty_like(re), np.empty_like(im), n, 32, *fft_plan(n))
    truth = np.fft.fft(z, axis=0)
    assert np.abs((out_re + 1j * out_im).reshape(n, 32) - truth).max() < 1e-6 * np.abs(truth).max()


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="70"):
        fft_plan(70)
