"""The CUDA kernels equal the reference, in Numba's simulator."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("cuda_cases.py")


@pytest.mark.slow
def test_cases_pass_in_the_simulator() -> None:
    """The simulator is chosen when Numba is imported, hence a process of its own."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed")
    # Kernels overflow to infinity on purpose; on a GPU nobody is told.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    finished = subprocess.run(
        [*command, "-p", "no:xdist", "-W", "ignore::RuntimeWarning", str(CASES)],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " passed" in finished.stdout
    assert "skipped" not in finished.stdout
