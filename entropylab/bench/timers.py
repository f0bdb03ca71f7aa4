"""How a device is timed. All else of a benchmark is the same on every device, and is tested on the CPU.

A timer gives samples of the seconds that one call takes, and says how samples become one figure: on a GPU the
median of at least 20, by events; on a CPU that other programs share, the best of a few, since whatever else ran
only ever adds.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

# Calls in a sample are at most this many; buffers at most this many.
MOST_CALLS = 4096
MOST_BUFFERS = 4096
# Reads of different buffers must miss the cache: together they are this many times as large.
CACHE_MARGIN = 2


class Rotation:
    """Buffers that take turns, so that a call does not find its data in the cache of the device.

    Parameters
    ----------
    make : callable
        Makes a buffer from a seed.
    size : callable
        Bytes of a buffer.
    cache_bytes : int
        Size of the cache that is to be passed over; 0 for a single buffer.
    """

    def __init__(self, make: Callable[[int], Any], size: Callable[[Any], int], cache_bytes: int) -> None:
        first = make(0)
        self.bytes = size(first)
        self.buffers = [first, *(make(seed) for seed in range(1, copies(self.bytes, cache_bytes)))]
        self._place = -1

    def __next__(self) -> Any:
        self._place = (self._place + 1) % len(self.buffers)
        return self.buffers[self._place]


def copies(buffer_bytes: int, cache_bytes: int) -> int:
    """Number of buffers that are together `CACHE_MARGIN` times as large as the cache."""
    return min(MOST_BUFFERS, max(1, math.ceil(CACHE_MARGIN * cache_bytes / max(buffer_bytes, 1))))


class Timer(Protocol):
    """What a benchmark needs of a device."""

    device: str
    cache_bytes: int
    samples: int
    statistic: str

    def seconds(
        self, compute: Callable[[Any], Any], rotation: Rotation, calls: int
    ) -> tuple[float, Any, Any]:
        """Seconds of one call, averaged over `calls` in a row; the last buffer, and what came of it."""

    def summary(self, samples: Sequence[float]) -> float:
        """One figure of several samples."""

    def machine(self) -> dict[str, Any]:
        """What it ran on, without names that identify a machine."""


class CpuTimer:
    """The clock of the processor, on data that stays in its caches where it fits.

    Parameters
    ----------
    samples : int
        Samples of each contender.
    target : float
        Seconds that the calls of a sample take together, about.
    cache_bytes : int
        Buffers rotate through more than this; 0, the default, leaves a single buffer: the logits that a model
        has just written lie in the cache too.
    """

    device = "cpu"
    statistic = "best"

    def __init__(self, samples: int = 7, target: float = 5e-3, cache_bytes: int = 0) -> None:
        self.samples, self.target, self.cache_bytes = samples, target, cache_bytes

    def seconds(
        self, compute: Callable[[Any], Any], rotation: Rotation, calls: int
    ) -> tuple[float, Any, Any]:
        if calls > 1:  # what ran before has other threads and other data
            compute(next(rotation))
        start = time.perf_counter()
        for _ in range(calls):
            data = next(rotation)
            found = compute(data)
        return (time.perf_counter() - start) / calls, data, found

    def summary(self, samples: Sequence[float]) -> float:
        return min(samples)

    def machine(self) -> dict[str, Any]:
        return machine("cpu")


class CudaTimer:
    """Events on the current stream of the current GPU, on buffers that its second-level cache cannot hold.

    The stream sleeps before the first event, while the host queues the calls: what is timed is the work of the
    GPU and not how fast Python launches it. A call that waits for its own result cannot be queued; its figure
    includes the wait, as it does for whoever uses it.

    Parameters
    ----------
    samples : int
        Samples of each contender.
    target : float
        Seconds that the calls of a sample take together, about.
    """

    device = "cuda"
    statistic = "median"
    MOST_QUEUED = 16  # calls in a sample: the queue of a stream holds about a thousand launches
    SLEEP = 400_000  # clock cycles for each call, about 0.2 ms

    def __init__(self, samples: int = 21, target: float = 1e-3) -> None:
        self.samples, self.target = samples, target
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.cache_bytes = int(getattr(properties, "L2_cache_size", 0)) or 128 << 20

    def seconds(
        self, compute: Callable[[Any], Any], rotation: Rotation, calls: int
    ) -> tuple[float, Any, Any]:
        calls = min(calls, self.MOST_QUEUED)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        torch.cuda._sleep(self.SLEEP * calls)
        start.record()
        for _ in range(calls):
            data = next(rotation)
            found = compute(data)
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e-3 / calls, data, found

    def summary(self, samples: Sequence[float]) -> float:
        return statistics.median(samples)

    def machine(self) -> dict[str, Any]:
        return machine("cuda") | {"l2_cache_mib": round(self.cache_bytes / 2**20, 1)}


def calls_for(timer: Any, compute: Callable[[Any], Any], rotation: Rotation) -> int:
    """Calls that fill a sample; the first call here compiles and is not counted."""
    timer.seconds(compute, rotation, 1)
    once, _, _ = timer.seconds(compute, rotation, 1)
    return max(1, min(MOST_CALLS, math.ceil(timer.target / max(once, 1e-7))))


def bandwidth(timer: Any, size: int) -> dict[str, float]:
    """Bytes a second of a plain copy, which reads and writes, and of a sum, which reads.

    Parameters
    ----------
    timer : Timer
    size : int
        Bytes of a buffer: more than the caches hold.

    Returns
    -------
    dict with ``copy`` and ``read``
    """
    # Filled, because a page that was never written is no memory: all of them are one page of zeros.
    source, target = (torch.full((size // 4,), 1.0, device=timer.device) for _ in range(2))
    rotation = Rotation(lambda seed: source, lambda data: size, 0)
    rates = {}
    for name, moved, compute in (("copy", 2, target.copy_), ("read", 1, torch.sum)):
        calls = calls_for(timer, compute, rotation)
        samples = [timer.seconds(compute, rotation, calls)[0] for _ in range(max(timer.samples, 5))]
        rates[name] = moved * size / timer.summary(samples)
    return rates


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on, without names that identify a machine.

    Parameters
    ----------
    device : {"cpu", "cuda"}

    Returns
    -------
    dict
    """
    if device == "cuda":
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return {
            "gpu": properties.name,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "processor": processor(),
        }
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch_threads": torch.get_num_threads(),
    }


def timed(compute: Callable[[Any], object], data: Any, device: str, repeats: int) -> float:
    """Seconds of one call by the clock, averaged over `repeats` calls in a row.

    Parameters
    ----------
    compute : callable
        Takes the data.
    data : object
    device : {"cpu", "cuda"}
    repeats : int

    Returns
    -------
    float
    """
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        compute(data)
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def processor() -> str:
    """Model of the processor, or the architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
