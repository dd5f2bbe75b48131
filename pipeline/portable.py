"""Elementary functions that give the same bits on every machine.

IEEE 754 fixes +, -, *, / and the square root, but not exp, log or cos: numpy picks a version of those by
processor, and the last bit differs. A manifest must not, so here they are composed of the exact operations,
one numpy call each (inside one compiled loop a compiler may fuse a product with a sum).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2 = 0.6931471805599453
_LOG10_2 = 0.30102999566398120
_SQRT_HALF = 0.7071067811865476


def polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    """Sum of coefficients[k] x^k by Horner's rule."""
    result = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


_EXP2 = tuple(_LN2**k / math.factorial(k) for k in range(14))


def exp2(x: Floats) -> Floats:
    """2^x for |x| < 1000; relative error below 1e-15."""
    whole = np.rint(x)
    return np.ldexp(polynomial(x - whole, _EXP2), whole.astype(np.int32))


def exp10(x: Floats) -> Floats:
    """10^x for |x| < 300; relative error below 1e-15 (1 + |x|)."""
    return exp2(x / _LOG10_2)


_ARTANH = tuple(2.0 / ((2 * k + 1) * _LN2) for k in range(11))


def log2(x: Floats) -> Floats:
    """Base-2 logarithm of positive numbers; error below 1e-15 (1 + |log2 x|). ln m = 2 artanh (m-1)/(m+1)."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    return np.asarray(s * polynomial(s * s, _ARTANH) + (exponent - small), dtype=np.float64)


def log10(x: Floats) -> Floats:
    """Base-10 logarithm of positive numbers."""
    return log2(x) * _LOG10_2


def ln(x: Floats) -> Floats:
    """Natural logarithm of positive numbers."""
    return log2(x) * _LN2


_SIN = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(9))
_COS = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(10))


def cos_sin_turn(turn: Floats) -> tuple[Floats, Floats]:
    """cos and sin of 2 pi `turn`, for turn in [0, 1]; error below 1e-15."""
    quarter = np.rint(4.0 * turn)
    angle = (turn - 0.25 * quarter) * (2.0 * math.pi)
    square = angle * angle
    sine, cosine = angle * polynomial(square, _SIN), polynomial(square, _COS)
    side = quarter.astype(np.int64) % 4
    odd = side % 2 == 1
    x, y = np.where(odd, sine, cosine), np.where(odd, cosine, sine)
    return np.where((side == 1) | (side == 2), -x, x), np.where(side >= 2, -y, y)


_ARCCOS = (1.5707963050, -0.2145988016, 0.0889789874, -0.0501743046,
           0.0308918810, -0.0170881256, 0.0066700901, -0.0012624911)  # fmt: skip


def arccos(x: Floats) -> Floats:
    """Arc cosine of -1 <= x <= 1, rad; error below 3e-8 (Abramowitz & Stegun 1964, 4.4.46)."""
    size = np.minimum(np.abs(x), 1.0)
    angle = np.sqrt(1.0 - size) * polynomial(size, _ARCCOS)
    return np.where(x < 0.0, math.pi - angle, angle)


# Wichura 1988, Applied Statistics 37, 477, algorithm AS 241, PPND7.
_MIDDLE = (3.3871327179, 50.434271938, 159.29113202, 59.109374720), (
    1.0, 17.895169469, 78.757757664, 67.187563600)  # fmt: skip
_TAIL = (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103), (1.0, 0.73700164250, 0.12021132975)


def normal_quantile(u: Floats) -> Floats:
    """Quantile of the standard normal, for 1e-10 < u < 1 - 1e-10; relative error below 1e-6."""
    q = u - 0.5
    r = 0.180625 - q * q
    middle = q * polynomial(r, _MIDDLE[0]) / polynomial(r, _MIDDLE[1])
    r = np.sqrt(-ln(np.minimum(u, 1.0 - u))) - 1.6
    tail = polynomial(r, _TAIL[0]) / polynomial(r, _TAIL[1])
    return np.where(np.abs(q) <= 0.425, middle, np.where(q < 0.0, -tail, tail))
