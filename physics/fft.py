"""A complex FFT down the columns of a matrix, all columns at once, so that every loop is a vector loop.

Stockham's self-sorting radix 4 / 3 / 2 (Van Loan 1992, Computational Frameworks for the FFT, 1.7). Real and
imaginary parts are separate float32 matrices [n, lanes], contiguous. Relative error about 3e-7 of the largest
element. numpy's FFT cannot be called without the GIL held, and one at a time it is four times slower.
"""

from functools import lru_cache

import numpy as np

from physics._jit import vectorised
from physics._vector import Complex, butterfly_loop

_F = np.float32


@lru_cache(maxsize=16)
def fft_plan(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(radices, twiddle_re, twiddle_im) for length n = 2^a 3^b; twiddles of all passes in order of use."""
    radices: list[int] = []
    twiddles: list[complex] = []
    left = n
    while left > 1:
        radix = 3 if left % 3 == 0 else 4 if left % 4 == 0 else 2
        if left % radix:
            raise ValueError(f"n must be 2^a 3^b, got {n}")
        for p in range(left // radix):
            twiddles.extend(np.exp(-2j * np.pi * p * k / left) for k in range(1, radix))
        radices.append(radix)
        left //= radix
    w = np.array(twiddles)
    return np.array(radices, np.int64), w.real.astype(_F), w.imag.astype(_F)


def _times(z: Complex, w: Complex) -> Complex:
    return z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]


def _plus(a: Complex, b: Complex) -> Complex:
    return a[0] + b[0], a[1] + b[1]


def _minus(a: Complex, b: Complex) -> Complex:
    return a[0] - b[0], a[1] - b[1]


def _minus_i_times(z: Complex, factor: float = 1.0) -> Complex:
    scale = z[0].constant(factor)
    return z[1] * scale, z[0] * z[0].constant(-factor)


def _radix2(z: list[Complex], w: list[Complex]) -> list[Complex]:
    return [_plus(z[0], z[1]), _times(_minus(z[0], z[1]), w[0])]


def _radix3(z: list[Complex], w: list[Complex]) -> list[Complex]:
    total = _plus(z[1], z[2])
    half = z[0][0].constant(0.5)
    middle = _minus(z[0], (total[0] * half, total[1] * half))
    turn = _minus_i_times(_minus(z[1], z[2]), np.sqrt(0.75))
    return [_plus(z[0], total), _times(_plus(middle, turn), w[0]), _times(_minus(middle, turn), w[1])]


def _radix4(z: list[Complex], w: list[Complex]) -> list[Complex]:
    even, odd = _plus(z[0], z[2]), _plus(z[1], z[3])
    difference, turn = _minus(z[0], z[2]), _minus_i_times(_minus(z[1], z[3]))
    return [
        _plus(even, odd),
        _times(_plus(difference, turn), w[0]),
        _times(_minus(even, odd), w[1]),
        _times(_minus(difference, turn), w[2]),
    ]


_run2 = butterfly_loop(2, _radix2)
_run3 = butterfly_loop(3, _radix3)
_run4 = butterfly_loop(4, _radix4)


@vectorised
def fft_columns(
    re: np.ndarray,
    im: np.ndarray,
    work_re: np.ndarray,
    work_im: np.ndarray,
    n: int,
    lanes: int,
    radices: np.ndarray,
    twiddle_re: np.ndarray,
    twiddle_im: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """sum_j z[j, :] exp(-2 pi i j k / n) for every k, on flat arrays; the first n * lanes elements are used.

    Returns the pair of arrays that holds the result: (re, im) or (work_re, work_im); the other is scratch.
    Exchange re and im on the way in and out for the inverse (without 1/n).
    """
    left = n
    stride = 1
    t = 0
    for pass_number in range(radices.size):
        radix = radices[pass_number]
        m = left // radix
        run = stride * lanes
        step = m * run
        for p in range(m):
            src = p * run
            dst = radix * p * run
            if radix == 4:
                _run4(re, im, work_re, work_im, src, step, dst, run, twiddle_re, twiddle_im, t)
            elif radix == 3:
                _run3(re, im, work_re, work_im, src, step, dst, run, twiddle_re, twiddle_im, t)
            else:
                _run2(re, im, work_re, work_im, src, step, dst, run, twiddle_re, twiddle_im, t)
            t += radix - 1
        re, work_re = work_re, re
        im, work_im = work_im, im
        left = m
        stride *= radix
    return re, im
