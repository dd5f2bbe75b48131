"""Loops over explicit vectors of floats, emitted as LLVM IR where LLVM's own vectoriser gives up.

Matrix products need their block of sums kept in registers; deposits of 8x8 and transposes of 16x16 are too
short for LLVM's loops. Left to it, all three take five times longer. Formulas are written once, on `Vector`
operands. 16 floats are one AVX-512 register; LLVM splits them on smaller machines. All arrays are flat,
contiguous float32; indices are not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
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


#: Block of the product that `matrix_product` keeps in registers: rows x LANES columns.
BLOCK_ROWS = 8


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
    typing_context, a, a_at, a_stride, b, b_at, b_stride, c, c_at, c_stride, rows, columns, depth
):
    """c[c_at + i c_stride + j] = sum_k a[a_at + i a_stride + k] b[b_at + k b_stride + j].

    i < rows, a multiple of BLOCK_ROWS; j < columns, a multiple of LANES; k < depth, any.
    """
    whole = types.int64
    signature = types.void(*(_ARRAY, whole, whole) * 3, whole, whole, whole)

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        left, right, out = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 3, 6))
        zero = ir.Constant(ir.VectorType(_F32, LANES), [0.0] * LANES)

        def block(i: Any, j: Any) -> None:
            first = builder.add(args[1], builder.mul(i, args[2]))
            lines = [_index(builder, first, args[2], r) for r in range(BLOCK_ROWS)]
            column = builder.add(args[4], j)

            def body(k: Any, totals: list[Any]) -> list[Any]:
                row = right.load(builder.add(column, builder.mul(k, args[5])))
                products = (left.splat(builder.add(line, k)) * row for line in lines)
                return [(Vector(builder, t) + p).value for t, p in zip(totals, products, strict=True)]

            totals = _sum_loop(builder, args[11], [zero] * BLOCK_ROWS, body)
            target = builder.add(builder.add(args[7], j), builder.mul(i, args[8]))
            for r, total in enumerate(totals):
                out.store(_index(builder, target, args[8], r), Vector(builder, total))

        _count_up(
            builder, args[10], LANES,
            lambda j: _count_up(builder, args[9], BLOCK_ROWS, lambda i: block(i, j)),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature, generate


def _interleave(builder: Any, a: Any, b: Any, upper: bool) -> Any:
    """a0 b0 a1 b1 .. of the lower or the upper halves."""
    first = LANES // 2 if upper else 0
    order = [k for i in range(first, first + LANES // 2) for k in (i, i + LANES)]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), order))


@intrinsic
def transpose_block(typing_context, src, src_at, src_stride, dst, dst_at, dst_stride):  # type: ignore[no-untyped-def]
    """dst[dst_at + j dst_stride + i] = src[src_at + i src_stride + j] for i, j < 16."""
    signature = types.void(_ARRAY, types.int64, types.int64, _ARRAY, types.int64, types.int64)

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        source, target = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 3))
        rows = [source.load(_index(builder, args[1], args[2], k)).value for k in range(LANES)]
        for _ in range(4):  # four perfect shuffles of the rows transpose 2^4 x 2^4
            rows = [
                _interleave(builder, rows[k // 2], rows[k // 2 + LANES // 2], bool(k % 2))
                for k in range(LANES)
            ]
        for k in range(LANES):
            target.store(_index(builder, args[4], args[5], k), Vector(builder, rows[k]))
        return context.get_dummy_value()

    return signature, generate


def deposit_loop(rule: int, window: int) -> Any:
    """An intrinsic f(grid, base, stride, rows, wx, wy, samples, at, sample_stride, scale).

    grid[base + a stride + b] += scale sum_ij rows[wx + i][a] rows[wy + j][b] samples[at + (j rule + i)
    sample_stride] for a, b < window, i, j < rule. wx and wy count rows of `window` floats.
    """

    @intrinsic
    def deposit(typing_context, grid, base, stride, rows, wx, wy, samples, at, sample_stride, scale):  # type: ignore[no-untyped-def]
        whole = types.int64
        signature = types.void(
            _ARRAY, whole, whole, _ARRAY, whole, whole, _ARRAY, whole, whole, types.float32
        )

        def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
            target, table, values = (_Memory(context, builder, sig.args[k], args[k]) for k in (0, 3, 6))
            size = ir.Constant(_I64, window)
            row_x, row_y = builder.mul(args[4], size), builder.mul(args[5], size)
            scale_vector = splat(builder, args[9], window)
            along_y = [table.load(_index(builder, row_y, size, j), window) for j in range(rule)]
            mixes = []
            for i in range(rule):
                mix = along_y[0].constant(0.0)
                for j in range(rule):
                    sample = values.splat(_index(builder, args[7], args[8], j * rule + i), window)
                    mix = mix + sample * along_y[j]
                mixes.append(mix * scale_vector)
            one = ir.Constant(_I64, 1)
            for a in range(window):
                place = _index(builder, args[1], args[2], a)
                line = target.load(place, window)
                for i in range(rule):
                    weight = table.splat(_index(builder, _index(builder, row_x, size, i), one, a), window)
                    line = line + weight * mixes[i]
                target.store(place, line)
            return context.get_dummy_value()

        return signature, generate

    return deposit
