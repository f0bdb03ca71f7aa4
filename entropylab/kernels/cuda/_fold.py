"""The kernels that fold a block of logits into the state of its rows, and that turn it into its gradient.

One thread block a row. It reads its piece of the row twice, the second time from the cache: first for the greatest
logit and its place, then for

    rest = sum 2^x without that place,    t = sum 2^x x,    u = sum 2^x x^2,    x = (z - greatest) log2(e) / T.

The first thread merges them into the row's state by the rule of `reference.fold.merge`, in the precision of the
sums: the rest form leaves nothing that would cancel, so that float32 needs no float64 beside it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._backward import HAS_ENTROPY, HAS_LOGSUMEXP, HAS_MAX, HAS_SURPRISAL, HAS_VARENTROPY
from ._device import cuda, device, kernel
from ._formats import number_format
from ._rows import each_element, keep_first_greatest, map_elements, row_reader, row_writer, tile_loader
from .launch import BACKWARD_THREADS, BACKWARD_VECTORS, FOLD_THREADS, TILE


@cache
def fold_kernel(name: str) -> Any:
    """Build the kernel that folds a block, for one number format."""
    form = number_format(name)
    threads = FOLD_THREADS
    load_tile = tile_loader(name, threads)
    real, exp2, floor, width = form.real, form.exp2, form.floor, form.width
    zero, one = real(0), real(1)
    nothing, infinity, nan = real(-np.inf), real(np.inf), real(np.nan)
    ln2, ln2_squared = real(math.log(2)), real(math.log(2) ** 2)
    span, stride = threads * TILE, threads * width

    @device
    def compare(found: Any, z: Any, k: Any, first_column: Any) -> Any:
        """The greatest logit so far and its first place; comparisons pass over NaN."""
        if z > found[0]:
            return z, first_column + np.int32((k // width) * stride + k % width)
        return found

    @device
    def add(sums: Any, z: Any, k: Any, context: Any) -> Any:
        """The sums with one more logit; `here` is the distance to the greatest one."""
        rest, t, u = sums
        origin, scale, here = context
        x = (z - origin) * scale
        e = exp2(x)
        # At z = -inf the power is 0 and the product must be 0 too; a NaN stays, in e.
        x = max(x, floor)
        w = e * x
        return rest + (zero if np.int32((k // width) * stride + k % width) == here else e), t + w, u + w * x

    greatest, absorb = each_element(TILE, compare), each_element(TILE, add)

    @device
    def merge(high: Any, low: Any, scale: Any) -> Any:
        """The state of two disjoint sets of tokens; `high` has the greater peak, or the same."""
        peak, rest, first, spread = high
        peak_low, rest_low, first_low, spread_low = low
        if peak_low == nothing:
            return peak, rest + rest_low * zero, first, spread  # nothing, or NaN
        steps = (peak_low - peak) * scale
        weight = exp2(steps)
        if not weight > zero:
            return peak, rest + rest_low * zero, first, spread
        shift = steps * ln2
        total = one + rest
        total_low = one + rest_low
        distance = first / total - (shift + first_low / total_low)
        part = weight * total_low
        spread += weight * spread_low + distance * distance * total * (part / (total + part))
        return peak, rest + part, first + weight * (first_low + shift * total_low), spread

    def fold(
        block: Any, peak: Any, rest: Any, first: Any, spread: Any, likeliest: Any,
        columns: Any, misalignment: Any, scale: Any, token: Any,
    ) -> None:  # fmt: skip
        values = cuda.shared.array(threads, real)
        places = cuda.shared.array(threads, np.int32)
        sums = cuda.shared.array((3, threads), real)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        total = np.int64(block.size)

        best = nothing
        place = np.int32(columns)
        for column in range(0, columns, span):
            tile = load_tile(block, start, column, thread, columns, shift, total)
            best, place = greatest(tile, 0, (best, place), np.int32(column + thread * width))
        values[thread] = best
        places[thread] = place
        cuda.syncthreads()
        offset = threads // 2
        while offset > 0:
            if thread < offset:
                other = thread + offset
                keep_first_greatest(values, places, thread, other)
            cuda.syncthreads()
            offset = offset >> 1
        best = values[0]
        place = places[0]

        # A block of -inf only is summed relative to 0: its sums are 0, unless a NaN hides in it.
        origin = zero if best == nothing else best
        r, t, u = zero, zero, zero
        for column in range(0, columns, span):
            tile = load_tile(block, start, column, thread, columns, shift, total)
            r, t, u = absorb(tile, 0, (r, t, u), (origin, scale, place - np.int32(column + thread * width)))
        sums[0, thread] = r
        sums[1, thread] = t
        sums[2, thread] = u
        cuda.syncthreads()
        offset = threads // 2
        while offset > 0:
            if thread < offset:
                for k in range(3):
                    sums[k, thread] += sums[k, thread + offset]
            cuda.syncthreads()
            offset = offset >> 1
        if thread != 0:
            return

        r = sums[0, 0]
        if not best < infinity:
            r = nan
        t = sums[1, 0]
        u = max(sums[2, 0] - t * t / (one + r), zero) * ln2_squared
        found = (best, r, t * ln2, u)
        state = (peak[row], rest[row], first[row], spread[row])
        if best > state[0]:
            likeliest[row] = token + np.int64(place)
            state = merge(found, state, scale)
        else:
            state = merge(state, found, scale)
        peak[row], rest[row], first[row], spread[row] = state

    return kernel(fold)


@cache
def fold_backward_kernel(name: str) -> Any:
    """Build the elementwise kernel of the gradient; a block handles BACKWARD_VECTORS vectors a thread of a row.

    As `_backward.backward_kernel`, but from the state: with x = (z - peak) / T and the mean of x, log p + H is
    x - mean, and neither depends on how far the logits lie from zero.
    """
    form = number_format(name)
    real, exp2, width = form.real, form.exp2, form.width
    read, write = row_reader(name), row_writer(name)
    zero, one, two = real(0), real(1), real(2)
    log2_e = real(1 / math.log(2))
    # exp(-10,000) is 0, and its product with a quadratic of this size is too.
    faint = real(-10_000)
    absent = real(-np.inf)
    threads, unroll = BACKWARD_THREADS, BACKWARD_VECTORS

    @device
    def entry(z: Any, c: Any, row: Any) -> Any:
        inverse_temperature, peak, mean, square, slope, constant, top, at_top, target, at_target = row
        x = (z - peak) * inverse_temperature
        a = max(x, faint) - mean
        g = exp2(x * log2_e) * ((square * a + slope) * a + constant)
        if c == top:
            g += at_top
        if c == target:
            g -= at_target
        return zero if z == absent else g

    gradient = map_elements(width, entry)

    def fold_backward(
        block: Any, out: Any, peak: Any, rest: Any, first: Any, spread: Any, likeliest: Any, targets: Any,
        g_entropy: Any, g_varentropy: Any, g_logsumexp: Any, g_max: Any, g_surprisal: Any,
        columns: Any, misalignment: Any, out_misalignment: Any, inverse_temperature: Any, token: Any, given: Any,
    ) -> None:  # fmt: skip
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        wide_stores = shift == (start + out_misalignment) % width

        inverse = one / (one + rest[row])
        upstream_entropy = g_entropy[row] if (given & HAS_ENTROPY) != 0 else zero
        upstream_varentropy = g_varentropy[row] if (given & HAS_VARENTROPY) != 0 else zero
        constant = g_logsumexp[row] if (given & HAS_LOGSUMEXP) != 0 else zero
        at_top = g_max[row] * inverse if (given & HAS_MAX) != 0 else zero
        at_target = g_surprisal[row] if (given & HAS_SURPRISAL) != 0 else zero
        constant += at_target - upstream_varentropy * (spread[row] * inverse) - at_top
        scale = inverse_temperature * inverse
        scalars = (
            inverse_temperature,
            peak[row],
            first[row] * inverse,
            upstream_varentropy * scale,
            (two * upstream_varentropy - upstream_entropy) * scale,
            constant * scale,
            likeliest[row] - token,
            at_top * inverse_temperature,
            targets[row] - token,
            at_target * inverse_temperature,
        )

        vector = np.int64(cuda.blockIdx.y) * threads * unroll + thread
        for i in range(unroll):
            c = (vector + i * threads) * width - shift
            if c < columns:
                values = gradient(read(block, start, c, columns), 0, c, scalars)
                write(out, start, c, columns, wide_stores, values)

    return kernel(fold_backward)
