"""The concentration kernel: sums, tail bounds and the anytime e-process of sequences, one thread a sequence.

A thread reads its tokens in order and moves the logarithms of the G e-values by one step each. They lie in
shared memory, a column for each thread, since registers cannot be indexed by a run-time number. Running totals
over thousands of tokens are compensated (Kahan's sum), so that float32 suffices. The mixture is only computed
where it could pass its running maximum: it is at most the greatest term times G.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._device import cuda, device, kernel, log2
from ._formats import number_format
from .launch import SEQUENCE_THREADS

# What `figures` holds, [FIGURES, B].
FIGURES = 9


@cache
def concentration_kernel(name: str, grid: int) -> Any:
    """Build the kernel for float32 or float64 and a number of grid points."""
    form = number_format(name)
    real, exp2 = form.real, form.exp2
    zero, one, half = real(0), real(1), real(0.5)
    infinity, nan = real(np.inf), real(np.nan)
    ln2, log2_e = real(math.log(2)), real(1 / math.log(2))
    spare = real(math.log(grid))
    threads = SEQUENCE_THREADS

    @device
    def add(total: Any, lost: Any, x: Any) -> Any:
        """Kahan's sum: the new total, and what rounding took from it. Infinite totals lose nothing."""
        y = x - lost
        t = total + y
        return t, ((t - total) - y if abs(t) < infinity else zero)

    @device
    def log_sum(terms: Any, thread: Any, top: Any) -> Any:
        """``ln sum exp(terms)`` of one thread, given their maximum."""
        if not abs(top) < infinity:  # an impossible token, or NaN
            return top
        total = zero
        for g in range(grid):
            total += exp2((terms[g, thread] - top) * log2_e)
        return top + log2(total) * ln2

    def concentration(
        surprisal: Any, entropy: Any, varentropy: Any, cgf: Any, offsets: Any, lambdas: Any, log_weights: Any,
        log_threshold: Any, variance_factor: Any, length: Any, figures: Any, log_e: Any, stopping_time: Any,
        sequences: Any,
    ) -> None:  # fmt: skip
        terms = cuda.shared.array((grid, threads), real)
        losses = cuda.shared.array((grid, threads), real)
        thread = np.int64(cuda.threadIdx.x)
        b = np.int64(cuda.blockIdx.x) * threads + thread
        if b >= sequences:
            return
        first = offsets[b]
        last = offsets[b + 1]
        for g in range(grid):
            terms[g, thread] = log_weights[g]
            losses[g, thread] = zero
        sum_s, lost_s = zero, zero
        sum_h, lost_h = zero, zero
        sum_v, lost_v = zero, zero
        difference, lost_d = zero, zero
        mixture, supremum, top = zero, zero, zero
        reached = np.int64(-1)
        for n in range(first, last):
            s = surprisal[n]
            h = entropy[n]
            sum_s, lost_s = add(sum_s, lost_s, s)
            sum_h, lost_h = add(sum_h, lost_h, h)
            sum_v, lost_v = add(sum_v, lost_v, varentropy[n])
            deviation = s - h
            # Summed by itself: the difference of two large totals would lose digits.
            difference, lost_d = add(difference, lost_d, -deviation)
            top = -infinity
            for g in range(grid):
                step = lambdas[g] * deviation - cgf[n * grid + g]
                term, losses[g, thread] = add(terms[g, thread], losses[g, thread], step)
                terms[g, thread] = term
                if not term <= top:  # NaN wins
                    top = term
            if not top + spare <= supremum:
                mixture = log_sum(terms, thread, top)
                if not mixture <= supremum:
                    supremum = mixture
                    if reached < 0 and supremum >= log_threshold:
                        reached = n - first + 1
        tokens = last - first
        count = real(tokens)
        gap = nan
        standardised = nan
        if tokens > 0:
            mixture = log_sum(terms, thread, top)
            gap = difference / count
            standardised = difference if difference == zero else difference / math.sqrt(sum_v)
        scale = max(count, one) * variance_factor
        unlikely = zero
        likely = zero
        if difference < zero:
            unlikely = difference / (scale - difference) * difference
        if difference == -infinity:
            unlikely = infinity
        if difference > zero:
            likely = difference * (difference / scale)
        if not difference <= infinity:
            unlikely, likely = nan, nan
        length[b] = tokens
        stopping_time[b] = reached
        figures[0 * sequences + b] = sum_s
        figures[1 * sequences + b] = sum_h
        figures[2 * sequences + b] = sum_v
        figures[3 * sequences + b] = gap
        figures[4 * sequences + b] = standardised
        figures[5 * sequences + b] = exp2(-half * unlikely * log2_e)
        figures[6 * sequences + b] = exp2(-half * likely * log2_e)
        figures[7 * sequences + b] = mixture
        figures[8 * sequences + b] = supremum
        for g in range(grid):
            log_e[b * grid + g] = terms[g, thread] - log_weights[g]

    return kernel(concentration)
