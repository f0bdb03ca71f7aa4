"""The memory that a computation needs on the CPU: what was allocated, not what the process happens to hold."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from torch.profiler import ProfilerActivity, profile

TRIES = 10


def peak_bytes(compute: Callable[[], Any]) -> int:
    """Most bytes that a call holds at once, above what was held before.

    The peak of torch's allocator and that of Python's (NumPy's arrays) are added, so that the figure is never too
    small. Arrays made inside Numba's functions are not seen.

    Parameters
    ----------
    compute : callable
        Called several times, the first time to warm up. What it returns is dropped.

    Returns
    -------
    int
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else torch reports the start of each profile on stderr
    _profiled(compute)  # warms up the profiler, too: it imports half of torch
    found = []
    for _ in range(TRIES):
        changes = _profiled(compute)
        found.append(max(accumulate(changes), default=0))
        # Now and then the profiler misses a release. What was allocated must be released at the end.
        if abs(sum(changes)) <= found[-1] / 100:
            break
    gc.collect()
    tracemalloc.start()
    try:
        compute()
        return min(found) + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _profiled(compute: Callable[[], Any]) -> list[int]:
    """Bytes that torch allocated (above 0) and released (below 0) on the CPU, in order."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        compute()
    assert found.profiler is not None and found.profiler.kineto_results is not None
    memory = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    memory.sort(key=lambda event: event.start_ns())
    return [event.nbytes() for event in memory if event.device_type().name == "CPU"]
