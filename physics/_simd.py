"""exp2 and log2 in float32 from arithmetic alone, so that LLVM vectorises the loops that use them.

numba's PyPI build has no vector math library: each call of libm would stay scalar (70 ns a ray
instead of 4). Errors, measured over the arguments that occur and tested in tests/physics/test_simd.py:
exp2 3e-7 relative, log2 4e-7 absolute.
"""

import numpy as np
from numpy.polynomial import Polynomial

from physics._jit import Real, formula
from physics._vector import polynomial

F32 = np.float32


def _chebyshev_fit(values: np.ndarray, nodes: np.ndarray, degree: int) -> tuple[np.float32, ...]:
    """Monomial coefficients of the near-minimax polynomial through values at Chebyshev nodes."""
    fit = Polynomial.fit(nodes, values, degree).convert(domain=[-1, 1])
    return tuple(F32(c) for c in fit.coef)


def _chebyshev_nodes(low: float, high: float, count: int = 200) -> np.ndarray:
    return 0.5 * (low + high) + 0.5 * (high - low) * np.cos(np.pi * (np.arange(count) + 0.5) / count)


_R = _chebyshev_nodes(-0.5, 0.5)
_EXP2 = _chebyshev_fit(np.exp2(_R), _R, 5)
_M = _chebyshev_nodes(np.sqrt(0.5) - 1, np.sqrt(2.0) - 1)
_LOG2 = _chebyshev_fit(np.log1p(_M) / np.log(2.0) / _M, _M, 8)

#: Light below this is none: over all the plane that is integrated it makes 4e-10 of the flux of a source with
#: an r_eff of 1", 4e-7 of the broadest. The least float is 2^-126, but products and differences of what is
#: near it are subnormal, and an Intel processor stops for each of those; most of a stamp is dark.
_LOWEST = F32(-60.0)
_ROUND = F32(12582912.0)  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits
_ROUND_BITS = np.int32(0x4B400000)
_BIAS = np.int32(127)
_MANTISSA_BITS = np.int32(23)
_MANTISSA = np.int32(0x7FFFFF)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_ONE = F32(1.0)


@formula
def exp2(x: Real) -> Real:
    """2**x for x < 127; below `_LOWEST` it stays at what that gives."""
    x = max(x, _LOWEST)
    shifted = x + _ROUND
    r = x - (shifted - _ROUND)
    power = (np.float32(shifted).view(np.int32) - _ROUND_BITS + _BIAS) << _MANTISSA_BITS
    return np.int32(power).view(np.float32) * polynomial(r, _EXP2)


@formula
def log2(x: Real) -> Real:
    """log2(x) for normal x > 0."""
    bits = np.int32(np.float32(x).view(np.int32) - _SQRT_HALF_BITS)  # not int64, which halves the lanes
    exponent = np.int32(bits >> _MANTISSA_BITS)
    m = np.int32((bits & _MANTISSA) + _SQRT_HALF_BITS).view(np.float32) - _ONE
    return F32(exponent) + m * polynomial(m, _LOG2)
