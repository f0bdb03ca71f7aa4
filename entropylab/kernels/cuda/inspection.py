"""What the compiler makes of every shipped kernel: PTX, registers, spills. No GPU is needed.

A kernel that is added to this package is added to `shipped_kernels`; tests and the benchmark's table of evidence
follow from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Compute capabilities: Turing (T4), Ampere (A100), Hopper (H100, H200).
TARGETS = ((7, 5), (8, 0), (9, 0))
FORMATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class Shipped:
    """A kernel with the types that the host functions launch it with.

    Attributes
    ----------
    name : str
    function : object
        The compiled function of Numba.
    arguments : tuple
        Numba's types.
    elements : int
        Elements of a row for which the text of the kernel has code of its own, so that exponentials can be
        counted for each of them; 0 where nothing is counted by elements.
    """

    name: str
    function: Any
    arguments: tuple[Any, ...]
    elements: int


def shipped_kernels(form: str) -> list[Shipped]:
    """Every kernel of a number format.

    Parameters
    ----------
    form : {"float32", "float64", "float16", "bfloat16"}

    Returns
    -------
    list of Shipped
    """
    from ._backward import argmax_kernel, backward_kernel, invalid_kernel
    from ._concentration import concentration_kernel
    from ._device import cuda
    from ._fold import fold_backward_kernel, fold_kernel
    from ._formats import number_format
    from ._statistics import statistics_kernel
    from ._typical import filter_kernel, sample_kernel
    from .launch import TILE, statistics_plan

    types = cuda.types
    element = {"float32": types.float32, "float64": types.float64}.get(form, types.uint16)
    number = types.float64 if form == "float64" else types.float32
    whole = types.int64
    logits, reals, wholes = (types.Array(kind, 1, "C") for kind in (element, number, whole))
    plan = statistics_plan(50257)
    width = number_format(form).width
    # Uniforms come as the bits of float32 or float64; each kind is compiled for one half of the formats.
    bits = 32 if form in ("float32", "bfloat16") else 64
    uniforms = types.Array(types.int32 if bits == 32 else types.int64, 1, "C")
    kernels = [
        Shipped(
            "statistics",
            statistics_kernel(form, plan.threads, plan.slice_columns),
            (logits, wholes, *[reals] * 7, whole, whole, number, number, *[whole] * 4),
            TILE,
        ),
        Shipped(
            "backward",
            backward_kernel(form),
            (logits, logits, wholes, wholes, *[reals] * 9, *[whole] * 3, number, whole),
            width,
        ),
        Shipped("fold", fold_kernel(form), (logits, *[reals] * 4, wholes, whole, whole, number, whole), TILE),
        Shipped(
            "fold_backward",
            fold_backward_kernel(form),
            (logits, logits, *[reals] * 4, wholes, wholes, *[reals] * 5, *[whole] * 3, number, whole, whole),
            width,
        ),
        Shipped("argmax", argmax_kernel(form), (logits, wholes, whole, whole), 0),
        Shipped("invalid", invalid_kernel(form), (logits, wholes, whole, whole), 0),
        # Two vectors in flight in the histogram; one while listing, for tokens of the cut bin only.
        Shipped("filter", filter_kernel(form), (logits, logits, reals, *[whole] * 5, number), 3 * width),
        # Beside such vectors it has loops over single tokens, which the compiler unrolls as it likes.
        Shipped("sample", sample_kernel(form, bits), (logits, wholes, uniforms, reals, *[whole] * 4), 0),
    ]
    if form in ("float32", "float64"):  # figures of tokens, never logits
        arrays = (*[reals] * 4, wholes, reals, reals, number, number, wholes, reals, reals, wholes, whole)
        kernels.append(Shipped("concentration", concentration_kernel(form, 9), arrays, 0))
    return kernels


def ptx(kernel: Shipped, target: tuple[int, int]) -> str:
    """The PTX of a kernel for a compute capability."""
    from ._device import compile_to_ptx

    return compile_to_ptx(kernel.function, kernel.arguments, target)


def assemble(text: str, target: tuple[int, int]) -> str:
    """What the assembler of the toolkit wheels (nvJitLink, which is ptxas as a library) says of a PTX text."""
    from cuda.bindings import nvjitlink  # type: ignore[import-untyped,unused-ignore]

    handle = nvjitlink.create(3, [f"-arch=sm_{target[0]}{target[1]}", "-verbose", "-O3"])
    code = text.encode()
    nvjitlink.add_data(handle, nvjitlink.InputType.PTX, code, len(code), "kernel")
    nvjitlink.complete(handle)
    log = bytearray(nvjitlink.get_info_log_size(handle))
    nvjitlink.get_info_log(handle, log)
    return log.decode().rstrip("\0")


def basic_blocks(text: str) -> list[str]:
    """The straight pieces of PTX between labels and branches."""
    return re.split(r"^\$L\S+:|^\s*(?:@!?%p\d+\s+)?bra[^;]*;", text, flags=re.MULTILINE)


def wide_accesses(text: str, kind: str) -> int:
    """Number of 128-bit accesses to global memory; `kind` is ``ld`` or ``st``."""
    return len(re.findall(rf"{kind}\.global(?:\.nc)?\.(?:v4\.[fub]32|v2\.[fub]64)", text))


def facts(kernel: Shipped, text: str, report: str) -> dict[str, int | float | None]:
    """Figures of a compiled kernel.

    Parameters
    ----------
    kernel : Shipped
    text : str
        Its PTX.
    report : str
        What `assemble` says of it.

    Returns
    -------
    dict
        ``registers`` a thread; ``spill_bytes``, stores and loads; ``stack_bytes``; ``shared_bytes`` a block;
        ``wide_loads`` and ``wide_stores``, of 128 bits; ``fp64``, instructions on float64; ``exponentials`` in
        the text, and ``exponentials_per_element`` where the text has code for a number of elements. That is
        what one read of an element costs; float64 has no instruction for it and is not counted.
    """
    registers = re.search(r"Used (\d+) registers", report)
    stacks = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    if registers is None or not stacks:
        raise RuntimeError(f"the assembler's report on {kernel.name} has another form: {report[:500]}")
    shared = re.search(r"(\d+) bytes smem", report)
    counts = [block.count("ex2.approx") for block in basic_blocks(text)]
    # These two absorb a tile in one straight piece; what else they have is paid per tile, thread or row.
    per_element = max(counts) if kernel.name in ("statistics", "fold") else sum(counts)
    counted = kernel.elements > 0 and ".f64" not in text
    return {
        "registers": int(registers[1]),
        "spill_bytes": sum(int(stores) + int(loads) for _, stores, loads in stacks),
        "stack_bytes": sum(int(frame) for frame, _, _ in stacks),
        "shared_bytes": int(shared[1]) if shared else 0,
        "wide_loads": wide_accesses(text, "ld"),
        "wide_stores": wide_accesses(text, "st"),
        "fp64": len(re.findall(r"\.f64\b", text)),
        "exponentials": sum(counts),
        "exponentials_per_element": per_element / kernel.elements if counted else None,
    }
