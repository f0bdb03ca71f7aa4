"""Compile every CUDA kernel to PTX, without a GPU: ``python cuda_ptx.py FOLDER FORMAT...``

Not collected as tests; ``test_cuda_ptx.py`` runs it in processes of its own. It writes
``KERNEL.FORMAT.CC.ptx``, and for the newest target (for float32 for all of them) also what nvJitLink, the
assembler of the toolkit wheels, says of registers and spills: ``KERNEL.FORMAT.CC.log``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba.cuda.dispatcher
from numba.cuda import compile_ptx, types

from entropylab.kernels.cuda._backward import argmax_kernel, backward_kernel, invalid_kernel
from entropylab.kernels.cuda._concentration import concentration_kernel
from entropylab.kernels.cuda._statistics import statistics_kernel
from entropylab.kernels.cuda._typical import filter_kernel, sample_kernel
from entropylab.kernels.cuda.launch import statistics_plan

TARGETS = [(7, 5), (8, 0), (9, 0)]

# Numba lowers device functions for "the current device"; without one, name the oldest target. The code that
# it makes here is for a virtual machine (LLVM), and turns into that of a target only with the kernel that it
# is inlined into.
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=TARGETS[0])


def signatures(name: str) -> dict[str, tuple[Any, Any]]:
    """Each kernel of a number format, with the types that the host functions launch it with."""
    element = {"float32": types.float32, "float64": types.float64}.get(name, types.uint16)
    number = types.float64 if name == "float64" else types.float32
    whole = types.int64
    logits, reals, wholes = (types.Array(kind, 1, "C") for kind in (element, number, whole))
    plan = statistics_plan(50257)
    # Uniforms come as the bits of float32 or float64; each kind is compiled for one half of the formats.
    bits = 32 if name in ("float32", "bfloat16") else 64
    uniforms = types.Array(types.int32 if bits == 32 else types.int64, 1, "C")
    kernels = {
        "statistics": (
            statistics_kernel(name, plan.threads, plan.slice_columns),
            (logits, wholes, *[reals] * 7, whole, whole, number, number, *[whole] * 4),
        ),
        "backward": (
            backward_kernel(name),
            (logits, logits, wholes, wholes, *[reals] * 9, *[whole] * 3, number, whole),
        ),
        "argmax": (argmax_kernel(name), (logits, wholes, whole, whole)),
        "invalid": (invalid_kernel(name), (logits, wholes, whole, whole)),
        "filter": (filter_kernel(name), (logits, logits, reals, *[whole] * 5, number)),
        "sample": (sample_kernel(name, bits), (logits, wholes, uniforms, reals, *[whole] * 4)),
    }
    if name in ("float32", "float64"):  # figures of tokens, never logits
        kernels["concentration"] = (
            concentration_kernel(name, 9),
            (*[reals] * 4, wholes, reals, reals, number, number, wholes, reals, reals, wholes, whole),
        )
    return kernels


def assemble(ptx: str, target: tuple[int, int]) -> str:
    """The assembler's report for a target."""
    from cuda.bindings import nvjitlink

    handle = nvjitlink.create(3, [f"-arch=sm_{target[0]}{target[1]}", "-verbose", "-O3"])
    text = ptx.encode()
    nvjitlink.add_data(handle, nvjitlink.InputType.PTX, text, len(text), "kernel")
    nvjitlink.complete(handle)
    log = bytearray(nvjitlink.get_info_log_size(handle))
    nvjitlink.get_info_log(handle, log)
    return log.decode().rstrip("\0")


def main(folder: Path, formats: list[str]) -> None:
    for name in formats:
        for label, (kernel, arguments) in signatures(name).items():
            for target in TARGETS:
                ptx, _ = compile_ptx(kernel.py_func, types.void(*arguments), cc=target)
                stem = f"{label}.{name}.{target[0]}{target[1]}"
                (folder / f"{stem}.ptx").write_text(ptx)
                if target == TARGETS[-1] or name == "float32":
                    (folder / f"{stem}.log").write_text(assemble(ptx, target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
