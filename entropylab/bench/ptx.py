"""What the compiler says of the CUDA kernels, as a table: evidence that needs no GPU."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from entropylab.bench import report as reports
from entropylab.kernels.cuda import inspection

COLUMNS = {
    "kernel": "kernel",
    "format": "format",
    "cc": "cc",
    "registers": "registers:d",
    "spill bytes": "spill_bytes:d",
    "stack bytes": "stack_bytes:d",
    "shared bytes": "shared_bytes:,d",
    "128-bit loads": "wide_loads:d",
    "128-bit stores": "wide_stores:d",
    "fp64": "fp64:d",
    "exp/element": "exponentials_per_element:.2f",
}


def run_ptx(out: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Compile every CUDA kernel for every target, print a table, write ``results/benchmarks/ptx.json``.

    Parameters
    ----------
    out : Path, optional
        Where to write instead. A quick run is written only if this is given.
    quick : bool
        The format float32 alone.

    Returns
    -------
    dict
        What was written: versions, and for each kernel, format and compute capability what
        :func:`entropylab.kernels.cuda.inspection.facts` says.

    Raises
    ------
    RuntimeError
        If numba-cuda or the toolkit wheels are not installed.
    """
    for module, package in (("numba_cuda", "numba-cuda"), ("cuda.bindings", "cuda-bindings")):
        if not _installed(module):
            raise RuntimeError(
                f"device: 'ptx' needs {package}, which is not installed: "
                'pip install "entropylab-book[gpu-cu13]" brings it, and no GPU is needed'
            )
    formats = ("float32",) if quick else inspection.FORMATS
    # A process for each half of the formats; they must not inherit the threads of this one.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        kernels = [row for rows in pool.map(compiled, formats) for row in rows]
    report = reports.heading("ptx", {"assembler": "nvJitLink -O3 -verbose"}) | {"kernels": kernels}
    reports.show("kernels as compiled", kernels, COLUMNS)
    if out is not None or not quick:
        reports.write(report, "ptx", out)
    return report


def compiled(form: str) -> list[dict[str, Any]]:
    """The rows of one number format."""
    rows = []
    for kernel in inspection.shipped_kernels(form):
        for target in inspection.TARGETS:
            text = inspection.ptx(kernel, target)
            found = inspection.facts(kernel, text, inspection.assemble(text, target))
            rows.append({"kernel": kernel.name, "format": form, "cc": f"{target[0]}.{target[1]}", **found})
    return rows


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
