"""Launch configuration: how rows are cut into slices, tiles and threads, in one place.

A row's result must be bit-identical whatever batch it came in. So everything that decides the order of a
floating-point sum (threads of a block, slice length) depends on the number of columns and the number format
only. What depends on the number of rows, such as how many blocks share a row, changes who computes a partial
sum, never which partial sums exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._device import SIMULATOR

# Elements that a thread loads before it uses the first: 64 bytes of float32 in flight. With 1,024 resident
# threads that is 64 KiB for each multiprocessor, about twice what an H200 needs to cover its memory latency
# (bandwidth x latency).
TILE = 16

# Rows below this count cannot fill a large GPU with one block each (an H200 has 132 multiprocessors).
ENOUGH_BLOCKS = 256

# Bins of the histogram over the deviation, each 1/64 nat wide: 1,024 bins reach to 16 nats, further than any
# token can lie below the entropy of a vocabulary of 8 million, and three 32-bit counters a bin take 12 KiB of
# shared memory.
BINS = 128 if SIMULATOR else 1024
BINS_PER_NAT = BINS // 16

# Tokens of the cut bin that are ranked in shared memory. A 50,000-token row has about 100 to 300 there; a
# fuller bin is narrowed by another histogram first.
CAPACITY = 16 if SIMULATOR else 1024


@dataclass(frozen=True)
class StatisticsPlan:
    """How the statistics kernel walks a row."""

    threads: int
    slice_columns: int
    slices: int


def statistics_plan(columns: int) -> StatisticsPlan:
    """Threads of a block and slices of a row of ``columns`` logits; a function of ``columns`` only.

    256 threads at up to 64 registers leave 4 blocks on a multiprocessor; short rows get 64 threads, for there
    most of 256 would idle. A slice is 4 tiles of a block: short enough that one row of 50,257 spreads over 4
    blocks and one of 256,000 over 16, long enough that merging slices costs little (two exponentials a thread
    for 64 elements).
    """
    if SIMULATOR:
        # One Python thread stands for each CUDA thread: small blocks, and slices short enough to be many.
        threads, tiles = (32, 2) if columns <= 2048 else (64, 1)
    elif columns <= 1024:
        threads, tiles = 64, 1
    else:
        threads, tiles = 256, 4
    slice_columns = threads * TILE * tiles
    return StatisticsPlan(threads, slice_columns, max(1, -(-columns // slice_columns)))


def blocks_per_row(rows: int, slices: int) -> int:
    """Blocks that share a row: one for a large batch, up to one for each slice for a small one."""
    return max(1, min(slices, ENOUGH_BLOCKS // max(rows, 1)))


# Elementwise and counting kernels may use any thread count: their results do not depend on it.
# Selection: 512 threads with about 40 KiB of shared memory. On compute capability 9.0 the registers leave two
# such blocks on a multiprocessor for float32 and one for the other formats, so that the rows in flight are few
# and stay in the L2 cache between the reads of a row.
SELECT_THREADS = 32 if SIMULATOR else 512
SCAN_THREADS = 32 if SIMULATOR else 256
BACKWARD_THREADS = 32 if SIMULATOR else 256
# Vectors that a thread of the backward kernel handles: enough to spread the loading of the row's scalars.
BACKWARD_VECTORS = 2 if SIMULATOR else 8
# Folding a block of logits into the state of its rows, a thread block a row. Few threads, for the blocks are narrow:
# 128 read 2,048 columns at once.
FOLD_THREADS = 32 if SIMULATOR else 128
# Sequences of a block of the concentration kernel, a thread each. Few: ten thousand sequences should reach all
# multiprocessors, and the shared memory of a block (two numbers a thread and grid point) leaves room for several.
SEQUENCE_THREADS = 4 if SIMULATOR else 64
