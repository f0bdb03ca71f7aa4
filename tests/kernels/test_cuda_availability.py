"""Without a GPU the CUDA kernels can be imported, and say what is missing when called."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from entropylab.kernels.cuda import unavailable_reason


def test_importing_does_not_import_numba() -> None:
    code = "import sys, entropylab.kernels.cuda; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_needs_no_driver_and_calling_says_what_is_missing() -> None:
    reason = unavailable_reason()
    if reason is None:
        pytest.skip("a GPU is here")
    from entropylab.kernels import cuda

    with pytest.raises(RuntimeError, match=r"the CUDA kernels cannot run: .*gpu-cu12"):
        cuda.find_invalid_row(None)
    with pytest.raises(RuntimeError, match=re.escape(reason.rstrip("."))):
        cuda.statistics(None)
