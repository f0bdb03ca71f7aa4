"""Floor 6: how fast the kernels are beside torch and transformers, and beside the floor that memory sets."""

from __future__ import annotations

from entropylab.bench.ptx import run_ptx
from entropylab.bench.runner import run
from entropylab.bench.sweep import run_sweep

__all__ = ["run", "run_ptx", "run_sweep"]
