"""Rows over threads. The kernels release the interpreter lock, so plain Python threads suffice.

Compared with Numba's parallel loops this needs no threading library, may be called from any thread, compiles
in a fraction of the time, and survives a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba

# Elements below which starting threads costs more than it saves (about 100 microseconds of work).
SMALL = 1 << 17
# Pieces a thread takes on average: more even out a thread that the system holds up.
PIECES = 4

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def thread_count() -> int:
    """Number of threads the kernels use: ``NUMBA_NUM_THREADS``, by default one per core."""
    return int(numba.config.NUMBA_NUM_THREADS)


def over_rows(compiled: Callable[..., Any], rows: int, width: int, *arguments: Any) -> None:
    """Call ``compiled(start, stop, *arguments)`` on pieces that cover ``range(rows)``.

    Parameters
    ----------
    compiled : callable
        A compiled kernel that writes the rows ``start`` to ``stop`` of its outputs.
    rows : int
    width : int
        Elements in a row: the work.
    """
    threads = min(thread_count(), rows)
    if threads < 2 or rows * width < SMALL:
        compiled(0, rows, *arguments)
        return
    step = -(-rows // (threads * PIECES))
    starts = iter(range(0, rows, step))

    def work() -> None:
        for start in starts:  # the iterator is shared: every piece is taken once
            compiled(start, min(start + step, rows), *arguments)

    helpers = [_executor().submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        # A helper that has not started yet would find nothing left to do.
        if not helper.cancel():
            helper.result()


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, thread_count() - 1), thread_name_prefix="entropylab")
        return _pool


def _forget() -> None:
    """Threads do not survive a fork: the child starts with a pool and a lock of its own."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
