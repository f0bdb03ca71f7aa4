"""Reading and writing a row in 128-bit vectors, wherever it lies in memory.

A row of 50,257 numbers begins at an address that is a multiple of 16 bytes only by chance. There are two ways
to deal with that. Where a sum of floats is formed, the thread that adds a column must not depend on the row's
address, or the result would depend on its place in the batch: `tile_loader` gives each thread the same
columns always. Elsewhere the vectors may follow the memory: `row_reader` and `row_writer`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ._device import device
from ._formats import number_format
from .launch import TILE


@device
def keep_first_greatest(values: Any, places: Any, here: Any, other: Any) -> None:
    """A step of a reduction: the greater of two values, with its place, or the first place of equal ones."""
    if values[other] > values[here] or (values[other] == values[here] and places[other] < places[here]):
        values[here] = values[other]
        places[here] = places[other]


@cache
def _single_reader(name: str) -> Any:
    """Build ``read(array, start, c, columns) -> width reals``, one by one, -inf outside the row.

    Written out by length because the length of a tuple is part of its type.
    """
    form = number_format(name)
    load_one = form.load_one
    missing = form.real(-np.inf)

    @device
    def one(array: Any, start: Any, c: Any, columns: Any) -> Any:
        return load_one(array, start + c) if c >= 0 and c < columns else missing

    @device
    def two(array: Any, start: Any, c: Any, columns: Any) -> Any:
        return one(array, start, c, columns), one(array, start, c + 1, columns)

    @device
    def four(array: Any, start: Any, c: Any, columns: Any) -> Any:
        return two(array, start, c, columns) + two(array, start, c + 2, columns)

    @device
    def eight(array: Any, start: Any, c: Any, columns: Any) -> Any:
        return four(array, start, c, columns) + four(array, start, c + 4, columns)

    return {2: two, 4: four, 8: eight}[form.width]


@cache
def tile_loader(name: str, threads: int) -> Any:
    """Build ``load_tile(array, start, column, thread, columns, shift, total) -> TILE reals``.

    Element e of a thread's tile is column ``column + (e // width) * threads * width + thread * width + e %
    width`` of the row that starts at element ``start``, -inf past the row's end. ``shift`` is the number of
    elements by which the row begins past an aligned address, ``total`` the size of the array. A shifted row
    is read as two aligned vectors for each one wanted (the second comes from the L1 cache), of which the
    wanted part is selected in registers.
    """
    form = number_format(name)
    width = form.width
    stride = threads * width
    span = threads * TILE
    load, load_shifted = form.load, form.load_shifted
    singly = _single_reader(name)

    @device
    def aligned(array: Any, start: Any, column: Any, columns: Any, shift: Any, total: Any) -> Any:
        return load(array, start + column)

    @device
    def shifted(array: Any, start: Any, column: Any, columns: Any, shift: Any, total: Any) -> Any:
        return load_shifted(array, start + column, shift)

    @device
    def edge(array: Any, start: Any, column: Any, columns: Any, shift: Any, total: Any) -> Any:
        first = start + column
        if column + width <= columns and first >= shift and first - shift + 2 * width <= total:
            return load_shifted(array, first, shift)
        return singly(array, start, column, columns)

    def tile_of(read: Any) -> Any:
        @device
        def two(a: Any, s: Any, c: Any, n: Any, h: Any, t: Any) -> Any:
            return read(a, s, c, n, h, t) + read(a, s, c + stride, n, h, t)

        @device
        def four(a: Any, s: Any, c: Any, n: Any, h: Any, t: Any) -> Any:
            return two(a, s, c, n, h, t) + two(a, s, c + 2 * stride, n, h, t)

        @device
        def eight(a: Any, s: Any, c: Any, n: Any, h: Any, t: Any) -> Any:
            return four(a, s, c, n, h, t) + four(a, s, c + 4 * stride, n, h, t)

        return {2: two, 4: four, 8: eight}[TILE // width]

    aligned_tile, shifted_tile, edge_tile = tile_of(aligned), tile_of(shifted), tile_of(edge)

    @device
    def load_tile(
        array: Any, start: Any, column: Any, thread: Any, columns: Any, shift: Any, total: Any
    ) -> Any:
        first = start + column
        mine = column + thread * width
        # All threads of a block take the same branch, and all three give the same numbers.
        if column + span <= columns and shift == 0:
            return aligned_tile(array, start, mine, columns, shift, total)
        if column + span <= columns and first >= shift and first + span + width <= total:
            return shifted_tile(array, start, mine, columns, shift, total)
        return edge_tile(array, start, mine, columns, shift, total)

    return load_tile


@cache
def row_reader(name: str) -> Any:
    """Build ``read(array, start, c, columns) -> width reals`` from column ``c``, -inf outside the row.

    A vector that lies in the row must be aligned: callers let ``c`` run through ``v * width - shift``.
    """
    form = number_format(name)
    width, load = form.width, form.load_coherent
    singly = _single_reader(name)

    @device
    def read(array: Any, start: Any, c: Any, columns: Any) -> Any:
        if c >= 0 and c + width <= columns:
            return load(array, start + c)
        return singly(array, start, c, columns)

    return read


@cache
def row_writer(name: str) -> Any:
    """Build ``write(array, start, c, columns, wide, values)``: the vector at column ``c``, as far as it is in
    the row.

    ``wide`` says that the vector is aligned in this array too; otherwise its elements are written one by one.
    """
    form = number_format(name)
    width, store, store_one = form.width, form.store, form.store_one

    @device
    def write(array: Any, start: Any, c: Any, columns: Any, wide: Any, values: Any) -> None:
        if wide and c >= 0 and c + width <= columns:
            store(array, start + c, values)
        else:
            for k in range(width):
                if c + k >= 0 and c + k < columns:
                    store_one(array, start + c + k, values[k])

    return write


def map_elements(width: int, function: Any) -> Any:
    """Build ``apply(values, 0, c, context) -> tuple`` of ``function(values[k], c + k, context)``.

    Unrolled by hand, here and in `sum_elements`: a loop that the compiler leaves rolled would pick a tuple's
    element by a branch for each.
    """

    @device
    def two(v: Any, k: Any, c: Any, context: Any) -> Any:
        return function(v[k], c + k, context), function(v[k + 1], c + k + 1, context)

    @device
    def four(v: Any, k: Any, c: Any, context: Any) -> Any:
        return two(v, k, c, context) + two(v, k + 2, c, context)

    @device
    def eight(v: Any, k: Any, c: Any, context: Any) -> Any:
        return four(v, k, c, context) + four(v, k + 4, c, context)

    return {2: two, 4: four, 8: eight}[width]


def sum_elements(width: int, function: Any) -> Any:
    """Build ``apply(values, 0, c, context)``: the sum of the integers ``function(values[k], c + k,
    context)``.
    """

    @device
    def two(v: Any, k: Any, c: Any, context: Any) -> Any:
        return function(v[k], c + k, context) + function(v[k + 1], c + k + 1, context)

    @device
    def four(v: Any, k: Any, c: Any, context: Any) -> Any:
        return two(v, k, c, context) + two(v, k + 2, c, context)

    @device
    def eight(v: Any, k: Any, c: Any, context: Any) -> Any:
        return four(v, k, c, context) + four(v, k + 4, c, context)

    return {2: two, 4: four, 8: eight}[width]


def each_element(count: int, function: Any) -> Any:
    """Build ``apply(values, 0, state, context)``: the state after ``function(state, values[k], k, context)`` for
    each of ``count`` elements in turn; ``count`` is a power of two.
    """

    @device
    def one(v: Any, k: Any, state: Any, context: Any) -> Any:
        return function(state, v[k], k, context)

    def twice(half: Any, size: int) -> Any:
        @device
        def both(v: Any, k: Any, state: Any, context: Any) -> Any:
            return half(v, k + size, half(v, k, state, context), context)

        return both

    step, size = one, 1
    while size < count:
        step, size = twice(step, size), 2 * size
    return step
