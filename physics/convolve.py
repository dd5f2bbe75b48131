"""From the deposit grid to the image: Fourier series, PSF, and their sum at the stamp's pixels.

With V the grid of deposits, P the period, k = 2 pi m / P, and H = PSF^ even in kx and ky,
image(X, Y) = sum over mx, my >= 0 of u(mx) u(my) H(kx, ky)
              sum_g V(g) cos(kx (X - gx)) cos(ky (Y - gy)),   u(m) = w(m) / (P window^(k)), w(0) = 1, else 2.
cos(k (X - g)) = cos kX cos kg + sin kX sin kg: four real matrices of coefficients, (cos or sin in x) x
(cos or sin in y), each multiplied by the same H. Only frequencies that the PSF passes are computed
(series.py); those above the stamp's Nyquist frequency alias, as they do in a camera, with no code of their
own. H is a sum of Gaussians (psf.py), each u(kx) h(kx) times u(ky) h(ky): a product of two thin matrices.

Matrices are float32 and flat. The coefficients of one kx lie in a row of `pair_row`: [cos in y | sin in y];
the rows of cos in x come first, those of sin in x `Plan.part` later.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, formula, vectorised
from physics._simd import exp2
from physics._vector import LANES, Vector, across, matrix_product, transpose
from physics.geometry import ROOT_PIXELS, Geometry
from physics.gridding import window_transform
from physics.series import LEAST_MODES, MODES_UNIT, NO_NUMBERS, Series, forward, inverse, series

F32 = np.float32
_LOG2_E = F32(1.0 / np.log(2.0))
#: Exponent of 2 below which a Gaussian of the PSF's is none, along an axis: 2e-7 of a star's peak in all.
#: Products of smaller ones are subnormal floats (_simd.py).
_FAINTEST = F32(-30.0)


class Plan(NamedTuple):
    """Constants of one geometry.

    points, pixels: the Fourier series of the deposit grid's points and of the pixels. gain: u(m).
    n_used: grid points, stride: their row length, n_even: the stamp's side, made even.
    most: modes. part: size of a matrix of coefficients.
    """

    points: Series
    pixels: Series
    gain: Array
    n_used: int
    stride: int
    n_even: int
    most: int
    part: int


class Buffers(NamedTuple):
    """Working memory, see `_memory`.

    field: the deposit grid [y, x] between rows of zeros; grid: the part that holds deposits.
    coefficients: those of the grid. passed, values, work, sums: scratch. factors: `set_transfer`'s.
    transfer: u u H [band, kx, ky], symmetric.
    """

    field: Array
    grid: Array
    coefficients: Array
    passed: Array
    values: Array
    work: Array
    sums: Array
    factors: Array
    transfer: Array


@formula
def whole(n: int, size: int) -> int:
    """n rounded up to a multiple of size."""
    return (n + size - 1) // size * size


@formula
def modes_of(p: Plan, cutoff: float) -> int:
    """How many modes there are up to the frequency of index `cutoff`."""
    count: int = whole(int(cutoff) + 1, MODES_UNIT)
    return min(max(count, LEAST_MODES), p.most)


@formula
def pair_row(modes: int) -> int:
    """Length of a row of cos and sin coefficients; the last vector of either may run over."""
    return 2 * modes + LANES


def _aligned(size: int) -> Array:
    """Zeros that begin at a whole vector: others would straddle two cache lines."""
    memory = np.zeros(size + LANES, np.float32)
    first = -memory.ctypes.data % (4 * LANES) // 4
    return memory[first : first + size]


@lru_cache(maxsize=32)
def plan(g: Geometry) -> Plan:
    """The constants for `spectrum` and `image`."""
    samples = g.period * g.steps // ROOT_PIXELS
    most = int(whole(samples // 2, MODES_UNIT))
    m = np.arange(whole(most, LANES))
    inside = m <= samples / 2
    window = window_transform(np.where(inside, m / samples, 0.0), g.steps)
    gain = np.where(inside, np.where(m > 0, 2.0, 1.0) / (g.period * window), 0.0)
    points = series(samples, most)
    pixels = points if samples == g.period else series(g.period, most)
    part = (most + LANES) * pair_row(most)
    return Plan(points, pixels, gain.astype(np.float32), g.n_used, g.stride, g.n_even, most, part)


def buffers(g: Geometry, p: Plan, bands: int, terms: int) -> Buffers:
    """Working memory for `spectrum` and `image`, and for PSFs that are sums of `terms` Gaussians."""
    side = max(p.points.samples, pair_row(p.most), g.stride) + 2 * LANES
    field = _aligned(p.points.samples * g.stride)
    edge = (p.points.samples - g.n_used) // 2 * g.stride
    lanes = whole(p.most, LANES)
    return Buffers(
        field, field[edge : edge + g.n_used * g.stride], _aligned(2 * p.part), _aligned(2 * side * side),
        _aligned(side * side), _aligned(side * side), _aligned(g.n_pix), _aligned(2 * terms * lanes),
        _aligned(bands * p.most * lanes).reshape(bands, p.most * lanes),
    )  # fmt: skip


@vectorised
def spectrum(buf: Buffers, p: Plan, modes: int) -> None:
    """Coefficients of buf.grid for the first `modes` frequencies, without u."""
    stride, row, part = p.stride, pair_row(modes), modes * p.stride
    half, turned = buf.passed, buf.values
    forward(p.points, buf.field, stride, stride, modes, buf.work, half, part)
    edge = (p.points.samples - p.n_used) // 2
    transpose(half, 0, stride, turned, edge * row, row, modes, p.n_used)
    transpose(half, part, stride, turned, edge * row + modes, row, modes, p.n_used)
    turned[: edge * row] = F32(0.0)
    turned[(edge + p.n_used) * row : p.points.samples * row] = F32(0.0)
    forward(p.points, turned, row, 2 * modes, modes, buf.work, buf.coefficients, p.part)


@vectorised
def set_transfer(
    buf: Buffers,
    p: Plan,
    transfer: Array,
    rates: Array,
    weights: Array,
    unit: Real,
    wrapped: Real,
    modes: int,
) -> None:
    """transfer [kx, ky] = u(kx) u(ky) H below `modes`; rows of whole vectors.

    H = sum_i weights[i] exp(-rates[i] unit^2 (mx^2 + my^2)) (psf.fourier_gaussians), error 4e-6 of H(0, 0);
    wrapped: the part to take off there.
    """
    row = whole(modes, LANES)
    f = buf.factors
    for i in range(rates.size):
        rate, weight = rates[i] * unit * unit * _LOG2_E, weights[i]
        plain, weighted = f[i * row : (i + 1) * row], f[(rates.size + i) * row : (rates.size + i + 1) * row]
        for m in range(row):
            h = p.gain[m] * exp2(max(-rate * F32(m) * F32(m), _FAINTEST))
            plain[m] = h
            weighted[m] = weight * h
    matrix_product(f, rates.size * row, 1, row, f, 0, row, transfer, 0, row, modes, row, rates.size)
    transfer[0] *= F32(1.0) - wrapped


def _times(h: list[Vector], c: list[Vector], _: list[Vector]) -> tuple[Vector, ...]:
    return h[0] * c[0], h[0] * c[1]


_times_rows = across(_times, 1, 2, 2)


@vectorised
def image(buf: Buffers, p: Plan, transfer: Array, of_modes: int, modes: int) -> None:
    """Unit-flux image, in buf.values: see `synthesise`.

    of_modes: frequencies of the coefficients, modes: those of transfer, not more.
    """
    h_row, src_row, row = whole(modes, LANES), pair_row(of_modes), pair_row(modes)
    src, dst, part = buf.coefficients, buf.passed, modes * row
    for kx in range(modes):
        h, at, to = kx * h_row, kx * src_row, kx * row
        _times_rows(transfer, (h,), src, (at, p.part + at), dst, (to, part + to), NO_NUMBERS, h_row)
        at, to = at + of_modes, to + modes
        _times_rows(transfer, (h,), src, (at, p.part + at), dst, (to, part + to), NO_NUMBERS, h_row)
    synthesise(buf, p, modes)


@formula
def image_row(p: Plan) -> int:
    """Row length of the image that `synthesise` leaves in buf.values."""
    row: int = whole(p.n_even, LANES) + LANES
    return row


@vectorised
def synthesise(buf: Buffers, p: Plan, modes: int) -> None:
    """Unit-flux image [Y, X], rows of `image_row`, in buf.values, from filtered coefficients in parts of
    modes x pair_row, in buf.passed.
    """
    n, row, wide, out_row = p.n_even, pair_row(modes), whole(p.n_even, LANES), image_row(p)
    c, turned, part = buf.passed, buf.values, whole(modes, LANES) * out_row
    inverse(p.pixels, c, modes * row, row, 2 * modes, modes, buf.work, turned, n)
    transpose(turned, 0, row, c, 0, out_row, wide, modes)
    transpose(turned, modes, row, c, part, out_row, wide, modes)
    inverse(p.pixels, c, part, out_row, wide, modes, buf.work, turned, n)


def _product(a: list[Vector], _: list[Vector], numbers: list[Vector]) -> tuple[Vector, ...]:
    return (a[0] * numbers[0],)


def _sum(a: list[Vector], b: list[Vector], _: list[Vector]) -> tuple[Vector, ...]:
    return (a[0] + b[0],)


_scale_row = across(_product, 1, 1, 1)
_add_row = across(_sum, 1, 1, 1)


@vectorised
def place_image(buf: Buffers, p: Plan, stamps: Array, number: int, n_pix: int, flux: Real) -> Real:
    """Stamp `number` of `stamps` (flat) = flux x the image of `synthesise`; returns that image's sum."""
    image, sums, row, most = buf.values, buf.sums, image_row(p), n_pix // LANES * LANES
    sums[:] = F32(0.0)
    for j in range(n_pix):
        line, place = j * row, (number * n_pix + j) * n_pix
        _scale_row(image, (line,), image, (line,), stamps, (place,), (flux, flux), most)
        _add_row(image, (line,), sums, (0,), sums, (0,), NO_NUMBERS, most)
        for i in range(most, n_pix):
            stamps[place + i] = flux * image[line + i]
            sums[i] += image[line + i]
    total = 0.0
    for i in range(n_pix):
        total += sums[i]
    return total
