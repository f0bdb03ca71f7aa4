"""The kernels on the CPU: Numba, one row per thread, vectorised by LLVM.

Inputs are NumPy arrays of float32, float64 or float16, or of uint16 holding bfloat16 bits. A row is computed
by one thread from fixed tiles in a fixed order, so its result depends neither on the batch nor on the number
of threads. ``NUMBA_NUM_THREADS`` sets the number of threads.
"""

from __future__ import annotations

from entropylab.kernels.cpu.concentration import concentration
from entropylab.kernels.cpu.fold import fold, fold_backward
from entropylab.kernels.cpu.statistics import find_invalid_row, statistics, statistics_backward
from entropylab.kernels.cpu.typical import typical_filter, typical_sample

__all__ = [
    "concentration",
    "find_invalid_row",
    "fold",
    "fold_backward",
    "statistics",
    "statistics_backward",
    "typical_filter",
    "typical_sample",
]
