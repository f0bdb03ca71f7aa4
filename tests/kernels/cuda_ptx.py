"""Compile every CUDA kernel to PTX, without a GPU: ``python cuda_ptx.py FOLDER FORMAT...``

Not collected as tests; ``test_cuda_ptx.py`` runs it in processes of its own. It writes
``KERNEL.FORMAT.CC.ptx``, and what nvJitLink, the assembler of the toolkit wheels, says of registers and spills:
``KERNEL.FORMAT.CC.log``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from entropylab.kernels.cuda.inspection import TARGETS, assemble, ptx, shipped_kernels


def main(folder: Path, formats: list[str]) -> None:
    for form in formats:
        for kernel in shipped_kernels(form):
            for target in TARGETS:
                text = ptx(kernel, target)
                stem = f"{kernel.name}.{form}.{target[0]}{target[1]}"
                (folder / f"{stem}.ptx").write_text(text)
                (folder / f"{stem}.log").write_text(assemble(text, target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
