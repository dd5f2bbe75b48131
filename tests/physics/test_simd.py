import numba
import numpy as np
import pytest

from physics import _simd


@numba.njit
def _map(function, x, out):
    for i in range(x.size):
        out[i] = function(x[i])


@pytest.mark.parametrize(("function", "exact", "x", "relative"), [
    (_simd.exp2, np.exp2, np.linspace(-60, 60, 20001), 1.0),
    (_simd.log2, np.log2, np.geomspace(1e-20, 1e12, 20001), 0.0),
])  # fmt: skip
def test_error_bound(function, exact, x, relative):
    x = x.astype(np.float32)
    out = np.empty_like(x)
    _map(function, x, out)
    truth = exact(x.astype(np.float64))
    scale = truth if relative else np.maximum(np.abs(truth), 1.0)
    assert np.abs((out - truth) / scale).max() < 4e-7


def test_exp2_stays_where_products_of_it_are_normal():
    out = np.empty(2, np.float32)
    _map(_simd.exp2, np.array([-1e30, -61.0], np.float32), out)
    assert out == pytest.approx(2.0**-60)
    assert out[0] ** 2 >= np.finfo(np.float32).tiny
