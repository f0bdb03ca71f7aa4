"""The child process of `fresh`: ``python -m entropylab.kernels.steps run|trace-cpu|trace-cuda LADDER``.

Arguments come as an .npz stream on standard input, results leave as one on standard output.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import numpy as np


def main(mode: str, ladder: str) -> None:
    """Run or trace the steps of a ladder."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as stream:
        # Numbers travel as arrays without a dimension.
        arguments = {name: array if array.ndim else array.item() for name, array in stream.items()}
    suffix = "" if mode == "trace-cpu" else "_cuda"
    module = importlib.import_module(f"entropylab.kernels.steps.{ladder}{suffix}")
    if mode == "run":
        from entropylab.kernels.steps.hosting import device_name

        # The simulator's threads wait for each other much; switch among them often.
        sys.setswitchinterval(5e-4)
        results: dict[str, Any] = {}
        for name, step in module.STEPS.items():
            found = step(**arguments)
            # Figures of a sequence travel as rows of one array.
            results[name] = np.stack(found) if isinstance(found, tuple) else found
        results["machine"] = device_name()
    else:
        from entropylab.kernels.steps.tracing import trace_steps

        sys.setswitchinterval(5e-4)
        results = trace_steps(module, mode.removeprefix("trace-"), arguments)
    np.savez(sys.stdout.buffer, allow_pickle=False, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
