"""The entropy of each row of logits on a GPU, in six steps.

Every kernel takes the logits of all rows one after the other, the place of the results and the number of columns:
``(logits float32 [N * V], entropy float32 [N], columns)``. Powers are of two, for the hardware has an instruction for
them: with ``x = (z - m) log2(e)`` the sums are ``s = sum 2^x`` and ``t = sum 2^x x``, and ``H = (log2 s - t/s) ln 2``.
A maximum starts at the lowest finite number rather than at -inf, so that a difference is never inf - inf.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cuda._device import cuda, device, kernel, load_vector, log2
from entropylab.kernels.cuda._device import exp2_approx as exp2
from entropylab.kernels.steps import hosting
from entropylab.kernels.steps.hosting import THREADS

LOG2_E = np.float32(1 / math.log(2))
LN2 = np.float32(math.log(2))
LOWEST = np.float32(np.finfo(np.float32).min)
FLOOR = np.float32(-150)  # 2**-150 is 0 in float32
MISSING = np.float32(-np.inf)  # what stands outside a row: it adds nothing
ZERO = np.float32(0)

# Vectors of a thread in a slice of step 11.
SLICE_VECTORS = 1 if THREADS < 32 else 4


# --- steps 6 and 7: three passes


@kernel
def thread_per_row_kernel(logits: Any, entropy: Any, columns: Any) -> None:
    """A thread does all of a row. Its neighbour reads V numbers further on: every load is scattered."""
    row = np.int64(cuda.blockIdx.x) * cuda.blockDim.x + cuda.threadIdx.x
    if row >= entropy.size:
        return
    start = row * columns
    m = LOWEST
    for c in range(columns):
        m = max(m, logits[start + c])
    s = ZERO
    for c in range(columns):
        s += exp2((logits[start + c] - m) * LOG2_E)
    t = ZERO
    for c in range(columns):
        x = max((logits[start + c] - m) * LOG2_E, FLOOR)
        t += exp2(x) * x
    entropy[row] = (log2(s) - t / s) * LN2


@device
def tree_max(board: Any, mine: Any, thread: Any, threads: Any) -> Any:
    """The maximum over all threads of a block, in log2(threads) rounds through shared memory."""
    board[thread] = mine
    cuda.syncthreads()
    half = threads // 2
    while half > 0:
        if thread < half:
            board[thread] = max(board[thread], board[thread + half])
        cuda.syncthreads()
        half = half >> 1
    result = board[0]
    cuda.syncthreads()  # all have read it before the board is used again
    return result


@device
def tree_sum(board: Any, mine: Any, thread: Any, threads: Any) -> Any:
    """The sum over all threads of a block, always added in the same order."""
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


@cache
def block_per_row_kernel(threads: int) -> Any:
    """Build the kernel in which the threads of a block read a row side by side."""

    def block_per_row(logits: Any, entropy: Any, columns: Any) -> None:
        board = cuda.shared.array(threads, np.float32)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        m = LOWEST
        for c in range(thread, columns, threads):
            m = max(m, logits[start + c])
        m = tree_max(board, m, thread, threads)
        s = ZERO
        for c in range(thread, columns, threads):
            s += exp2((logits[start + c] - m) * LOG2_E)
        s = tree_sum(board, s, thread, threads)
        t = ZERO
        for c in range(thread, columns, threads):
            x = max((logits[start + c] - m) * LOG2_E, FLOOR)
            t += exp2(x) * x
        t = tree_sum(board, t, thread, threads)
        if thread == 0:
            entropy[row] = (log2(s) - t / s) * LN2

    return kernel(block_per_row)


# --- steps 8 to 11: one pass. A state is (m, s, t).


@device
def absorb_one(state: Any, z: Any) -> Any:
    """Add a number to the sums: two exponentials, one of them to rescale what was there."""
    m, s, t = state
    top = max(m, z)
    d = max((m - top) * LOG2_E, FLOOR)
    shrink = exp2(d)
    x = max((z - top) * LOG2_E, FLOOR)
    e = exp2(x)
    return top, shrink * s + e, shrink * (t + d * s) + e * x


@device
def absorb_tile(state: Any, tile: Any) -> Any:
    """Add four numbers: their maximum first, then one exponential each. The rescale is rare after a few tiles."""
    m, s, t = state
    top = max(max(tile[0], tile[1]), max(tile[2], tile[3]))
    if top > m:
        d = max((m - top) * LOG2_E, FLOOR)
        shrink = exp2(d)
        t = shrink * (t + d * s)
        s = shrink * s
        m = top
    x0 = max((tile[0] - m) * LOG2_E, FLOOR)
    x1 = max((tile[1] - m) * LOG2_E, FLOOR)
    x2 = max((tile[2] - m) * LOG2_E, FLOOR)
    x3 = max((tile[3] - m) * LOG2_E, FLOOR)
    e0, e1, e2, e3 = exp2(x0), exp2(x1), exp2(x2), exp2(x3)
    return m, s + ((e0 + e1) + (e2 + e3)), t + ((e0 * x0 + e1 * x1) + (e2 * x2 + e3 * x3))


@device
def merge(a: Any, b: Any) -> Any:
    """The state of two sets of numbers from the states of each."""
    m = max(a[0], b[0])
    da = max((a[0] - m) * LOG2_E, FLOOR)
    db = max((b[0] - m) * LOG2_E, FLOOR)
    fa = exp2(da)
    fb = exp2(db)
    return m, fa * a[1] + fb * b[1], fa * (a[2] + da * a[1]) + fb * (b[2] + db * b[1])


@device
def tree_merge(board: Any, state: Any, thread: Any, threads: Any) -> Any:
    """The state of a whole block; valid in thread 0."""
    board[0, thread], board[1, thread], board[2, thread] = state
    cuda.syncthreads()
    half = threads // 2
    while half > 0:
        if thread < half:
            other = board[0, thread + half], board[1, thread + half], board[2, thread + half]
            state = merge(state, other)
            board[0, thread], board[1, thread], board[2, thread] = state
        cuda.syncthreads()
        half = half >> 1
    return state


@device
def read(logits: Any, start: Any, c: Any, columns: Any) -> Any:
    """One number of a row, -inf outside it."""
    return logits[start + c] if c >= 0 and c < columns else MISSING


@device
def read_vector(logits: Any, start: Any, c: Any, columns: Any) -> Any:
    """Four numbers from column c: one 128-bit load, unless the four stick out of the row."""
    if c >= 0 and c + 4 <= columns:
        return load_vector(logits, start + c)
    return (
        read(logits, start, c, columns),
        read(logits, start, c + 1, columns),
        read(logits, start, c + 2, columns),
        read(logits, start, c + 3, columns),
    )


@cache
def online_block_kernel(threads: int) -> Any:
    """Build the kernel that reads each number once and rescales at each."""

    def online_block(logits: Any, entropy: Any, columns: Any) -> None:
        board = cuda.shared.array((3, threads), np.float32)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        state = (LOWEST, ZERO, ZERO)
        for c in range(thread, columns, threads):
            state = absorb_one(state, logits[start + c])
        _, s, t = tree_merge(board, state, thread, threads)
        if thread == 0:
            entropy[row] = (log2(s) - t / s) * LN2

    return kernel(online_block)


@cache
def tile_rescale_kernel(threads: int) -> Any:
    """Build the kernel that takes four numbers at a time, each from its own stretch of the row."""

    def tile_rescale(logits: Any, entropy: Any, columns: Any) -> None:
        board = cuda.shared.array((3, threads), np.float32)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        state = (LOWEST, ZERO, ZERO)
        for c in range(thread, columns, 4 * threads):
            tile = (
                read(logits, start, c, columns),
                read(logits, start, c + threads, columns),
                read(logits, start, c + 2 * threads, columns),
                read(logits, start, c + 3 * threads, columns),
            )
            state = absorb_tile(state, tile)
        _, s, t = tree_merge(board, state, thread, threads)
        if thread == 0:
            entropy[row] = (log2(s) - t / s) * LN2

    return kernel(tile_rescale)


@cache
def wide_loads_kernel(threads: int) -> Any:
    """Build the kernel that loads 128 bits at a time. Vectors lie at multiples of 16 bytes, where rows need not."""

    def wide_loads(logits: Any, entropy: Any, columns: Any) -> None:
        board = cuda.shared.array((3, threads), np.float32)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = start % 4  # numbers between the last multiple of 16 bytes and the row
        vectors = (columns + shift + 3) // 4
        state = (LOWEST, ZERO, ZERO)
        for v in range(thread, vectors, threads):
            state = absorb_tile(state, read_vector(logits, start, 4 * v - shift, columns))
        _, s, t = tree_merge(board, state, thread, threads)
        if thread == 0:
            entropy[row] = (log2(s) - t / s) * LN2

    return kernel(wide_loads)


@cache
def slice_kernel(threads: int, slice_vectors: int) -> Any:
    """Build the first kernel of step 11: block (row, y) leaves the state of slice y of the row in ``partial``."""

    def sum_slice(logits: Any, partial: Any, columns: Any) -> None:
        board = cuda.shared.array((3, threads), np.float32)
        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        part = np.int64(cuda.blockIdx.y)
        start = row * columns
        shift = start % 4
        vectors = (columns + shift + 3) // 4
        first = part * slice_vectors * threads
        last = min(first + slice_vectors * threads, vectors)
        state = (LOWEST, ZERO, ZERO)
        for v in range(first + thread, last, threads):
            state = absorb_tile(state, read_vector(logits, start, 4 * v - shift, columns))
        state = tree_merge(board, state, thread, threads)
        if thread == 0:
            place = 3 * (row * cuda.gridDim.y + part)
            partial[place], partial[place + 1], partial[place + 2] = state

    return kernel(sum_slice)


@kernel
def combine_kernel(partial: Any, entropy: Any, slices: Any) -> None:
    """The second kernel of step 11: a thread merges the slices of a row, from the first to the last."""
    row = np.int64(cuda.blockIdx.x) * cuda.blockDim.x + cuda.threadIdx.x
    if row >= entropy.size:
        return
    state = (LOWEST, ZERO, ZERO)
    for part in range(slices):
        place = 3 * (row * slices + part)
        state = merge(state, (partial[place], partial[place + 1], partial[place + 2]))
    _, s, t = state
    entropy[row] = (log2(s) - t / s) * LN2


# --- the functions with the signature of `entropylab.kernels.steps.entropy`

Rows = NDArray[np.float32]


def _launch(compiled: Any, blocks: int, logits: Rows) -> NDArray[Any]:
    entropy = hosting.zeros(len(logits), np.float32)
    compiled[blocks, THREADS](hosting.send(logits), entropy, np.int64(logits.shape[1]))
    return hosting.receive(entropy)


def thread_per_row(logits: Rows) -> NDArray[Any]:
    """Step 6."""
    return _launch(thread_per_row_kernel, -(-len(logits) // THREADS), logits)


def block_per_row(logits: Rows) -> NDArray[Any]:
    """Step 7."""
    return _launch(block_per_row_kernel(THREADS), len(logits), logits)


def online_block(logits: Rows) -> NDArray[Any]:
    """Step 8."""
    return _launch(online_block_kernel(THREADS), len(logits), logits)


def tile_rescale(logits: Rows) -> NDArray[Any]:
    """Step 9."""
    return _launch(tile_rescale_kernel(THREADS), len(logits), logits)


def wide_loads(logits: Rows) -> NDArray[Any]:
    """Step 10."""
    return _launch(wide_loads_kernel(THREADS), len(logits), logits)


def split_rows(logits: Rows) -> NDArray[Any]:
    """Step 11. Slices are cut by the number of columns alone, whatever the number of rows."""
    rows, columns = logits.shape
    slices = -(-(columns + 3) // (4 * SLICE_VECTORS * THREADS))
    partial = hosting.zeros(3 * rows * slices, np.float32)
    entropy = hosting.zeros(rows, np.float32)
    compiled = slice_kernel(THREADS, SLICE_VECTORS)
    compiled[(rows, slices), THREADS](hosting.send(logits), partial, np.int64(columns))
    combine_kernel[-(-rows // THREADS), THREADS](partial, entropy, np.int64(slices))
    return hosting.receive(entropy)


STEPS = {
    step.__name__: step
    for step in (thread_per_row, block_per_row, online_block, tile_rescale, wide_loads, split_rows)
}
