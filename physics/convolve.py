"""From the deposit grid to the image: Fourier series, PSF, and their sum at the stamp's pixels.

With V the grid of deposits, P the period, k = 2 pi m / P, and H = PSF^ even in kx and ky,
image(X, Y) = sum over mx, my >= 0 of w(mx) w(my) / P^2 H(kx, ky)
              sum_g V(g) cos(kx (X - gx)) cos(ky (Y - gy)) / (window^(kx) window^(ky)),   w(0) = 1, else 2.
cos(k (X - g)) = cos kX cos kg + sin kX sin kg: four real matrices of coefficients, (cos or sin in x) x
(cos or sin in y), each multiplied by the same H. The sums are products with small constant matrices, which
need exactly the frequencies that the PSF passes, any period, and half the multiplications of a plain
product, since grid and stamp are symmetric about their middle. Below 150 px a side that is faster than an
FFT, and frequencies above the stamp's Nyquist frequency alias, as they do in a camera, with no code of their
own.

Matrices are float32 and flat; `modes` is the number of frequencies, `row` the length of a row, in whole
vectors. A pair (cos, sin in x) lies side by side in a row of 2 `row`.
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, formula, vectorised
from physics._vector import BLOCK_ROWS, LANES, matrix_product, transpose_block
from physics.geometry import ROOT_PIXELS, Geometry
from physics.gridding import window_transform

F32 = np.float32
#: Frequencies where the PSF passes less than this are left out: 3e-5 of a star's peak in all.
PSF_FLOOR = 1e-5


class Plan(NamedTuple):
    """Constants of one geometry.

    in_cos, in_sin: [mode, grid point right of the middle], over window^. out_cos, out_sin: [pixel from the
    middle on, mode], times w / P. turned_cos, turned_sin: the same [mode, pixel].
    n_half: grid points, n_out: pixels on one side; most: modes; pixels: row length of turned_*.
    """

    in_cos: Array
    in_sin: Array
    out_cos: Array
    out_sin: Array
    turned_cos: Array
    turned_sin: Array
    n_used: int
    stride: int
    n_pix: int
    n_out: int
    pixels: int
    most: int


class Buffers(NamedTuple):
    """Working memory of one call. grid: deposits; a..d: scratch; cos_y, sin_y: coefficients [ky, pair of kx];
    transfer: H [band, ky, kx].
    """

    grid: Array
    a: Array
    b: Array
    c: Array
    d: Array
    cos_y: Array
    sin_y: Array
    transfer: Array


def _blocks(n: int, size: int) -> int:
    return -(-n // size) * size


def _padded(matrix: Array, rows: int, columns: int) -> Array:
    out = np.zeros((rows, columns), np.float32)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out.ravel()


def plan(g: Geometry) -> Plan:
    """The constants for `spectrum` and `image`."""
    most = _blocks(g.period * g.steps // (2 * ROOT_PIXELS), LANES)
    m = np.arange(most)
    k = 2.0 * np.pi * m / g.period
    step = ROOT_PIXELS / g.steps
    nyquist = m * step / g.period <= 0.5
    inverse = nyquist / window_transform(np.where(nyquist, m * step / g.period, 0.0), g.steps)
    x = (np.arange(g.n_used // 2) + 0.5) * step
    n_out = (g.n_pix + 1) // 2
    pixel = np.arange(n_out) + (0.5 if g.n_pix % 2 == 0 else 0.0)
    weight = np.where(m > 0, 2.0, 1.0) / g.period
    wide, tall = _blocks(n_out, LANES), _blocks(n_out, BLOCK_ROWS)
    grid, out = np.outer(k, x), np.outer(pixel, k)
    c, s = np.cos(out) * weight, np.sin(out) * weight
    return Plan(
        (np.cos(grid) * inverse[:, None]).astype(np.float32).ravel(),
        (np.sin(grid) * inverse[:, None]).astype(np.float32).ravel(),
        _padded(c, tall, most), _padded(s, tall, most), _padded(c.T, most, wide), _padded(s.T, most, wide),
        g.n_used, g.stride, g.n_pix, n_out, wide, most,
    )  # fmt: skip


def buffers(g: Geometry, p: Plan, bands: int) -> Buffers:
    """Working memory for `spectrum` and `image`."""
    side = max(g.stride, 2 * p.most, 2 * p.pixels) + LANES
    a, b, c, d, cos_y, sin_y = (np.zeros(side * side, np.float32) for _ in range(6))
    grid = np.zeros(g.n_used * g.stride, np.float32)
    return Buffers(grid, a, b, c, d, cos_y, sin_y, np.zeros((bands, p.most * p.most), np.float32))


@formula
def whole(n: int, size: int) -> int:
    """n rounded up to a multiple of size."""
    return (n + size - 1) // size * size


@vectorised
def _product(
    a: Array, a_at: int, a_row: int, b: Array, b_row: int, out: Array, rows: int, columns: int, depth: int
) -> None:
    """out [rows, columns] = a [rows, depth] b [depth, columns]; compiled once for all uses."""
    matrix_product(a, a_at, a_row, b, 0, b_row, out, 0, columns, rows, columns, depth)


@vectorised
def _fold(src: Array, row: int, half: int, n: int, even: Array, odd: Array) -> None:
    """Sum and difference of the rows of src at equal distance from its middle; n of each row."""
    for i in range(half):
        up, down = src[(half + i) * row :], src[(half - 1 - i) * row :]
        e, o = even[i * row :], odd[i * row :]
        for k in range(n):
            e[k] = up[k] + down[k]
            o[k] = up[k] - down[k]


@vectorised
def _transpose(
    src: Array, src_stride: int, dst: Array, dst_at: int, dst_stride: int, rows: int, columns: int
) -> None:
    """dst [column, row] = src [row, column]; whole blocks of 16x16."""
    for i in range(0, rows, LANES):
        for j in range(0, columns, LANES):
            transpose_block(src, i * src_stride + j, src_stride, dst, dst_at + j * dst_stride + i, dst_stride)


@vectorised
def spectrum(buf: Buffers, p: Plan, modes: int) -> None:
    """Coefficients of buf.grid [x, y] for the first `modes` frequencies, into buf.cos_y, buf.sin_y."""
    half, stride, row = p.n_used // 2, p.stride, whole(modes, LANES)
    tall = whole(modes, BLOCK_ROWS)
    _fold(buf.grid, stride, half, stride, buf.a, buf.b)
    _product(p.in_cos, 0, half, buf.a, stride, buf.c, tall, stride, half)
    _product(p.in_sin, 0, half, buf.b, stride, buf.d, tall, stride, half)
    _transpose(buf.c, stride, buf.a, 0, 2 * row, row, stride)
    _transpose(buf.d, stride, buf.a, row, 2 * row, row, stride)
    _fold(buf.a, 2 * row, half, 2 * row, buf.c, buf.d)
    _product(p.in_cos, 0, half, buf.c, 2 * row, buf.cos_y, tall, 2 * row, half)
    _product(p.in_sin, 0, half, buf.d, 2 * row, buf.sin_y, tall, 2 * row, half)


@vectorised
def set_transfer(transfer: Array, table: Array, steps: Real, unit: Real, modes: int) -> None:
    """H[ky, kx] (rows of whole vectors) below `modes`; unit: table argument per unit of frequency index."""
    last = F32(table.size - 2)
    row = whole(modes, LANES)
    for ky in range(modes):
        line = transfer[ky * row : (ky + 1) * row]
        y2 = F32(ky) * F32(ky)
        for kx in range(row):
            x = F32(kx)
            place = min(F32(np.sqrt(x * x + y2)) * unit * steps, last)
            cell = np.int32(place)
            part = place - F32(cell)
            line[kx] = table[cell] + part * (table[cell + 1] - table[cell])


@vectorised
def _filter(src: Array, src_row: int, transfer: Array, row: int, modes: int, dst: Array) -> None:
    """dst [ky, pair of kx] = H src, for fewer frequencies than src may hold."""
    for ky in range(modes):
        h = transfer[ky * row :]
        c, s = src[2 * ky * src_row :], src[(2 * ky + 1) * src_row :]
        out_c, out_s = dst[2 * ky * row :], dst[(2 * ky + 1) * row :]
        for kx in range(row):
            out_c[kx] = h[kx] * c[kx]
            out_s[kx] = h[kx] * s[kx]


@vectorised
def _unfold(even: Array, odd: Array, row: int, n_out: int, n: int, out: Array) -> None:
    """The inverse of `_fold` on the stamp's n lines: [line, row] from sums and differences."""
    middle = n // 2
    for j in range(n_out):
        e, o = even[j * row :], odd[j * row :]
        up, down = out[(middle + j) * row :], out[(n - 1 - middle - j) * row :]
        for k in range(row):
            down[k] = e[k] - o[k]
            up[k] = e[k] + o[k]


@vectorised
def image(buf: Buffers, p: Plan, transfer: Array, of_modes: int, modes: int, out: Array) -> None:
    """out[j, i] from the coefficients (of `of_modes` frequencies) and H (of `modes`, not more)."""
    row = whole(modes, LANES)
    _filter(buf.cos_y, whole(of_modes, LANES), transfer, row, modes, buf.a)
    _filter(buf.sin_y, whole(of_modes, LANES), transfer, row, modes, buf.b)
    synthesise(buf, p, modes, out)


@vectorised
def synthesise(buf: Buffers, p: Plan, modes: int, out: Array) -> None:
    """out[j, i] from the filtered coefficients in buf.a (cos in y) and buf.b (sin in y)."""
    row, n = whole(modes, LANES), p.n_pix
    tall = whole(p.n_out, BLOCK_ROWS)
    _product(p.out_cos, 0, p.most, buf.a, 2 * row, buf.c, tall, 2 * row, modes)
    _product(p.out_sin, 0, p.most, buf.b, 2 * row, buf.d, tall, 2 * row, modes)
    _unfold(buf.c, buf.d, 2 * row, p.n_out, n, buf.a)
    lines, wide = whole(n, BLOCK_ROWS), p.pixels
    _product(buf.a, 0, 2 * row, p.turned_cos, wide, buf.c, lines, wide, modes)
    _product(buf.a, row, 2 * row, p.turned_sin, wide, buf.d, lines, wide, modes)
    middle = n // 2
    for j in range(n):
        e, o = buf.c[j * wide :], buf.d[j * wide :]
        for i in range(p.n_out):
            out[j, n - 1 - middle - i] = e[i] - o[i]
        for i in range(p.n_out):
            out[j, middle + i] = e[i] + o[i]
