"""The kernels on an NVIDIA GPU, in Numba CUDA; twins of `entropylab.kernels.reference` with one more keyword,
``stream``.

Importing this package needs neither a driver nor numba-cuda; calling one of its functions without them raises
a ``RuntimeError`` that says what is missing.

Read them in this order: ``launch`` (how a row is cut), ``_device`` (the instructions, and their twins in the
simulator), ``_formats`` and ``_rows`` (memory to numbers), ``_statistics``, ``_backward``, ``_fold``,
``_typical``, ``_concentration`` (the kernels), ``measures``, ``folding``, ``selection`` and ``sequences`` (the
functions below).
"""

from __future__ import annotations

from entropylab.kernels.cuda.availability import unavailable_reason
from entropylab.kernels.cuda.folding import fold, fold_backward
from entropylab.kernels.cuda.measures import find_invalid_row, statistics, statistics_backward
from entropylab.kernels.cuda.selection import typical_filter, typical_sample
from entropylab.kernels.cuda.sequences import concentration

__all__ = [
    "concentration",
    "find_invalid_row",
    "fold",
    "fold_backward",
    "statistics",
    "statistics_backward",
    "typical_filter",
    "typical_sample",
    "unavailable_reason",
]
