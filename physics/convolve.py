"""From the deposit grid to the image: Fourier transform, PSF, back on the stamp's pixels.

With V the grid of deposits, image(X) = (1/P^2) sum_k V^(k) H(k) exp(2 pi i k X / P) at integer pixels X,
where P is the period and H = PSF^ / window^. Frequencies above the stamp's Nyquist frequency alias on it, as
they do in a camera. All matrices are float32, flat, real and imaginary parts apart; the x axis comes first in
`grid`.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, formula, vectorised
from physics._vector import LANES, transpose_block
from physics.fft import fft_columns, fft_plan
from physics.geometry import Geometry
from physics.gridding import window_transform

F32 = np.float32
_HALF = F32(0.5)
#: Frequencies where the PSF passes less than this are left out.
PSF_FLOOR = 3e-7


class Plan(NamedTuple):
    """Constants of one stamp size: FFT plans of the two lengths and 1 / window^ per frequency."""

    grid_radices: Array
    grid_re: Array
    grid_im: Array
    period_radices: Array
    period_re: Array
    period_im: Array
    inverse_window: Array


class Buffers(NamedTuple):
    """Working memory of one call. grid: deposits; a..f: scratch; spectrum: V^ [ky, kx >= 0]; transfer: H."""

    grid: Array
    a: Array
    b: Array
    c: Array
    d: Array
    e: Array
    f: Array
    spectrum_re: Array
    spectrum_im: Array
    transfer: Array


def plan(geometry: Geometry) -> Plan:
    """The constants for `spectrum` and `image`."""
    half = geometry.n_grid // 2
    inverse = 1.0 / window_transform(np.arange(half) / geometry.n_grid)
    return Plan(*fft_plan(geometry.n_grid), *fft_plan(geometry.period), inverse.astype(np.float32))


def buffers(geometry: Geometry, bands: int) -> Buffers:
    """Working memory for `spectrum` and `image`."""
    size = geometry.n_grid * (geometry.n_grid // 2 + 2 * LANES)
    half = geometry.n_grid // 2
    grid = np.zeros(geometry.n_grid * geometry.n_used, np.float32)
    a, b, c, d, e, f, re, im = (np.zeros(size, np.float32) for _ in range(8))
    return Buffers(grid, a, b, c, d, e, f, re, im, np.zeros((bands, half, half), np.float32))


@formula
def _vectors(n: int) -> int:
    """n rounded up to whole vectors."""
    return (n + LANES - 1) // LANES * LANES


@vectorised
def _transpose(src: Array, src_at: int, src_stride: int, dst: Array, rows: int, columns: int) -> None:
    """dst [columns, rows] = the block [rows, columns] of src at src_at; both multiples of 16."""
    for i in range(0, rows, LANES):
        for j in range(0, columns, LANES):
            transpose_block(src, src_at + i * src_stride + j, src_stride, dst, j * rows + i, rows)


@vectorised
def spectrum(buf: Buffers, plan: Plan, n_grid: int, n_used: int, lanes: int) -> None:
    """Fourier transform of buf.grid [x, y], its frequencies ky and 0 <= kx < lanes, into buf.spectrum.

    lanes: a multiple of 16.
    """
    half = n_used // 2
    # two real columns, y and y + half, share one complex transform along x
    for ix in range(n_grid):
        row = buf.grid[ix * n_used : (ix + 1) * n_used]
        buf.a[ix * half : (ix + 1) * half] = row[:half]
        buf.b[ix * half : (ix + 1) * half] = row[half:]
    re, im = fft_columns(
        buf.a, buf.b, buf.c, buf.d, n_grid, half, plan.grid_radices, plan.grid_re, plan.grid_im
    )
    for kx in range(lanes):
        _unpack(re, im, kx * half, ((n_grid - kx) % n_grid) * half, half, buf.e, buf.f, kx * n_used)
    tr, ti = buf.spectrum_re, buf.spectrum_im
    _transpose(buf.e, 0, n_used, tr, lanes, n_used)
    _transpose(buf.f, 0, n_used, ti, lanes, n_used)
    tr[n_used * lanes : n_grid * lanes] = F32(0.0)
    ti[n_used * lanes : n_grid * lanes] = F32(0.0)
    re, im = fft_columns(tr, ti, buf.c, buf.d, n_grid, lanes, plan.grid_radices, plan.grid_re, plan.grid_im)
    if plan.grid_radices.size % 2 == 1:
        tr[: n_grid * lanes] = re[: n_grid * lanes]
        ti[: n_grid * lanes] = im[: n_grid * lanes]


@vectorised
def _unpack(
    re: Array, im: Array, plus: int, minus: int, half: int, out_re: Array, out_im: Array, at: int
) -> None:
    """Spectra of the two real columns that share a transform Z: (Z(k) + Z*(-k)) / 2 and (Z(k) - Z*(-k)) /
    2i.
    """
    pr, pi = re[plus : plus + half], im[plus : plus + half]
    mr, mi = re[minus : minus + half], im[minus : minus + half]
    first_re, second_re = out_re[at : at + half], out_re[at + half : at + 2 * half]
    first_im, second_im = out_im[at : at + half], out_im[at + half : at + 2 * half]
    for i in range(half):
        first_re[i] = _HALF * (pr[i] + mr[i])
        first_im[i] = _HALF * (pi[i] - mi[i])
    for i in range(half):
        second_re[i] = _HALF * (pi[i] + mi[i])
        second_im[i] = _HALF * (mr[i] - pr[i])


@vectorised
def set_transfer(
    transfer: Array, inverse_window: Array, table: Array, steps: Real, unit: Real, reach: int, amplitude: Real
) -> None:
    """H[|ky|, |kx|] for both below reach; unit: table argument per unit of frequency index."""
    last = F32(table.size - 2)
    for ky in range(reach):
        row = transfer[ky]
        wy = inverse_window[ky] * amplitude
        y2 = F32(ky) * F32(ky)
        for kx in range(reach):
            x = F32(kx)
            place = min(F32(np.sqrt(x * x + y2)) * unit * steps, last)
            cell = np.int32(place)
            part = place - F32(cell)
            row[kx] = wy * inverse_window[kx] * (table[cell] + part * (table[cell + 1] - table[cell]))


@vectorised
def _alias(
    buf: Buffers, transfer: Array, n_grid: int, period: int, keep: int, lanes: int, reach: int
) -> None:
    """buf.a, buf.b [ky of the period, 0 <= kx <= period / 2] = V^ H with higher frequencies folded in."""
    buf.a[: period * keep] = F32(0.0)
    buf.b[: period * keep] = F32(0.0)
    direct = min(reach, period // 2 + 1)
    for ky in range(-reach + 1, reach):
        h = transfer[abs(ky)]
        source = (ky % n_grid) * lanes
        target = (ky % period) * keep
        mirror = (-ky % period) * keep
        _add_product(h, buf.spectrum_re[source : source + lanes], buf.a[target : target + keep], direct)
        _add_product(h, buf.spectrum_im[source : source + lanes], buf.b[target : target + keep], direct)
        for kx in range(period // 2, reach):
            buf.a[mirror + period - kx] += h[kx] * buf.spectrum_re[source + kx]
            buf.b[mirror + period - kx] -= h[kx] * buf.spectrum_im[source + kx]


@vectorised
def _add_product(x: Array, y: Array, out: Array, n: int) -> None:
    for i in range(n):
        out[i] += x[i] * y[i]


@vectorised
def _pack(pr: Array, pi: Array, qr: Array, qi: Array, period: int, half: int, re: Array, im: Array) -> None:
    """re + i im [kx, line] = spectrum of (lines P) + i (lines Q), all kx of the period, from kx <= period /
    2.
    """
    for kx in range(period // 2 + 1):
        at = kx * half
        for i in range(half):
            re[at + i] = pr[at + i] - qi[at + i]
        for i in range(half):
            im[at + i] = pi[at + i] + qr[at + i]
    for kx in range(1, period // 2):
        at, mirror = kx * half, (period - kx) * half
        for i in range(half):
            re[mirror + i] = pr[at + i] + qi[at + i]
        for i in range(half):
            im[mirror + i] = qr[at + i] - pi[at + i]


@vectorised
def image(
    buf: Buffers,
    plan: Plan,
    transfer: Array,
    n_grid: int,
    period: int,
    lanes: int,
    reach: int,
    first: int,
    out: Array,
) -> None:
    """out[j, i] from buf.spectrum (of that many lanes) and H (used below reach <= lanes)."""
    keep = _vectors(period // 2 + 1)
    _alias(buf, transfer, n_grid, period, keep, lanes, reach)
    # inverse transforms: real and imaginary parts exchanged on the way in and out
    im, re = fft_columns(
        buf.b, buf.a, buf.d, buf.c, period, keep, plan.period_radices, plan.period_re, plan.period_im
    )
    n = out.shape[0]
    half = _vectors((n + 1) // 2)
    size = keep * half
    # lines y and y + half share one complex inverse transform along x
    pr, pi, qr, qi = buf.e[:size], buf.e[size : 2 * size], buf.f[:size], buf.f[size : 2 * size]
    _transpose(re, first * keep, keep, pr, half, keep)
    _transpose(im, first * keep, keep, pi, half, keep)
    _transpose(re, (first + half) * keep, keep, qr, half, keep)
    _transpose(im, (first + half) * keep, keep, qi, half, keep)
    _pack(pr, pi, qr, qi, period, half, buf.a, buf.b)
    im, re = fft_columns(
        buf.b, buf.a, buf.d, buf.c, period, half, plan.period_radices, plan.period_re, plan.period_im
    )
    columns = _vectors(n)
    _transpose(re, first * half, half, buf.e, columns, half)
    _transpose(im, first * half, half, buf.f, columns, half)
    for j in range(min(half, n)):
        out[j] = buf.e[j * columns : j * columns + n]
    for j in range(half, n):
        out[j] = buf.f[(j - half) * columns : (j - half) * columns + n]
