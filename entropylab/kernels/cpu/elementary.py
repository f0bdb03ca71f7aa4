"""The scalar functions that the loops are made of, each written so that LLVM vectorises it.

The exponential is a polynomial: a call to the mathematics library would stay scalar.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from entropylab.kernels.cpu.compiling import exact, kernel

# Below these the exponential is taken as exactly 0 (float32: e^-86 = 4e-38, float64: e^-708 = 3e-308).
FLOOR_32 = np.float32(-86.0)
FLOOR_64 = -708.0

LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
# Adding 1.5 * 2^23 rounds a float32 to an integer and leaves that integer in the low bits.
ROUNDER = np.float32(12582912.0)
C2 = np.float32(5.0000001201e-1)
C3 = np.float32(1.6666665459e-1)
C4 = np.float32(4.1665795894e-2)
C5 = np.float32(8.3334519073e-3)
C6 = np.float32(1.3981999507e-3)
C7 = np.float32(1.9875691500e-4)
ONE = np.float32(1.0)
HALF = np.float32(0.5)
TWO_112 = np.float32(2.0**112)


def bitcast(source: Any, result: Any, llvm_type: Any, doc: str) -> Any:
    """A function for compiled code that reads the bits of one type as another."""

    def typed(typing_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], llvm_type)

        return result(source), generate

    typed.__doc__ = doc
    return intrinsic(typed)


bits_of = bitcast(types.float32, types.int32, ir.IntType(32), "The 32 bits of a float32 as an int32.")
float_of = bitcast(types.int32, types.float32, ir.FloatType(), "The float32 that has these 32 bits.")
bits_of_64 = bitcast(types.float64, types.int64, ir.IntType(64), "The 64 bits of a float64 as an int64.")
float_of_64 = bitcast(types.int64, types.float64, ir.DoubleType(), "The float64 that has these 64 bits.")


@exact
def exp_32(x: Any) -> Any:
    """``e^x`` for x in [-86, 0], float32, error below one unit in the last place.

    ``x = k ln 2 + r`` with ``|r| <= ln(2)/2``; a polynomial of degree 7 gives ``e^r`` (the coefficients of
    Cephes' expf) and k is added to the exponent bits. NaN stays NaN unless its payload is odd, which is why
    the callers also form ``e^x * x``.
    """
    shifted = x * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = C7
    p = p * r + C6
    p = p * r + C5
    p = p * r + C4
    p = p * r + C3
    p = p * r + C2
    y = (p * (r * r) + r) + ONE
    return float_of(np.int32(bits_of(y) + (bits_of(shifted) << np.int32(23))))


def floor_of(x: Any) -> Any:
    """The smallest exponent, in the dtype of x, whose exponential is not taken as 0."""
    return FLOOR_64


@overload(floor_of)  # type: ignore[untyped-decorator]
def _floor_of(x: Any) -> Any:
    floor = FLOOR_32 if x == types.float32 else FLOOR_64

    def constant(x: Any) -> Any:
        return floor

    return constant


def exp_bounded(x: Any) -> Any:
    """``e^x`` for a float32 or float64 between the floor of its dtype and 0."""
    return math.exp(x)


@overload(exp_bounded)  # type: ignore[untyped-decorator]
def _exp_bounded(x: Any) -> Any:
    def single(x: Any) -> Any:
        return exp_32(x)

    def double(x: Any) -> Any:
        return math.exp(x)

    return single if x == types.float32 else double


def rank_of(x: Any) -> Any:
    """An integer that grows with the float x, one step from each float to the next; for 32 and 64 bits."""
    return x


@overload(rank_of)  # type: ignore[untyped-decorator]
def _rank_of(x: Any) -> Any:
    def single(x: Any) -> Any:
        bits = bits_of(x)
        return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))

    def double(x: Any) -> Any:
        bits = bits_of_64(x)
        return np.int64(bits ^ ((bits >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)))

    return single if x == types.float32 else double


def of_rank(rank: Any, like: Any) -> Any:
    """The float, of the dtype of `like`, that has this rank."""
    return rank


@overload(of_rank)  # type: ignore[untyped-decorator]
def _of_rank(rank: Any, like: Any) -> Any:
    def single(rank: Any, like: Any) -> Any:
        return float_of(np.int32(rank ^ ((rank >> 31) & 0x7FFFFFFF)))

    def double(rank: Any, like: Any) -> Any:
        return float_of_64(np.int64(rank ^ ((rank >> 63) & 0x7FFFFFFFFFFFFFFF)))

    return single if like == types.float32 else double


@kernel
def greatest(values: Any) -> Any:
    """The greatest of the values, by rank: integers compare faster than floats that may be NaN."""
    best = rank_of(values.dtype.type(-np.inf))
    for i in range(values.size):
        best = max(best, rank_of(values[i]))
    return of_rank(best, values.dtype.type(0))


@exact
def half_to_float(bits: Any) -> Any:
    """The float32 equal to a float16 given by its bits."""
    wide = np.int32(bits)
    magnitude = np.int32((wide & np.int32(0x7FFF)) << np.int32(13))
    # The multiplication moves the exponent to float32's bias and normalises subnormals.
    value = bits_of(float_of(magnitude) * TWO_112)
    if magnitude >= np.int32(0x0F800000):  # infinity and NaN have the greatest exponent in both
        value = np.int32(magnitude | np.int32(0x7F800000))
    return float_of(np.int32(value | np.int32((wide & np.int32(0x8000)) << np.int32(16))))


@exact
def brain_to_float(bits: Any) -> Any:
    """The float32 equal to a bfloat16 given by its bits: its upper half."""
    return float_of(np.int32(np.int32(bits) << np.int32(16)))


def row_as_float(row: Any, brain: bool, buffer: Any) -> Any:
    """A row of logits in the dtype of `buffer`: the row itself, or 16-bit floats converted into `buffer`."""
    return row


@overload(row_as_float)  # type: ignore[untyped-decorator]
def _row_as_float(row: Any, brain: Any, buffer: Any) -> Any:
    def unchanged(row: Any, brain: Any, buffer: Any) -> Any:
        return row

    def converted(row: Any, brain: Any, buffer: Any) -> Any:
        if brain:
            for i in range(row.size):
                buffer[i] = brain_to_float(row[i])
        else:
            for i in range(row.size):
                buffer[i] = half_to_float(row[i])
        return buffer[: row.size]

    return converted if row.dtype == types.uint16 else unchanged


@exact
def to_half(value: Any) -> Any:
    """The bits of the float16 nearest to a float32, ties to even."""
    bits = bits_of(value)
    sign = np.int32((bits >> np.int32(16)) & np.int32(0x8000))
    magnitude = np.int32(bits & np.int32(0x7FFFFFFF))
    # Normal numbers: move the exponent, add just under half a unit and one more if the last bit is odd.
    odd = np.int32((magnitude >> np.int32(13)) & np.int32(1))
    result = np.int32(np.int32(magnitude - np.int32(0x37FFF001) + odd) >> np.int32(13))
    if magnitude < np.int32(0x38800000):  # subnormal: an addition of 0.5 rounds at the right bit
        result = np.int32(bits_of(float_of(magnitude) + HALF) - np.int32(0x3F000000))
    if magnitude >= np.int32(0x47800000):
        result = np.int32(0x7E00) if magnitude > np.int32(0x7F800000) else np.int32(0x7C00)
    return np.uint16(result | sign)


@exact
def to_brain(value: Any) -> Any:
    """The bits of the bfloat16 nearest to a float32, ties to even."""
    bits = bits_of(value)
    odd = np.int32((bits >> np.int32(16)) & np.int32(1))
    result = np.int32(np.int32(bits + np.int32(0x7FFF) + odd) >> np.int32(16))
    if np.int32(bits & np.int32(0x7FFFFFFF)) > np.int32(0x7F800000):
        result = np.int32(0x7FC0)
    return np.uint16(result)


def store(values: Any, brain: bool, destination: Any) -> None:
    """Copy floats into an array of their dtype, or round them into the bits of 16-bit floats."""
    destination[:] = values


@overload(store)  # type: ignore[untyped-decorator]
def _store(values: Any, brain: Any, destination: Any) -> Any:
    def same(values: Any, brain: Any, destination: Any) -> Any:
        destination[:] = values

    def rounded(values: Any, brain: Any, destination: Any) -> Any:
        if brain:
            for i in range(values.size):
                destination[i] = to_brain(values[i])
        else:
            for i in range(values.size):
                destination[i] = to_half(values[i])

    return rounded if destination.dtype == types.uint16 else same
