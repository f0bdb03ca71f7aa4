"""A ragged batch of sequences tested against its model, on a GPU, in two steps.

Arguments are those of `entropylab.kernels.steps.concentration`, flat, in float32. The sums are plain ones: the shipped
kernel compensates them, for texts of thousands of tokens.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cuda._device import SIMULATOR, cuda, device, kernel, log2
from entropylab.kernels.cuda._device import exp2_approx as exp2
from entropylab.kernels.steps import hosting

# Threads of a block. Step 5 keeps G + 2 numbers a thread in shared memory.
THREADS = 8 if SIMULATOR else 128
LN2 = np.float32(math.log(2))
LOG2_E = np.float32(1 / math.log(2))
LOWEST = np.float32(np.finfo(np.float32).min)
ZERO = np.float32(0)


@device
def log_mean_exp(board: Any, thread: Any, top: Any, grid: Any) -> Any:
    """``ln mean exp`` of the G numbers of a thread, given their maximum."""
    total = ZERO
    for g in range(grid):
        total += exp2((board[g, thread] - top) * LOG2_E)
    return top + (log2(total) - log2(np.float32(grid))) * LN2


@cache
def thread_kernel(grid: int, threads: int) -> Any:
    """Build the kernel in which a thread reads a sequence; its e-values are a column in shared memory."""

    def thread_per_sequence(
        cgf: Any, surprisal: Any, entropy: Any, offsets: Any, lambdas: Any, log_threshold: Any,
        sum_s: Any, sum_h: Any, supremum: Any, stopped: Any,
    ) -> None:  # fmt: skip
        board = cuda.shared.array((grid, threads), np.float32)
        thread = np.int64(cuda.threadIdx.x)
        b = np.int64(cuda.blockIdx.x) * threads + thread
        if b >= sum_s.size:
            return
        for g in range(grid):
            board[g, thread] = ZERO
        first = offsets[b]
        last = offsets[b + 1]
        total_s, total_h, best = ZERO, ZERO, ZERO
        reached = np.int64(-1)
        for n in range(first, last):
            s = surprisal[n]
            h = entropy[n]
            total_s += s
            total_h += h
            top = LOWEST
            for g in range(grid):
                x = board[g, thread] + (lambdas[g] * (s - h) - cgf[n * grid + g])
                board[g, thread] = x
                top = max(top, x)
            if top > best:
                mixture = log_mean_exp(board, thread, top, grid)
                best = max(best, mixture)
                if reached < 0 and mixture >= log_threshold:
                    reached = n - first + 1
        sum_s[b] = total_s
        sum_h[b] = total_h
        supremum[b] = best
        stopped[b] = reached

    return kernel(thread_per_sequence)


@cache
def scan_kernel(grid: int, threads: int) -> Any:
    """Build the kernel in which a block reads a sequence, a stretch of as many tokens as it has threads at a time.

    A token's e-values need those of all tokens before it. A *scan* makes all prefix sums of a stretch in log2(threads)
    rounds: in each, a thread adds what stands 1, 2, 4, ... places to its left.
    """
    rows = grid + 2  # the e-values, and the two sums

    def block_scan(
        cgf: Any, surprisal: Any, entropy: Any, offsets: Any, lambdas: Any, log_threshold: Any,
        sum_s: Any, sum_h: Any, supremum: Any, stopped: Any,
    ) -> None:  # fmt: skip
        board = cuda.shared.array((rows, threads), np.float32)
        carried = cuda.shared.array(rows, np.float32)  # the sums of all stretches before
        bests = cuda.shared.array(threads, np.float32)
        reached = cuda.shared.array(1, np.int64)
        thread = np.int64(cuda.threadIdx.x)
        b = np.int64(cuda.blockIdx.x)
        first = offsets[b]
        last = offsets[b + 1]
        never = last - first + 1
        best = ZERO
        for r in range(thread, rows, threads):
            carried[r] = ZERO
        if thread == 0:
            reached[0] = never
        for start in range(first, last, threads):
            n = start + thread
            for g in range(rows):
                board[g, thread] = ZERO
            if n < last:
                s = surprisal[n]
                h = entropy[n]
                for g in range(grid):
                    board[g, thread] = lambdas[g] * (s - h) - cgf[n * grid + g]
                board[grid, thread] = s
                board[grid + 1, thread] = h
            cuda.syncthreads()
            offset = 1
            while offset < threads:
                for r in range(rows):
                    left = board[r, thread - offset] if thread >= offset else ZERO
                    cuda.syncthreads()  # all have read before any writes
                    board[r, thread] += left
                    cuda.syncthreads()
                offset = offset << 1
            top = LOWEST
            for r in range(rows):
                board[r, thread] += carried[r]
                if r < grid:
                    top = max(top, board[r, thread])
            cuda.syncthreads()
            if n < last:
                if top > best:
                    mixture = log_mean_exp(board, thread, top, grid)
                    best = max(best, mixture)
                    if mixture >= log_threshold:
                        cuda.atomic.min(reached, 0, n - first + 1)
            if thread == threads - 1:
                for r in range(rows):
                    carried[r] = board[r, thread]
            cuda.syncthreads()
        bests[thread] = best
        cuda.syncthreads()
        if thread == 0:
            for other in range(1, threads):
                best = max(best, bests[other])
            sum_s[b] = carried[grid]
            sum_h[b] = carried[grid + 1]
            supremum[b] = best
            stopped[b] = reached[0] if reached[0] < never else np.int64(-1)

    return kernel(block_scan)


Tokens = NDArray[np.float32]
Offsets = NDArray[np.int64]
Figures = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64]]


def _launch(
    compiled: Any, blocks: int, cgf: Tokens, surprisal: Tokens, entropy: Tokens, offsets: Offsets,
    lambdas: NDArray[Any], log_threshold: float,
) -> Figures:  # fmt: skip
    sequences = len(offsets) - 1
    figures = [hosting.zeros(sequences, np.float32) for _ in range(3)]
    stopped = hosting.zeros(sequences, np.int64)
    arrays = [
        hosting.send(array) for array in (cgf, surprisal, entropy, offsets, np.asarray(lambdas, np.float32))
    ]
    compiled[blocks, THREADS](*arrays, np.float32(log_threshold), *figures, stopped)
    s, h, supremum = (hosting.receive(array) for array in figures)
    return s, h, supremum, hosting.receive(stopped)


def thread_per_sequence(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 4."""
    compiled = thread_kernel(len(lambdas), THREADS)
    blocks = -(-(len(offsets) - 1) // THREADS)
    return _launch(compiled, blocks, cgf, surprisal, entropy, offsets, lambdas, log_threshold)


def block_scan(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 5."""
    compiled = scan_kernel(len(lambdas), THREADS)
    return _launch(compiled, len(offsets) - 1, cgf, surprisal, entropy, offsets, lambdas, log_threshold)


STEPS = {step.__name__: step for step in (thread_per_sequence, block_scan)}
