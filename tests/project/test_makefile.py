"""The Makefile on machines where something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time

import pytest

COMPLETE = 'case "$*" in *version_info*) exit 0;; *ensurepip*) exit 0;; esac\n'


@pytest.fixture
def machine(root, tmp_path):
    """A folder with the Makefile and a Python of the test's own making; returns how to call make there."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, tmp_path)

    def make(*arguments, python=""):
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n{python}')
        path.chmod(0o755)
        command = ["make", "--no-print-directory", f"PYTHON={path}", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return make


def test_the_targets_are_listed(machine):
    answer = machine()
    assert answer.returncode == 0
    for target in ("book", "serve", "test", "validate", "lint", "bench", "record", "train", "clean"):
        assert re.search(rf"^  make {target} +\S", answer.stdout, flags=re.MULTILINE), target


def test_an_old_python_is_refused_by_its_version(machine):
    python = 'case "$*" in *version_info*) exit 1;; --version) echo "Python 3.9.2";; esac\n'
    answer = machine("test", python=python)
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stdout
    assert "Python 3.9.2" in answer.stdout
    assert "make test PYTHON=" in answer.stdout


def test_a_python_without_venv_is_answered_with_the_package_to_install(machine):
    answer = machine("book", python='case "$*" in *ensurepip*) exit 1;; esac\n')
    assert answer.returncode != 0
    assert "apt-get install python3-venv" in answer.stdout


def test_the_environment_is_made_once_and_again_when_the_versions_change(machine, tmp_path):
    # This Python "creates" environments that hold a program which accepts everything.
    venv = (
        'if [ "$1 $2" = "-m venv" ]; then\n'
        "  mkdir -p .venv/bin; printf '#!/bin/sh\\nexit 0\\n' > .venv/bin/python; chmod +x .venv/bin/python\n"
        "fi\n"
    )
    first = machine("install", python=COMPLETE + venv)
    assert first.returncode == 0, first.stderr
    assert "--constraint constraints.txt" in first.stdout
    assert "pip install" not in machine("install", python=COMPLETE).stdout
    later = time.time() + 10
    os.utime(tmp_path / "constraints.txt", (later, later))
    assert "pip install" in machine("install", python=COMPLETE).stdout
    assert (tmp_path / "calls").read_text().count("-m venv") == 1


@pytest.mark.parametrize(("target", "argument"), [("record", "CHAPTER="), ("train", "RECIPE=")])
def test_an_argument_that_is_missing_is_asked_for(machine, tmp_path, target, argument):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    answer = machine(target)
    assert answer.returncode != 0
    assert f"Say which: make {target} {argument}" in answer.stderr
