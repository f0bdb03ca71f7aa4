"""The CUDA steps in a process of their own: on the GPU if there is one, else in Numba's simulator.

Numba chooses between the two when it is imported, so a notebook that runs kernels for real cannot simulate others.
Arrays go to the child and come back as one .npz stream each, without pickled objects.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cuda import unavailable_reason
from entropylab.kernels.steps.ladders import steps

# What a device loads at once: 32 bytes on a GPU (a sector), 64 on a CPU (a line). In float32 numbers.
SECTOR = 8
LINE = 16
CACHE_LINES = 512  # 32 KiB: a usual first-level cache
CHILD = "entropylab.kernels.steps"


@dataclass(frozen=True)
class Run:
    """What the CUDA steps of a ladder gave.

    Attributes
    ----------
    machine : str
        ``"simulator"``, or the name of the GPU.
    results : dict of str to array
        By the name of the step. Where a step returns several arrays, they are the rows of one.
    """

    machine: str
    results: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Trace:
    """The reads of one step from its main input, in the order in which each thread makes them.

    Attributes
    ----------
    block, thread : int array [R]
        Who reads. 0 on the CPU.
    element : int array [R]
        Index of the first number read.
    width : int array [R]
        How many numbers this load takes.
    exponentials : int
        How many exponentials the whole step computes.
    size : int
        How many numbers the input has.
    """

    block: NDArray[np.int64]
    thread: NDArray[np.int64]
    element: NDArray[np.int64]
    width: NDArray[np.int64]
    exponentials: int
    size: int

    @property
    def loads(self) -> float:
        """Numbers loaded for each number of the input."""
        return float(self.width.sum()) / self.size

    @property
    def exponentials_per_number(self) -> float:
        """Exponentials for each number of the input."""
        return self.exponentials / self.size

    def turn(self) -> NDArray[np.int64]:
        """For each read the number of reads that its thread made before it."""
        turns = np.empty(len(self.element), np.int64)
        made: dict[tuple[int, int], int] = {}
        for i, who in enumerate(zip(self.block.tolist(), self.thread.tolist(), strict=True)):
            turns[i] = made.get(who, 0)
            made[who] = turns[i] + 1
        return turns

    def sectors(self, warp: int) -> tuple[float, float]:
        """Sectors of 32 bytes that a warp's load touches, and the share of their bytes that it wanted.

        Parameters
        ----------
        warp : int
            Threads that load at the same time.

        Returns
        -------
        float, float
            Means over the loads in which the whole warp took part.

        Raises
        ------
        ValueError
            If there is no such load.
        """
        turns = self.turn()
        groups: dict[tuple[int, int, int], list[int]] = {}
        for i, key in enumerate(zip(self.block.tolist(), (self.thread // warp).tolist(), turns.tolist())):
            groups.setdefault(key, []).append(i)
        touched, wanted = [], []
        for reads in groups.values():
            if len(reads) == warp:
                numbers = [n for i in reads for n in range(self.element[i], self.element[i] + self.width[i])]
                touched.append(len({n // SECTOR for n in numbers}))
                wanted.append(len(set(numbers)) / (touched[-1] * SECTOR))
        if not touched:
            raise ValueError(f"warp: got {warp}, but no load is made by {warp} threads together")
        return float(np.mean(touched)), float(np.mean(wanted))

    def memory_reads(self) -> float:
        """Numbers that come from memory for each number of the input, if the last 512 lines stay in a cache."""
        cache: dict[int, None] = {}  # a dictionary keeps its order: the oldest line first
        missed = 0
        for element in self.element.tolist():
            line = element // LINE
            if line in cache:
                del cache[line]
            else:
                missed += 1
                if len(cache) == CACHE_LINES:
                    del cache[next(iter(cache))]
            cache[line] = None
        return missed * LINE / self.size


def run(ladder: str, **arguments: NDArray[Any] | float) -> Run:
    """Run all CUDA steps of a ladder.

    Parameters
    ----------
    ladder : {"entropy", "typical", "concentration"}
    **arguments : arrays and numbers
        What every step of the ladder takes, by name.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If there is no such ladder.
    RuntimeError
        If numba-cuda is missing, or the child fails; the message has its last lines.
    """
    steps(ladder)
    simulate = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" or unavailable_reason() is not None
    found = _child("run", ladder, arguments, {"NUMBA_ENABLE_CUDASIM": "1" if simulate else "0"})
    machine = str(found.pop("machine"))
    return Run(machine, found)


def trace(ladder: str, where: str, **arguments: NDArray[Any] | float) -> dict[str, Trace]:
    """Run steps in plain Python, and write down what they read.

    CPU steps run without compilation, CUDA steps in the simulator with 8 threads a block: use small arrays.

    Parameters
    ----------
    ladder : {"entropy", "typical", "concentration"}
    where : {"cpu", "cuda"}
    **arguments : arrays and numbers
        What every step of the ladder takes; the reads of the first one are traced.

    Returns
    -------
    dict of str to Trace
        By the name of the step. CPU steps that work on whole NumPy arrays read no single numbers and are left out.

    Raises
    ------
    ValueError, RuntimeError
        As `run`.
    """
    steps(ladder)
    if where not in ("cpu", "cuda"):
        raise ValueError(f"where: got {where!r}, allowed are 'cpu', 'cuda'")
    settings = {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    found = _child(f"trace-{where}", ladder, arguments, settings)
    size = int(found.pop("size"))
    traces = {}
    for step in steps(ladder, where):
        if step.name in found:
            block, thread, element, width = found[step.name].T
            exponentials = int(found[f"{step.name}.exp"])
            traces[step.name] = Trace(block, thread, element, width, exponentials, size)
    return traces


def _child(
    mode: str, ladder: str, arguments: dict[str, NDArray[Any] | float], settings: dict[str, str]
) -> dict[str, NDArray[Any]]:
    if importlib.util.find_spec("numba_cuda") is None:
        raise RuntimeError(
            "the CUDA steps need numba-cuda, also for its simulator: pip install numba-cuda (no GPU is needed)"
        )
    given = io.BytesIO()
    values: dict[str, Any] = {name: np.asarray(value) for name, value in arguments.items()}
    np.savez(given, allow_pickle=False, **values)
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", CHILD, mode, ladder],
        input=given.getvalue(),
        env={**os.environ, **settings},
        capture_output=True,
        check=False,
    )
    if finished.returncode != 0:
        last = "\n".join(finished.stderr.decode(errors="replace").splitlines()[-5:])
        raise RuntimeError(f"the steps of {ladder!r} failed in their process:\n{last}")
    with np.load(io.BytesIO(finished.stdout), allow_pickle=False) as stream:
        return dict(stream)
