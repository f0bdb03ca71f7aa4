"""``import entropylab`` is light."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "numba", "transformers", "pandas", "matplotlib", "scipy")

PROGRAM = f"""
import json, sys, time
start = time.perf_counter()
import entropylab
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {HEAVY!r} if name in sys.modules], entropylab.__version__]))
"""


def test_importing_the_package_takes_no_time_and_imports_nothing_heavy(root):
    # The best of three: a busy machine can delay one start.
    answers = [
        json.loads(
            subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, check=True).stdout
        )
        for _ in range(3)
    ]
    assert min(seconds for seconds, _, _ in answers) < 1.0
    assert answers[0][1] == []
    assert answers[0][2].count(".") == 2


def test_the_help_of_the_command_line_imports_nothing_heavy(root):
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom entropylab.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_importing_kernels_needs_no_gpu_package(root):
    program = (
        "import sys, entropylab.kernels; print([n for n in ('torch', 'numba', 'cuda') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
