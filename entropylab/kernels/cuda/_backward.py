"""Gradients of the statistics: one read and one write of the row, with the row's scalars saved by the forward
pass.

With a = log p + H, the derivatives with respect to z / T are -p a for the entropy, p (a^2 + 2 a - nu) for the
varentropy, p for log-sum-exp, p - [target] for the surprisal and p_max ([argmax] - p) for the maximum. Their
weighted sum is p times a quadratic in a, plus two single entries.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._device import cuda, device, kernel
from ._formats import number_format
from ._rows import keep_first_greatest, map_elements, row_reader, row_writer
from .launch import BACKWARD_THREADS, BACKWARD_VECTORS, SCAN_THREADS

# Which upstream gradients are given (bits).
HAS_ENTROPY = 1
HAS_VARENTROPY = 2
HAS_LOGSUMEXP = 4
HAS_MAX = 8
HAS_SURPRISAL = 16


@cache
def backward_kernel(name: str) -> Any:
    """Build the elementwise kernel; a block handles a run of BACKWARD_VECTORS vectors a thread of one row."""
    form = number_format(name)
    real, exp2, width = form.real, form.exp2, form.width
    read, write = row_reader(name), row_writer(name)
    zero, two = real(0), real(2)
    log2_e = real(1 / math.log(2))
    # exp(-10,000) is 0, and its product with a quadratic of this size is too.
    faint = real(-10_000)
    absent = real(-np.inf)
    threads, unroll = BACKWARD_THREADS, BACKWARD_VECTORS

    @device
    def entry(z: Any, c: Any, row: Any) -> Any:
        inverse_temperature, logsumexp, entropy, square, slope, constant, top, at_top, target, at_target = row
        log_p = z * inverse_temperature - logsumexp
        p = exp2(log_p * log2_e)
        a = max(log_p, faint) + entropy
        g = p * ((square * a + slope) * a + constant)
        if c == top:
            g += at_top
        if c == target:
            g -= at_target
        return zero if z == absent else g

    gradient = map_elements(width, entry)

    def statistics_backward(
        logits: Any, out: Any, targets: Any, argmax: Any,
        entropy: Any, varentropy: Any, logsumexp: Any, max_probability: Any,
        g_entropy: Any, g_varentropy: Any, g_logsumexp: Any, g_max: Any, g_surprisal: Any,
        columns: Any, misalignment: Any, out_misalignment: Any, inverse_temperature: Any, given: Any,
    ) -> None:  # fmt: skip
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        wide_stores = shift == (start + out_misalignment) % width

        square = zero
        slope = zero
        constant = zero
        at_top = zero
        at_target = zero
        top = np.int64(-1)
        target = np.int64(-1)
        if (given & HAS_ENTROPY) != 0:
            slope -= g_entropy[row]
        if (given & HAS_VARENTROPY) != 0:
            g = g_varentropy[row]
            square = g
            slope += two * g
            constant -= g * varentropy[row]
        if (given & HAS_LOGSUMEXP) != 0:
            constant += g_logsumexp[row]
        if (given & HAS_MAX) != 0:
            at_top = g_max[row] * max_probability[row]
            constant -= at_top
            top = argmax[row]
        if (given & HAS_SURPRISAL) != 0:
            at_target = g_surprisal[row]
            constant += at_target
            target = targets[row]
        scalars = (
            inverse_temperature,
            logsumexp[row],
            entropy[row],
            square * inverse_temperature,
            slope * inverse_temperature,
            constant * inverse_temperature,
            top,
            at_top * inverse_temperature,
            target,
            at_target * inverse_temperature,
        )

        first = np.int64(cuda.blockIdx.y) * threads * unroll + thread
        for i in range(unroll):
            c = (first + i * threads) * width - shift
            if c < columns:
                values = gradient(read(logits, start, c, columns), 0, c, scalars)
                write(out, start, c, columns, wide_stores, values)

    return kernel(statistics_backward)


@cache
def argmax_kernel(name: str) -> Any:
    """Build the kernel that finds the first maximum of each row, one block a row."""
    form = number_format(name)
    real, width = form.real, form.width
    read = row_reader(name)
    nothing = real(-np.inf)
    threads = SCAN_THREADS

    def first_argmax(logits: Any, argmax: Any, columns: Any, misalignment: Any) -> None:
        values = cuda.shared.array(threads, real)
        places = cuda.shared.array(threads, np.int64)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        vectors = (columns + shift + width - 1) // width
        best = nothing
        place = columns
        for vector in range(thread, vectors, threads):
            c = vector * width - shift
            tile = read(logits, start, c, columns)
            for k in range(width):
                if tile[k] > best:
                    best = tile[k]
                    place = c + k
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
        if thread == 0:
            argmax[row] = places[0]

    return kernel(first_argmax)


@cache
def invalid_kernel(name: str) -> Any:
    """Build the kernel that lowers ``result[0]`` to the first row with NaN or +inf, or with only -inf."""
    form = number_format(name)
    real, width = form.real, form.width
    read = row_reader(name)
    infinity = real(np.inf)
    absent = real(-np.inf)
    threads = SCAN_THREADS

    def find_invalid(logits: Any, result: Any, columns: Any, misalignment: Any) -> None:
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        vectors = (columns + shift + width - 1) // width
        bad = 0
        finite = 0
        for vector in range(thread, vectors, threads):
            tile = read(logits, start, vector * width - shift, columns)
            for k in range(width):
                if not tile[k] < infinity:  # NaN or +inf
                    bad = 1
                elif tile[k] > absent:
                    finite = 1
        any_bad = cuda.syncthreads_or(bad)
        any_finite = cuda.syncthreads_or(finite)
        if thread == 0 and (any_bad != 0 or any_finite == 0):
            cuda.atomic.min(result, 0, row)

    return kernel(find_invalid)
