"""Compile the CUDA kernels of the teaching steps to PTX: ``python steps_ptx.py FOLDER``

Not collected as tests; ``test_cuda_steps_ptx.py`` runs it in a process of its own. It writes ``STEP.CC.ptx``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numba.cuda.dispatcher
from numba.cuda import compile_ptx, types

from entropylab.kernels.steps import concentration_cuda, entropy_cuda, typical_cuda

TARGETS = [(7, 5), (8, 0), (9, 0)]
# Numba lowers device functions for "the current device"; without one, name the oldest target.
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=TARGETS[0])

THREADS = 256
SEQUENCE_THREADS = 128
GRID = 9


def kernels() -> dict:
    reals, whole = types.Array(types.float32, 1, "C"), types.int64
    wholes = types.Array(types.int64, 1, "C")
    rows = (reals, reals, whole)
    sequences = (reals, reals, reals, wholes, reals, types.float32, reals, reals, reals, wholes)
    return {
        "thread_per_row": (entropy_cuda.thread_per_row_kernel, rows),
        "block_per_row": (entropy_cuda.block_per_row_kernel(THREADS), rows),
        "online_block": (entropy_cuda.online_block_kernel(THREADS), rows),
        "tile_rescale": (entropy_cuda.tile_rescale_kernel(THREADS), rows),
        "wide_loads": (entropy_cuda.wide_loads_kernel(THREADS), rows),
        "split_rows": (entropy_cuda.slice_kernel(THREADS, 4), rows),
        "combine": (entropy_cuda.combine_kernel, rows),
        "bisection_block": (typical_cuda.bisection_kernel(THREADS), (reals, wholes, reals, whole, whole)),
        "thread_per_sequence": (concentration_cuda.thread_kernel(GRID, SEQUENCE_THREADS), sequences),
        "block_scan": (concentration_cuda.scan_kernel(GRID, SEQUENCE_THREADS), sequences),
        "radix_block": (typical_cuda.radix_kernel(THREADS), (reals, wholes, wholes, whole, whole)),
    }


def main(folder: Path) -> None:
    for name, (kernel, arguments) in kernels().items():
        for target in TARGETS:
            ptx, _ = compile_ptx(kernel.py_func, types.void(*arguments), cc=target)
            (folder / f"{name}.{target[0]}{target[1]}.ptx").write_text(ptx)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
