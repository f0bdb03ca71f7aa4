"""How the CPU kernels are compiled: machine code kept on disk, relaxed arithmetic that still knows NaN.

Numba's disk cache looks at the file of the compiled function only. After an edit of a helper in another
file, delete ``entropylab/kernels/cpu/__pycache__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered, hence vectorised; NaN and infinity keep their meaning.
RELAXED = {"reassoc", "contract", "arcp", "nsz", "afn"}
# Where the order matters: range reduction, and distances that must round the same way wherever they occur.
ORDERED = {"contract", "nsz"}


def kernel(function: Function) -> Function:
    """Compile a function whose sums may be reordered; it runs without the interpreter lock."""
    return _compile(function, fastmath=RELAXED)


def exact(function: Function) -> Function:
    """Compile a function whose operations keep the order in which they are written."""
    return _compile(function, fastmath=ORDERED)


def _compile(function: Function, fastmath: set[str]) -> Function:
    options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to write a cache to
        compiled = numba.njit(**options)(function)
    return cast(Function, compiled)
