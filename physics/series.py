"""Real Fourier series along the rows of a matrix, all columns at once: from samples to coefficients and back.

With N samples at theta_p = 2 pi (p + 1/2) / N, p = -N/2 .. N/2 - 1, and a column of values V,
  forward   C(m) = sum_p V(p) cos(m theta_p),  S(m) = sum_p V(p) sin(m theta_p),  m = 0 .. modes - 1,
  inverse   V(p) = sum_m C(m) cos(m theta_p) + S(m) sin(m theta_p):  the transpose of `forward`.
A radix-8 step (Cooley & Tukey 1965, for real values), then products with small matrices for exactly the
modes that are wanted. The symmetries theta -> -theta, pi - theta, pi/2 - theta leave N/8 angles; modes fall
into fours, 4m .. 4m + 3, where the odd ones share sums, as
  cos((4m + 2 -+ 1) theta) = cos((4m + 2) theta) cos theta +- sin((4m + 2) theta) sin theta.
Per column and mode N/4 multiplications remain of the 2 N of the definition. For the few modes that a PSF
passes that is about the work of an FFT up to the largest stamps, without its reordering of memory.

N is a multiple of 8, for `inverse` of 16. Matrices are float32 and flat. Rounding: 2e-7 of the sum of |V|.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, formula, inlined, vectorised
from physics._vector import Vector, across, matrix_product

F32 = np.float32
#: Modes come in multiples of this, and no fewer than these.
MODES_UNIT = 8
LEAST_MODES = 16
#: Columns that are worked on together, so that they stay in the first-level cache.
COLUMNS = 32
NO_NUMBERS = (F32(0.0), F32(0.0))


class Series(NamedTuple):
    """Constants of one N.

    waves: cos 4m theta, sin 4m theta, cos (4m + 2) theta, sin (4m + 2) theta, each [m, angle], angle < N/8.
    wave: which of them each of the eight products takes. mode: the mode of its first row.
    cos, sin: of theta itself. samples: N. fold: N/8. size: of one of the waves.
    """

    waves: Array
    wave: Array
    mode: Array
    cos: Array
    sin: Array
    samples: int
    fold: int
    size: int


def series(samples: int, modes: int) -> Series:
    """The constants for N = samples and up to this many modes."""
    theta = 2.0 * np.pi * (np.arange(samples // 8) + 0.5) / samples
    first = 4.0 * np.arange(modes // 4)
    waves = np.stack([f(np.outer(first + by, theta)) for by in (0.0, 2.0) for f in (np.cos, np.sin)])
    return Series(
        waves.astype(np.float32).ravel(), np.array([0, 2, 2, 3, 1, 3, 3, 2]), np.array([0, 2, 1, 3] * 2),
        np.cos(theta).astype(np.float32), np.sin(theta).astype(np.float32),
        samples, samples // 8, waves[0].size,
    )  # fmt: skip


def _fold(up: list[Vector], down: list[Vector], turn: list[Vector]) -> tuple[Vector, ...]:
    """What the angle theta and its mirror images give to each of the eight products of `forward`.

    up: V at theta, pi/2 - theta, pi/2 + theta, pi - theta; down: at the negative angles.
    """
    cos, sin = turn
    even = [u + d for u, d in zip(up, down, strict=True)]
    odd = [u - d for u, d in zip(up, down, strict=True)]
    even_sum, even_sum_2 = even[0] + even[3], even[1] + even[2]
    even_gap, even_gap_2 = even[0] - even[3], even[1] - even[2]
    odd_sum, odd_sum_2 = odd[0] + odd[3], odd[1] + odd[2]
    odd_gap, odd_gap_2 = odd[0] - odd[3], odd[1] - odd[2]
    return (
        even_sum + even_sum_2, even_sum - even_sum_2,
        cos * even_gap - sin * even_gap_2, sin * even_gap + cos * even_gap_2,
        odd_gap - odd_gap_2, odd_gap + odd_gap_2,
        cos * odd_sum + sin * odd_sum_2, cos * odd_sum_2 - sin * odd_sum,
    )  # fmt: skip


def _unfold(c: list[Vector], s: list[Vector], turn: list[Vector]) -> tuple[Vector, ...]:
    """The transpose of `_fold`: V at the four angles, then at their negatives."""
    cos, sin = turn
    even_sum, even_sum_2 = c[0] + c[1], c[0] - c[1]
    even_gap, even_gap_2 = cos * c[2] + sin * c[3], cos * c[3] - sin * c[2]
    odd_gap, odd_gap_2 = s[0] + s[1], s[1] - s[0]
    odd_sum, odd_sum_2 = cos * s[2] - sin * s[3], sin * s[2] + cos * s[3]
    even = even_sum + even_gap, even_sum_2 + even_gap_2, even_sum_2 - even_gap_2, even_sum - even_gap
    odd = odd_sum + odd_gap, odd_sum_2 + odd_gap_2, odd_sum_2 - odd_gap_2, odd_sum - odd_gap
    up = (e + o for e, o in zip(even, odd, strict=True))
    down = (e - o for e, o in zip(even, odd, strict=True))
    return *up, *down


def _sum_and_difference(a: list[Vector], b: list[Vector], _: list[Vector]) -> tuple[Vector, ...]:
    return a[0] + b[0], a[0] - b[0]


_fold_rows = across(_fold, 4, 4, 8)
_unfold_rows = across(_unfold, 4, 4, 8)
_butterfly_rows = across(_sum_and_difference, 1, 1, 2)


@formula
def _angles(p: int, fold: int, first: int, row: int, sign: int) -> tuple[int, int, int, int]:
    """Where the rows of the four angles of sample p begin; sign -1: their negatives."""
    p1, p2, p3 = 2 * fold - 1 - p, 2 * fold + p, 4 * fold - 1 - p
    step, start = sign * row, first * row
    return start + step * p, start + step * p1, start + step * p2, start + step * p3


@formula
def _moved(places: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    """All places, further on."""
    a, b, c, d = places
    return a + by, b + by, c + by, d + by


@formula
def _parts(at: int, size: int) -> tuple[int, int, int, int]:
    """Four parts of this size, one after the other."""
    return at, at + size, at + 2 * size, at + 3 * size


@vectorised
def forward(
    s: Series, values: Array, row: int, columns: int, modes: int, work: Array, out: Array, part: int
) -> None:
    """out = C [mode, column] and, `part` later, S, from values [sample, column]; all in rows of length `row`.

    columns: a multiple of LANES. work: scratch of samples x COLUMNS.
    """
    middle = s.samples // 2
    for first in range(0, columns, COLUMNS):
        n = min(COLUMNS, columns - first)
        size = s.fold * n
        for p in range(s.fold):
            _fold_rows(
                values, _moved(_angles(p, s.fold, middle, row, 1), first),
                values, _moved(_angles(p, s.fold, middle - 1, row, -1), first),
                work, _parts(p * n, size) + _parts(p * n + 4 * size, size), (s.cos[p], s.sin[p]), n,
            )  # fmt: skip
        for g in range(8):
            to = first + s.mode[g] * row + g // 4 * part
            matrix_product(
                s.waves, s.wave[g] * s.size, s.fold, 1, work, g * size, n, out, to, 4 * row,
                modes // 4, n, s.fold,
            )  # fmt: skip
        _odd_modes(out, first, row, part, n, modes)


@vectorised
def inverse(
    s: Series,
    c: Array,
    part: int,
    row: int,
    columns: int,
    modes: int,
    work: Array,
    values: Array,
    samples: int,
) -> None:
    """values [sample, column], as many (even) around the middle, from c: C [mode, column], `part` later S.

    All in rows of length `row`; c is spent, and the row after the last of values. work: as in `forward`.
    """
    half, spare = samples // 2, samples * row
    for first in range(0, columns, COLUMNS):
        n = min(COLUMNS, columns - first)
        size = s.fold * n
        _odd_modes(c, first, row, part, n, modes)
        for g in range(8):
            at = first + s.mode[g] * row + g // 4 * part
            matrix_product(
                s.waves, s.wave[g] * s.size, 1, s.fold, c, at, 4 * row, work, g * size, n,
                s.fold, n, modes // 4,
            )  # fmt: skip
        for p in range(min(s.fold, half)):
            u0, u1, u2, u3 = _angles(p, s.fold, half, row, 1)
            d0, d1, d2, d3 = _angles(p, s.fold, half - 1, row, -1)
            if d1 < 0:  # a sample that is not wanted
                u1, d1 = spare, spare
            if d2 < 0:
                u2, d2 = spare, spare
            if d3 < 0:
                u3, d3 = spare, spare
            _unfold_rows(
                work, _parts(p * n, size), work, _parts(p * n + 4 * size, size),
                values, _moved((u0, u1, u2, u3), first) + _moved((d0, d1, d2, d3), first),
                (s.cos[p], s.sin[p]), n,
            )  # fmt: skip


@inlined
def _odd_modes(c: Array, first: int, row: int, part: int, columns: int, modes: int) -> None:
    """Rows 4m + 1 and 4m + 3 become their sum and their difference."""
    for m in range(0, modes, 4):
        one, three = first + (m + 1) * row, first + (m + 3) * row
        _butterfly_rows(c, (one,), c, (three,), c, (one, three), NO_NUMBERS, columns)
        one, three = one + part, three + part
        _butterfly_rows(c, (one,), c, (three,), c, (one, three), NO_NUMBERS, columns)
