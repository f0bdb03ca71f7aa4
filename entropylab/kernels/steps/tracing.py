"""Writing down what a step reads: the input is replaced by an array that keeps a list of its reads.

Only for plain Python, in a process that `fresh.trace` starts: without compilation for the CPU steps, in Numba's
simulator for the CUDA steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPONENTIALS = ("exp", "exp_bounded", "exp2")

Read = tuple[int, int, int, int]  # block, thread, first number, how many


class Watched:
    """An array of rows, or a piece of a row, that lists the numbers read from it one by one."""

    def __init__(self, values: NDArray[Any], reads: list[Read], start: int = 0) -> None:
        self._values, self._reads, self._start = values, reads, start
        self.shape, self.size, self.dtype = values.shape, values.size, values.dtype

    def __len__(self) -> int:
        return len(self._values)

    def view(self, dtype: Any) -> Watched:
        return Watched(self._values.view(dtype), self._reads, self._start)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            begin = index.indices(len(self))[0]
            return Watched(self._values[index], self._reads, self._start + begin)
        if self._values.ndim == 2:
            return Watched(self._values[index], self._reads, self._start + int(index) * self.shape[1])
        self._reads.append((0, 0, self._start + int(index), 1))
        return self._values[index]


def trace_steps(module: ModuleType, where: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run the steps of a module, the first argument watched.

    Parameters
    ----------
    module : module
        With ``STEPS``; its global exponentials are replaced by ones that count.
    where : {"cpu", "cuda"}
    arguments : dict
        What each step takes.

    Returns
    -------
    dict
        For each step the reads, int64 [R, 4], under its name, and the number of its exponentials under
        ``<name>.exp``; ``size``, the numbers in the first argument.
    """
    calls: list[None] = []  # appending is atomic: the simulator's threads do it at the same time
    for name in EXPONENTIALS:
        if hasattr(module, name):
            setattr(module, name, _counted(getattr(module, name), calls))
    first, *_ = arguments
    watched = arguments[first]
    found: dict[str, Any] = {"size": watched.size}
    for name, step in module.STEPS.items():
        reads: list[Read] = []
        calls.clear()
        if where == "cpu":
            if name in module.WHOLE_ARRAYS:
                continue
            step(**{**arguments, first: Watched(watched, reads)})
        else:
            _watch_device(module, watched, reads)
            step(**arguments)
        found[name] = np.array(reads, np.int64).reshape(-1, 4)
        found[f"{name}.exp"] = len(calls)
    return found


def _counted(function: Callable[[Any], Any], calls: list[None]) -> Callable[[Any], Any]:
    def counted(x: Any) -> Any:
        calls.append(None)
        return math.exp(x) if function is math.exp else function(x)

    return counted


def _watch_device(module: ModuleType, watched: NDArray[Any], reads: list[Read]) -> None:
    """Let `hosting.send` put an array that lists its reads in the place of the watched one."""
    from entropylab.kernels.cuda import _device
    from entropylab.kernels.steps import hosting

    running_block = vars(_device)["running_block"]  # the simulator's twin module alone has it
    device_array: Any = type(_device.wrap(np.zeros(1)))

    def who() -> tuple[int, int]:
        block = running_block()
        return int(block.blockIdx.x) + int(block.blockIdx.y) * int(block.gridDim.x), int(block.threadIdx.x)

    class Listing(device_array):  # type: ignore[misc]
        def __getitem__(self, index: Any) -> Any:
            reads.append((*who(), int(index), 1))
            return super().__getitem__(index)

    def load_vector(array: Any, index: Any) -> Any:
        if isinstance(array._item, Listing):
            reads.append((*who(), int(index), 4))
        return _device.load_vector(array, index)

    def send(array: NDArray[Any]) -> Any:
        flat = np.array(array).reshape(-1)
        return Listing(flat) if array is watched else _device.wrap(flat)

    hosting.send = send
    if hasattr(module, "load_vector"):
        module.load_vector = load_vector  # type: ignore[attr-defined]
