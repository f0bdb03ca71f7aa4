"""The floors of the house, as far as they can be read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys


def test_imports_go_down_only(root):
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_one_module_imports_numba_cuda(root):
    importers = []
    for path in sorted((root / "entropylab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if any(name.startswith("numba.cuda") for name in names):
                importers.append(path.relative_to(root).as_posix())
    assert len(set(importers)) == 1, importers
    assert importers[0].startswith("entropylab/kernels/cuda/")


def test_nothing_is_unpickled_or_evaluated(root):
    banned = {"eval", "exec"}
    for path in sorted((root / "entropylab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in banned, f"{path.relative_to(root)}:{node.lineno}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "dill", "cloudpickle"}, (
                    f"{path.relative_to(root)}:{node.lineno}"
                )
