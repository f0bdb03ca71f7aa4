"""The definition: every kernel in plain NumPy and float64. Read this first; all tests compare with it."""

from __future__ import annotations

from entropylab.kernels.reference.concentration import concentration
from entropylab.kernels.reference.fold import fold, fold_backward
from entropylab.kernels.reference.statistics import find_invalid_row, statistics, statistics_backward
from entropylab.kernels.reference.typical import typical_filter, typical_sample

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
