"""``entropylab doctor``."""

from __future__ import annotations

import os
import tomllib

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

import entropylab
from entropylab import cli, doctor
from entropylab.models import list_models

runner = CliRunner()


def ask():
    return runner.invoke(cli.app, ["doctor"])


def lines(answer):
    return {line[:14].strip(): line[14:] for line in answer.output.splitlines() if line[:1].strip()}


def findings():
    return {finding.name: finding for finding in doctor.examine()}


def test_it_says_what_runs_where(monkeypatch):
    monkeypatch.delenv("ENTROPYLAB_MIRROR", raising=False)
    answer = ask()
    assert answer.exit_code == 0, answer.output
    found = lines(answer)
    assert list(found) == list(doctor.CHECKS)
    assert found["entropylab"].startswith(entropylab.__version__)
    assert found["backend"] == entropylab.backend()
    assert found["CPU kernels"].startswith("work")
    assert found["mirror"].startswith("not set")
    assert not any(text.startswith("broken") for text in found.values())


def test_it_lists_the_models_with_their_sizes():
    text = findings()["models"].answer
    for name in list_models():
        assert name in text
    first, *others = text.splitlines()
    sizes = [float(line.split()[1]) for line in others]
    assert float(first.split()[-2]) == pytest.approx(sum(sizes), abs=0.06 * len(sizes))
    assert first.startswith(f"{len(list_models())} in the zoo")


def test_a_check_that_fails_is_named_with_a_remedy_and_the_others_still_run(monkeypatch):
    def fail():
        raise ImportError("no such library")

    monkeypatch.setitem(doctor.CHECKS, "torch", (fail, True))
    answer = ask()
    assert answer.exit_code == 1
    assert "torch         broken: ImportError: no such library" in answer.output
    assert "remedy: pip install --force-reinstall --no-deps torch" in answer.output
    assert "models        " in answer.output
    assert "Something that the package needs is broken" in answer.output


def test_what_is_optional_breaks_nothing(monkeypatch):
    def fail():
        raise OSError("no answer")

    monkeypatch.setitem(doctor.CHECKS, "CUDA driver", (fail, False))
    answer = ask()
    assert answer.exit_code == 0
    assert "broken: OSError: no answer" in answer.output


def test_kernels_that_give_a_wrong_number_are_broken(monkeypatch):
    import torch

    monkeypatch.setattr("entropylab.information.entropy", lambda logits: torch.tensor(1.0))
    finding = findings()["CPU kernels"]
    assert finding.broken
    assert "ln 8" in finding.answer


def test_an_extra_that_is_missing_is_named_with_its_command(monkeypatch):
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "ray" else version(name))
    finding = findings()["extra ray"]
    assert "not installed" in finding.answer
    assert finding.remedy == "pip install 'entropylab-book[ray]'"
    assert not finding.broken
    assert ask().exit_code == 0


def test_the_extras_are_those_of_the_project(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(doctor.EXTRAS) | set(doctor._GPU_EXTRAS.values()) == set(extras)
    for name, (probe, _) in doctor.EXTRAS.items():
        assert probe in {Requirement(line).name for line in extras[name]}


@pytest.mark.parametrize(
    ("driver", "installed", "reason", "answer", "remedy"),
    [
        (None, None, "the package numba-cuda is not installed", "not installed (only a GPU needs it)", ""),
        (12040, None, "the package numba-cuda is not installed", "not installed", "[gpu-cu12]"),
        (13000, "0.30", "it is too old.", "0.30, not usable: it is too old", "[gpu-cu13]"),
        (None, "0.30", "CUDA driver library cannot be found", "0.30, not usable: CUDA driver", ""),
        (13000, "0.30", None, "0.30, usable", ""),
    ],
)
def test_numba_cuda_and_why_not(monkeypatch, driver, installed, reason, answer, remedy):
    version = doctor._version
    monkeypatch.setattr(doctor, "driver_version", lambda: driver)
    monkeypatch.setattr(doctor, "_version", lambda name: installed if name == "numba-cuda" else version(name))
    monkeypatch.setattr("entropylab.kernels.cuda.availability.unavailable_reason", lambda: reason)
    finding = findings()["numba-cuda"]
    assert finding.answer.startswith(answer)
    assert remedy in finding.remedy
    assert bool(finding.remedy) == bool(remedy)


def test_a_mirror_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTROPYLAB_MIRROR", str(tmp_path / "nowhere"))
    finding = findings()["mirror"]
    assert "there is no such folder" in finding.answer
    assert "unset ENTROPYLAB_MIRROR" in finding.remedy


def test_caches_are_named_and_tried(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finding = findings()["cache"]
    assert finding.answer.startswith(str(tmp_path / "entropylab"))
    assert "writable (made at the first download)" in finding.answer
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = findings()["cache"]
    assert "not writable" in finding.answer
    assert finding.remedy == "name a folder that you may write to: XDG_CACHE_HOME=<folder>"
    assert not finding.broken
