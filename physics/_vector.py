"""Loops over explicit vectors of floats, emitted as LLVM IR where LLVM's own vectoriser gives up.

Matrix products need their block of sums kept in registers; deposits and transposes of 8x8 are too
short for LLVM's loops. Left to it, all three take five times longer. Formulas are written once, on `Vector`
operands. 16 floats are one AVX-512 register; LLVM splits them on smaller machines. All arrays are flat,
contiguous float32; indices are not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

LANES = 16
_I64 = ir.IntType(64)
_F32 = ir.FloatType()
_FLAGS = ("contract", "nsz")
_ARRAY = types.Array(types.float32, 1, "C")


class Vector:
    """A vector of floats at code-generation time, with arithmetic."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.builder, self.builder.fadd(self.value, other.value, flags=_FLAGS))

    def __sub__(self, other: Vector) -> Vector:
        return Vector(self.builder, self.builder.fsub(self.value, other.value, flags=_FLAGS))

    def __mul__(self, other: Vector) -> Vector:
        return Vector(self.builder, self.builder.fmul(self.value, other.value, flags=_FLAGS))

    def constant(self, number: float) -> Vector:
        """The same number in all places."""
        return Vector(self.builder, ir.Constant(self.value.type, [number] * self.value.type.count))


class _Memory:
    """Loads and stores through the data pointer of an array argument."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.data = context.make_array(array_type)(context, builder, array).data

    def _place(self, index: Any, width: int) -> Any:
        pointer = self.builder.gep(self.data, [index])
        return self.builder.bitcast(pointer, ir.VectorType(_F32, width).as_pointer())

    def load(self, index: Any, width: int = LANES) -> Vector:
        return Vector(self.builder, self.builder.load(self._place(index, width), align=4))

    def store(self, index: Any, vector: Vector) -> None:
        self.builder.store(vector.value, self._place(index, vector.value.type.count), align=4)

    def splat(self, index: Any, width: int = LANES) -> Vector:
        """One number, repeated."""
        return splat(self.builder, self.builder.load(self.builder.gep(self.data, [index])), width)


def splat(builder: Any, scalar: Any, width: int) -> Vector:
    """A scalar value, repeated."""
    undefined = ir.Constant(ir.VectorType(_F32, width), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return Vector(builder, builder.shuffle_vector(first, undefined, zeros))


def _index(builder: Any, base: Any, stride: Any, k: int) -> Any:
    return builder.add(base, builder.mul(stride, ir.Constant(_I64, k)))


def _count_up(builder: Any, end: Any, step: int, body: Callable[[Any], None]) -> None:
    """for i in range(0, end, step): body(i)"""
    before = builder.block
    head = builder.append_basic_block("head")
    inside = builder.append_basic_block("inside")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(_I64)
    i.add_incoming(ir.Constant(_I64, 0), before)
    builder.cbranch(builder.icmp_signed("<", i, end), inside, after)
    builder.position_at_end(inside)
    body(i)
    i.add_incoming(builder.add(i, ir.Constant(_I64, step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


@intrinsic
def polynomial(typing_context, t, coefficients):  # type: ignore[no-untyped-def]
    """c0 + c1 t + c2 t^2 + .. for scalars, coefficients a tuple of any length, unrolled.

    Horner's rule in t^2 for the even and the odd powers side by side: one chain for all would be waited for.
    """
    if not isinstance(coefficients, types.UniTuple):
        return None

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        def add_product(a: Any, b: Any, c: Any) -> Any:
            return builder.fadd(builder.fmul(a, b, flags=_FLAGS), c, flags=_FLAGS)

        square = builder.fmul(args[0], args[0], flags=_FLAGS)
        c = [builder.extract_value(args[1], k) for k in range(coefficients.count)]
        even, odd = (functools.reduce(lambda a, b: add_product(a, square, b), c[k::2][::-1]) for k in (0, 1))
        return add_product(odd, args[0], even)

    return coefficients.dtype(coefficients.dtype, coefficients), generate


#: Blocks of the product that `matrix_product` keeps in registers: rows, by two machine vectors.
_TILE_ROWS = (4, 6)


def _tile_columns() -> int:
    """Two machine vectors. With AVX-512 that is 32 floats; elsewhere LANES already fills two registers."""
    name = config.CPU_NAME or get_host_cpu_name()
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else get_host_cpu_features().flatten()
    return 2 * LANES if name == "x86-64-v4" or "+avx512f" in features else LANES


def _sum_loop(
    builder: Any, end: Any, start: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """totals = start; for k in range(end): totals = body(k, totals); the totals."""
    before = builder.block
    head = builder.append_basic_block("sum")
    inside = builder.append_basic_block("add")
    after = builder.append_basic_block("done")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(_I64)
    k.add_incoming(ir.Constant(_I64, 0), before)
    totals = [builder.phi(v.type) for v in start]
    for total, v in zip(totals, start, strict=True):
        total.add_incoming(v, before)
    builder.cbranch(builder.icmp_signed("<", k, end), inside, after)
    builder.position_at_end(inside)
    for total, v in zip(totals, body(k, totals), strict=True):
        total.add_incoming(v, builder.block)
    k.add_incoming(builder.add(k, ir.Constant(_I64, 1)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return totals


@intrinsic
def matrix_product(  # type: ignore[no-untyped-def]
    typing_context, a, a_at, a_row, a_step, b, b_at, b_row, c, c_at, c_row, rows, columns, depth
):
    """c[c_at + i c_row + j] = sum_k a[a_at + i a_row + k a_step] b[b_at + k b_row + j].

    i < rows, even and at least 4; j < columns, a multiple of LANES; k < depth, any. The sum over k is taken
    in order, whatever the block.
    """
    whole = types.int64
    signature = types.void(_ARRAY, *(whole,) * 3, *(_ARRAY, whole, whole) * 2, whole, whole, whole)

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        left, right, out = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 4, 7))
        a_at, a_row, a_step, b_at, b_row, c_at, c_row = (args[k] for k in (1, 2, 3, 5, 6, 8, 9))
        rows, columns, depth = args[10:]

        def tile(i: Any, j: Any, height: int, width: int) -> None:
            zero = ir.Constant(ir.VectorType(_F32, width), [0.0] * width)
            first = builder.add(a_at, builder.mul(i, a_row))
            lines = [_index(builder, first, a_row, r) for r in range(height)]
            column = builder.add(b_at, j)

            def body(k: Any, totals: list[Any]) -> list[Any]:
                row = right.load(builder.add(column, builder.mul(k, b_row)), width)
                step = builder.mul(k, a_step)
                products = (left.splat(builder.add(line, step), width) * row for line in lines)
                return [(Vector(builder, t) + p).value for t, p in zip(totals, products, strict=True)]

            totals = _sum_loop(builder, depth, [zero] * height, body)
            target = builder.add(builder.add(c_at, j), builder.mul(i, c_row))
            for r, total in enumerate(totals):
                out.store(_index(builder, target, c_row, r), Vector(builder, total))

        def stripe(j: Any, width: int) -> None:
            low, high = _TILE_ROWS
            six = ir.Constant(_I64, high)
            missing = builder.srem(builder.sub(six, builder.srem(rows, six)), six)
            few = builder.mul(missing, ir.Constant(_I64, low // 2))  # 0, 4 or 8 rows in blocks of 4
            _count_up(builder, few, low, lambda i: tile(i, j, low, width))
            _count_up(
                builder, builder.sub(rows, few), high, lambda i: tile(builder.add(few, i), j, high, width)
            )

        wide = _tile_columns()
        rest = builder.srem(columns, ir.Constant(_I64, wide))
        body_end = builder.sub(columns, rest)
        _count_up(builder, body_end, wide, lambda j: stripe(j, wide))
        if wide > LANES:
            _count_up(builder, rest, LANES, lambda j: stripe(builder.add(body_end, j), LANES))
        return context.get_dummy_value()

    return signature, generate


def across(formula: Callable[..., tuple[Vector, ...]], left: int, right: int, results: int) -> Any:
    """An intrinsic f(a, a_at, b, b_at, out, out_at, numbers, n): `formula` on rows of two arrays.

    out[out_at[r] + k] = formula(a[a_at[..] + k], b[b_at[..] + k], numbers)[r] for k < n, a multiple of LANES.
    left, right, results: how many rows of a, b and out. numbers: a pair. A result may replace its operand.
    """

    @intrinsic
    def apply(typing_context, a, a_at, b, b_at, out, out_at, numbers, n):  # type: ignore[no-untyped-def]
        def places(count: int) -> Any:
            return types.UniTuple(types.int64, count)

        signature = types.void(
            _ARRAY, places(left), _ARRAY, places(right), _ARRAY, places(results),
            types.UniTuple(types.float32, 2), types.int64,
        )  # fmt: skip

        def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
            one, two, target = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 2, 4))
            starts = [cgutils.unpack_tuple(builder, args[k]) for k in (1, 3, 5)]
            scalars = [splat(builder, number, LANES) for number in cgutils.unpack_tuple(builder, args[6])]

            def body(k: Any) -> None:
                operands = [
                    [memory.load(builder.add(start, k)) for start in places]
                    for memory, places in zip((one, two), starts[:2], strict=True)
                ]
                values = formula(*operands, scalars)
                for start, value in zip(starts[2], values, strict=True):
                    target.store(builder.add(start, k), value)

            _count_up(builder, args[7], LANES, body)
            return context.get_dummy_value()

        return signature, generate

    return apply


#: Floats of a shuffle's lane: AVX2 moves a float from one half of a register to the other only by slow
#: shuffles, so blocks of 4x4 are transposed side by side in the two halves.
_LANE = 4
#: Rows and columns that are transposed at once.
BLOCK = 2 * _LANE


def _interleave(builder: Any, a: Any, b: Any, upper: bool) -> Any:
    """a0 b0 a1 b1 of the lower or the upper half of each lane."""
    first = _LANE // 2 if upper else 0
    order = [lane + k for lane in (0, _LANE) for i in (first, first + 1) for k in (i, i + BLOCK)]
    return builder.shuffle_vector(a, b, _whole_numbers(order))


def _whole_numbers(order: list[int]) -> Any:
    """What `shuffle_vector` is told by."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


def _transpose_block(source: _Memory, places: list[Any], target: _Memory, to: list[Any]) -> None:
    """Columns of the BLOCK rows that begin at `places` become the rows that begin at `to`."""
    both = _whole_numbers(list(range(BLOCK)))
    for first in (0, _LANE):
        at = ir.Constant(_I64, first)
        parts = [source.load(source.builder.add(place, at), _LANE).value for place in places]
        upper, lower = parts[:_LANE], parts[_LANE:]
        rows = [source.builder.shuffle_vector(a, b, both) for a, b in zip(upper, lower, strict=True)]
        for _ in range(2):  # two perfect shuffles of the rows transpose 2^2 x 2^2
            rows = [
                _interleave(source.builder, rows[k // 2], rows[k // 2 + _LANE // 2], bool(k % 2))
                for k in range(_LANE)
            ]
        for place, row in zip(to[first:], rows, strict=False):
            target.store(place, Vector(source.builder, row))


@intrinsic
def transpose(typing_context, src, src_at, src_row, dst, dst_at, dst_row, rows, columns):  # type: ignore[no-untyped-def]
    """dst[dst_at + j dst_row + i] = src[src_at + i src_row + j], i < rows, j < columns, in BLOCKs."""
    whole = types.int64
    signature = types.void(_ARRAY, whole, whole, _ARRAY, whole, whole, whole, whole)

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        source, target = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 3))
        src_at, src_row, dst_at, dst_row = (args[k] for k in (1, 2, 4, 5))

        def block(i: Any, j: Any) -> None:
            first = builder.add(src_at, builder.add(builder.mul(i, src_row), j))
            to = builder.add(dst_at, builder.add(builder.mul(j, dst_row), i))
            places, targets = (
                [_index(builder, start, row, k) for k in range(BLOCK)]
                for start, row in ((first, src_row), (to, dst_row))
            )
            _transpose_block(source, places, target, targets)

        _count_up(
            builder, args[6], BLOCK, lambda i: _count_up(builder, args[7], BLOCK, lambda j: block(i, j))
        )
        return context.get_dummy_value()

    return signature, generate


def deposit_loop(rule: int, window: int) -> Any:
    """An intrinsic f(grid, base, stride, rows, wy, wx, samples, at, sample_stride, scale).

    grid[base + a stride + b] += scale sum_ij rows[wy + j][a] rows[wx + i][b] samples[at + (j rule + i)
    sample_stride] for a, b < window, i, j < rule. wy and wx count rows of `window` floats.
    """

    @intrinsic
    def deposit(typing_context, grid, base, stride, rows, wy, wx, samples, at, sample_stride, scale):  # type: ignore[no-untyped-def]
        whole = types.int64
        signature = types.void(
            _ARRAY, whole, whole, _ARRAY, whole, whole, _ARRAY, whole, whole, types.float32
        )

        def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
            target, table, values = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 3, 6))
            size = ir.Constant(_I64, window)
            row_y, row_x = builder.mul(args[4], size), builder.mul(args[5], size)
            scale_vector = splat(builder, args[9], window)
            along_x = [table.load(_index(builder, row_x, size, i), window) for i in range(rule)]
            mixes = []
            for j in range(rule):
                mix = along_x[0].constant(0.0)
                for i in range(rule):
                    sample = values.splat(_index(builder, args[7], args[8], j * rule + i), window)
                    mix = mix + sample * along_x[i]
                mixes.append(mix * scale_vector)
            one = ir.Constant(_I64, 1)
            for a in range(window):
                place = _index(builder, args[1], args[2], a)
                line = target.load(place, window)
                for j in range(rule):
                    weight = table.splat(_index(builder, _index(builder, row_y, size, j), one, a), window)
                    line = line + weight * mixes[j]
                target.store(place, line)
            return context.get_dummy_value()

        return signature, generate

    return deposit
