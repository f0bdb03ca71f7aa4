"""Number formats: how 128 bits of memory become numbers in registers, and back.

A kernel is written once. What differs between float32, float64, float16 and bfloat16 (both of which arrive as
uint16) is gathered here as a small set of device functions, chosen when the kernel is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from . import _device
from ._device import device, funnel_right, load_vector, load_vector_coherent, store_vector

# Masses are integers in units of 2**-50: sums of integers do not depend on their order. A row of 2**18 equal
# tokens is then off by at most 2**-33; and a probability that is 1/4 but for the rounding of float64 becomes
# exactly 1/4.
MASS_BITS = 50


@dataclass(frozen=True)
class Format:
    """Device functions and constants of one number format."""

    name: str
    width: int  # elements of a 128-bit vector
    real: Any  # type of the arithmetic
    key_type: Any  # integer type of `float_bits`
    lowest: Any  # lowest finite number: the maximum of nothing
    floor: Any  # exponent whose power of two is 0
    load: Any  # (array, index) -> `width` reals; index aligned to 128 bits, nothing writes the array
    load_coherent: Any  # the same for an array that the kernel may write
    load_shifted: Any  # (array, index, shift) -> `width` reals from two aligned vectors
    load_one: Any  # (array, index) -> real
    store: Any  # (array, index, `width` reals)
    store_one: Any  # (array, index, real)
    exp2: Any
    mass: Any  # probability -> int64 in units of 2**-MASS_BITS


@device
def _shift_words(a: Any, b: Any, words: Any) -> Any:
    """Words ``words`` .. ``words + 4`` of the eight words of ``a`` and ``b``, without indexing by a run-time
    number.
    """
    two = (words & 2) != 0
    w0 = a[2] if two else a[0]
    w1 = a[3] if two else a[1]
    w2 = b[0] if two else a[2]
    w3 = b[1] if two else a[3]
    w4 = b[2] if two else b[0]
    w5 = b[3] if two else b[1]
    one = (words & 1) != 0
    return (
        w1 if one else w0,
        w2 if one else w1,
        w3 if one else w2,
        w4 if one else w3,
        w5 if one else w4,
    )


def _float32() -> Format:
    high_scale = np.float32(2.0 ** (MASS_BITS - 32))
    low_scale = np.float32(2.0**32)
    half = np.float32(0.5)

    @device
    def load_shifted(array: Any, index: Any, shift: Any) -> Any:
        first = index - shift
        words = _shift_words(load_vector(array, first), load_vector(array, first + 4), shift)
        return words[0], words[1], words[2], words[3]

    @device
    def load_one(array: Any, index: Any) -> Any:
        return array[index]

    @device
    def store_one(array: Any, index: Any, value: Any) -> None:
        array[index] = value

    @device
    def mass(p: Any) -> Any:
        # In two 32-bit halves: a conversion to 64 bits runs at 1/32 of the rate on most GPUs.
        scaled = p * high_scale
        high = np.uint32(scaled)
        low = np.uint32((scaled - np.float32(high)) * low_scale + half)
        return (np.int64(high) << 32) + np.int64(low)

    return Format(
        "float32", 4, np.float32, np.int32, np.float32(np.finfo(np.float32).min), np.float32(-200),
        load_vector, load_vector_coherent, load_shifted, load_one, store_vector, store_one,
        _device.exp2_approx, mass,
    )  # fmt: skip


def _float64() -> Format:
    scale = np.float64(2.0**MASS_BITS)
    half = np.float64(0.5)

    @device
    def load_shifted(array: Any, index: Any, shift: Any) -> Any:
        a = load_vector(array, index - shift)
        b = load_vector(array, index - shift + 2)
        odd = shift != 0
        return a[1] if odd else a[0], b[0] if odd else a[1]

    @device
    def load_one(array: Any, index: Any) -> Any:
        return array[index]

    @device
    def store_one(array: Any, index: Any, value: Any) -> None:
        array[index] = value

    @device
    def mass(p: Any) -> Any:
        return np.int64(p * scale + half)

    return Format(
        "float64", 2, np.float64, np.int64, np.float64(np.finfo(np.float64).min), np.float64(-2000),
        load_vector, load_vector_coherent, load_shifted, load_one, store_vector, store_one,
        _device.exp2_double, mass,
    )  # fmt: skip


def _sixteen_bits(name: str, unpack: Any, pack: Any) -> Format:
    zero = np.float32(0)

    @device
    def expand(words: Any) -> Any:
        return unpack(words[0]) + unpack(words[1]) + unpack(words[2]) + unpack(words[3])

    @device
    def load(array: Any, index: Any) -> Any:
        return expand(load_vector(array, index))

    @device
    def load_coherent(array: Any, index: Any) -> Any:
        return expand(load_vector_coherent(array, index))

    @device
    def load_shifted(array: Any, index: Any, shift: Any) -> Any:
        first = index - shift
        w = _shift_words(load_vector(array, first), load_vector(array, first + 8), shift >> 1)
        bits = np.uint32((shift & 1) << 4)
        return expand(
            (
                funnel_right(w[0], w[1], bits),
                funnel_right(w[1], w[2], bits),
                funnel_right(w[2], w[3], bits),
                funnel_right(w[3], w[4], bits),
            )
        )

    @device
    def load_one(array: Any, index: Any) -> Any:
        return unpack(np.uint32(array[index]))[0]

    @device
    def store(array: Any, index: Any, v: Any) -> None:
        store_vector(array, index, (pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7])))

    @device
    def store_one(array: Any, index: Any, value: Any) -> None:
        array[index] = np.uint16(pack(value, zero))

    wide = _float32()
    return Format(
        name, 8, np.float32, np.int32, wide.lowest, wide.floor,
        load, load_coherent, load_shifted, load_one, store, store_one, wide.exp2, wide.mass,
    )  # fmt: skip


@cache
def number_format(name: str) -> Format:
    """The format called ``name``: float32, float64, float16 or bfloat16."""
    if name == "float32":
        return _float32()
    if name == "float64":
        return _float64()
    if name == "float16":
        return _sixteen_bits(name, _device.unpack_float16, _device.pack_float16)
    return _sixteen_bits(name, _device.unpack_bfloat16, _device.pack_bfloat16)
