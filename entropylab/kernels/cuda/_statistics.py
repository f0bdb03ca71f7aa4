"""The statistics kernel: entropy, varentropy, log-sum-exp, maximum and surprisal of each row in one read.

With x = (z - m) log2(e) / T for the running maximum m, a thread keeps

    s = sum 2^x,    t = sum 2^x x,    u = sum 2^x x^2

over its elements, one exponential each. When a tile brings a larger maximum, x moves by d = (m_old - m_new)
log2(e) / T for all that was summed, and

    s' = 2^d s,    t' = 2^d (t + d s),    u' = 2^d (u + d (2 t + d s)).

The same formulas merge two threads. At the end, in nats: H = (log2 s - t/s) ln 2, the varentropy is
(u/s - (t/s)^2) (ln 2)^2, and log-sum-exp = m/T + log2(s) ln 2.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._device import WARP, cuda, device, kernel, log2, shuffle_down4
from ._formats import number_format
from ._rows import tile_loader
from .launch import TILE

# What one launch does with the slices of a row.
FINISH = 0  # sum all slices and write the row's results
PARTIAL = 1  # sum some slices and leave each thread's four numbers in the workspace
COMBINE = 2  # read those of all slices and write the row's results

# Which results are written (bits).
WRITE_STATISTICS = 1
WRITE_SURPRISAL = 2
WRITE_MOMENTS = 4


@cache
def statistics_kernel(name: str, threads: int, slice_columns: int) -> Any:
    """Build the kernel for one number format and one way to cut rows (see `launch.statistics_plan`).

    One function serves all three modes, so that a slice is summed, and slices are merged, by the same
    instructions whether one block reads the whole row or several share it: the results are bit-identical.
    """
    form = number_format(name)
    load_tile = tile_loader(name, threads)
    load_one, exp2, real = form.load_one, form.exp2, form.real
    lowest, floor = form.lowest, form.floor
    zero, one, two = real(0), real(1), real(2)
    ln2, ln2_squared = real(math.log(2)), real(math.log(2) ** 2)
    nan = real(np.nan)
    width = form.width
    span = threads * TILE
    warps = threads // WARP

    @device
    def absorb(state: Any, tile: Any, scale: Any) -> Any:
        m, s, t, u = state
        top = tile[0]
        for k in range(1, TILE):
            top = max(top, tile[k])
        if top > m:  # rare after the first tiles: the rescale is paid per tile, not per element
            d = max((m - top) * scale, floor)
            factor = exp2(d)
            u = (u + d * (two * t + d * s)) * factor
            t = (t + d * s) * factor
            s = s * factor
            m = top
        for k in range(TILE):
            x = (tile[k] - m) * scale
            e = exp2(x)
            # At z = -inf the power is 0 and the product must be 0 too; a NaN stays, in e.
            x = max(x, floor)
            w = e * x
            s += e
            t += w
            u += w * x
        return m, s, t, u

    @device
    def merge(a: Any, b: Any, scale: Any) -> Any:
        m = max(a[0], b[0])
        da = max((a[0] - m) * scale, floor)
        db = max((b[0] - m) * scale, floor)
        fa = exp2(da)
        fb = exp2(db)
        s = a[1] * fa + b[1] * fb
        t = (a[2] + da * a[1]) * fa + (b[2] + db * b[1]) * fb
        u = (a[3] + da * (two * a[2] + da * a[1])) * fa + (b[3] + db * (two * b[2] + db * b[1])) * fb
        return m, s, t, u

    @device
    def reduce_block(state: Any, thread: Any, board: Any, scale: Any) -> Any:
        """Merge all threads' sums in a fixed order: a tree within each warp, then warp after warp. Valid in
        thread 0.
        """
        offset = WARP // 2
        while offset > 0:
            other = shuffle_down4(state[0], state[1], state[2], state[3], offset)
            state = merge(state, other, scale)
            offset = offset >> 1
        if thread % WARP == 0:
            for k in range(4):
                board[k, thread // WARP] = state[k]
        cuda.syncthreads()
        if thread == 0:
            for w in range(1, warps):
                state = merge(state, (board[0, w], board[1, w], board[2, w], board[3, w]), scale)
        return state

    def statistics(
        logits: Any, targets: Any, workspace: Any,
        entropy: Any, varentropy: Any, logsumexp: Any, max_probability: Any, surprisal: Any, moments: Any,
        columns: Any, misalignment: Any, scale: Any, temperature: Any,
        mode: Any, slices: Any, slices_per_block: Any, results: Any,
    ) -> None:  # fmt: skip
        board = cuda.shared.array((4, WARP), real)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        total = np.int64(logits.size)

        first = np.int64(cuda.blockIdx.y) * slices_per_block
        last = min(first + slices_per_block, slices)
        state = (lowest, zero, zero, zero)
        for part in range(first, last):
            place = (row * slices + part) * 4
            summed = (lowest, zero, zero, zero)
            if mode == COMBINE:
                summed = (
                    workspace[(place + 0) * threads + thread],
                    workspace[(place + 1) * threads + thread],
                    workspace[(place + 2) * threads + thread],
                    workspace[(place + 3) * threads + thread],
                )
            else:
                end = min((part + 1) * slice_columns, columns)
                for column in range(part * slice_columns, end, span):
                    tile = load_tile(logits, start, column, thread, columns, shift, total)
                    summed = absorb(summed, tile, scale)
            if mode == PARTIAL:
                for k in range(4):
                    workspace[(place + k) * threads + thread] = summed[k]
            else:
                state = merge(state, summed, scale)
        if mode == PARTIAL:
            return

        m, s, t, u = reduce_block(state, thread, board, scale)
        if thread != 0:
            return
        # s is at least 1 for a proper row: 0 means only -inf, and NaN (or +inf, whose x is inf - inf) makes s
        # a NaN.
        inverse, mean, square, log_s, peak = nan, nan, nan, nan, nan
        if s > zero:
            inverse = one / s
            mean = t * inverse
            square = u * inverse
            log_s = log2(s)
            peak = m
        if (results & WRITE_STATISTICS) != 0:
            h = (log_s - mean) * ln2
            v = (square - mean * mean) * ln2_squared
            # Rounding may leave -1e-8 in the place of 0.
            entropy[row] = zero if h < zero else h
            varentropy[row] = zero if v < zero else v
            logsumexp[row] = peak / temperature + log_s * ln2
            max_probability[row] = inverse
        if (results & WRITE_SURPRISAL) != 0:
            target = targets[row]
            chosen = nan
            if target >= 0 and target < columns:
                chosen = load_one(logits, start + target)
            surprisal[row] = log_s * ln2 + (peak - chosen) / temperature
        if (results & WRITE_MOMENTS) != 0:
            # For the selection on |x - E x|: maximum, mean of z - m (nats at T = 1) and 1 / sum exp(z - m).
            moments[row * 3] = peak
            moments[row * 3 + 1] = mean * ln2
            moments[row * 3 + 2] = inverse

    return kernel(statistics)
