"""Where a row of tokens is cut for locally typical sampling, on a GPU, in two steps.

Arguments are those of `entropylab.kernels.steps.typical`, all rows one after the other: ``(distance float32 [N * V],
weight int64 [N * V], cut, columns, target)``. Both kernels have one block for each row.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cuda._device import cuda, device, float_bits, kernel
from entropylab.kernels.steps import hosting
from entropylab.kernels.steps.hosting import THREADS

BINS = 256
REACH = np.float32(32)
BELOW_ALL = np.float32(-1)
HALF = np.float32(0.5)
INFINITY = np.float32(np.inf)


@device
def tree_sum(board: Any, mine: Any, thread: Any, threads: Any) -> Any:
    """The sum of an integer over all threads of a block."""
    board[thread] = mine
    cuda.syncthreads()
    half = threads // 2
    while half > 0:
        if thread < half:
            board[thread] += board[thread + half]
        cuda.syncthreads()
        half = half >> 1
    result = board[0]
    cuda.syncthreads()
    return result


@device
def weight_within(
    distance: Any, weight: Any, start: Any, columns: Any, bound: Any, thread: Any, threads: Any
) -> Any:
    """What this thread finds within a bound, in its part of the row."""
    total = np.int64(0)
    for c in range(thread, columns, threads):
        if distance[start + c] <= bound:
            total += weight[start + c]
    return total


@cache
def bisection_kernel(threads: int) -> Any:
    """Build the kernel in which a block plays the guessing game: a read of the row and a tree for each guess."""

    def bisection_block(distance: Any, weight: Any, cut: Any, columns: Any, target: Any) -> None:
        board = cuda.shared.array(threads, np.int64)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        low, high = BELOW_ALL, REACH
        bound = high
        bounded = False  # whether the target is known to lie within `high`
        searching = True
        while searching:  # all threads see the same sums, so they take the same branches
            mine = weight_within(distance, weight, start, columns, bound, thread, threads)
            enough = tree_sum(board, mine, thread, threads) >= target
            bounded = bounded or enough
            if enough:
                high = bound
            else:
                low = bound
            bound = low + (high - low) * HALF if bounded else low + low
            searching = bound != low and bound != high
        if thread == 0:
            cut[row] = high if bounded else INFINITY

    return kernel(bisection_block)


@cache
def radix_kernel(threads: int) -> Any:
    """Build the kernel that finds the bits of the cut, eight at a time.

    The histogram lies in shared memory. Threads add to it at the same time by atomic instructions, whose order is
    left to chance; the weights are integers, so the sums are not.
    """

    def radix_block(distance: Any, weight: Any, bits: Any, columns: Any, target: Any) -> None:
        sums = cuda.shared.array(BINS, np.int64)
        state = cuda.shared.array(2, np.int64)  # the bits found so far, and the weight of all smaller keys
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        if thread == 0:
            state[0] = 0
            state[1] = 0
        for turn in range(4):
            shift = 24 - 8 * turn
            for b in range(thread, BINS, threads):
                sums[b] = 0
            cuda.syncthreads()
            prefix = state[0]
            for c in range(thread, columns, threads):
                key = np.int64(float_bits(distance[start + c]))
                if (key >> (shift + 8)) == prefix:
                    cuda.atomic.add(sums, (key >> shift) & 255, weight[start + c])
            cuda.syncthreads()
            if thread == 0 and prefix >= 0:
                below = state[1]
                digit = np.int64(0)
                while digit < BINS and below + sums[digit] < target:
                    below += sums[digit]
                    digit += 1
                state[0] = (prefix << 8) | digit if digit < BINS else np.int64(-1)
                state[1] = below
            cuda.syncthreads()
        if thread == 0:
            bits[row] = state[0]

    return kernel(radix_block)


Distances = NDArray[np.float32]
Weights = NDArray[np.int64]


def bisection_block(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 4."""
    rows, columns = distance.shape
    cut = hosting.zeros(rows, np.float32)
    bisection_kernel(THREADS)[rows, THREADS](
        hosting.send(distance), hosting.send(weight), cut, np.int64(columns), np.int64(target)
    )
    return hosting.receive(cut)


def radix_block(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 5."""
    rows, columns = distance.shape
    bits = hosting.zeros(rows, np.int64)
    radix_kernel(THREADS)[rows, THREADS](
        hosting.send(distance), hosting.send(weight), bits, np.int64(columns), np.int64(target)
    )
    found = hosting.receive(bits)
    return np.where(found < 0, INFINITY, found.astype(np.int32).view(np.float32))


STEPS = {step.__name__: step for step in (bisection_block, radix_block)}
