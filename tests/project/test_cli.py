"""The command line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import entropylab
from entropylab import cli
from entropylab.models import list_models, training

runner = CliRunner()


def _call(*arguments, **options):
    return runner.invoke(cli.app, list(arguments), **options)


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    answer = _call("train", "english-z")
    assert answer.exit_code == 2
    assert "There is no recipe 'english-z'. Did you mean 'english-s'?" in answer.output
    for name in training.recipe_names():
        assert name in answer.output


def test_train_passes_its_arguments_on_and_names_the_model(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training, "train", lambda *arguments: seen.append(arguments) or tmp_path / "model")
    answer = _call("train", "english-s", "--out", str(tmp_path))
    assert answer.exit_code == 0, answer.output
    assert seen == [("english-s", tmp_path, True)]
    assert str(tmp_path / "model") in answer.output


def test_starting_anew_asks_before_it_removes_a_run(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training, "train", lambda *arguments: seen.append(arguments) or tmp_path)
    arguments = ("train", "english-s", "--out", str(tmp_path), "--no-resume")
    assert _call(*arguments, input="n\n").exit_code == 1
    assert seen == []
    assert _call(*arguments, input="y\n").exit_code == 0
    assert seen == [("english-s", tmp_path, False)]


def test_a_corpus_that_cannot_be_had_is_one_sentence(monkeypatch):
    def fail(*_):
        raise RuntimeError("the novels cannot be reached")

    monkeypatch.setattr(training, "train", fail)
    answer = _call("train", "english-s")
    assert answer.exit_code == 2
    assert answer.output.strip() == "the novels cannot be reached"


def test_backend_prints_the_line_of_the_package():
    assert _call("backend").output.strip() == entropylab.backend()


def test_models_lists_the_zoo():
    lines = _call("models").output.split()
    assert lines == list(list_models())
    assert "lab/english-s" in lines


def test_doctor_says_what_runs_where(monkeypatch):
    monkeypatch.delenv("ENTROPYLAB_MIRROR", raising=False)
    answer = _call("doctor")
    assert answer.exit_code == 0
    lines = {line[:14].strip(): line[14:] for line in answer.output.splitlines()}
    expected = "entropylab python backend torch numba numba-cuda threads scale mirror models".split()
    assert set(expected) <= set(lines)
    assert "CUDA driver" in lines
    assert lines["entropylab"].startswith(entropylab.__version__)
    assert lines["mirror"].startswith("not set")
    assert not any(text.startswith("broken") for text in lines.values())


def test_doctor_goes_on_after_a_check_that_fails(monkeypatch):
    def fail():
        raise ImportError("no such library")

    monkeypatch.setitem(cli._CHECKS, "torch", fail)
    lines = _call("doctor").output.splitlines()
    assert any(line.startswith("torch") and "broken: ImportError: no such library" in line for line in lines)
    assert lines[-1].startswith("models")


def test_doctor_sees_a_mirror_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTROPYLAB_MIRROR", str(tmp_path / "nowhere"))
    assert "there is no such folder" in _call("doctor").output


def test_bench_refuses_an_unknown_device():
    answer = _call("bench", "--device", "abacus")
    assert answer.exit_code == 2
    assert "abacus" in answer.output


@pytest.mark.parametrize("command", ["train", "bench", "backend", "models", "doctor"])
def test_help_shows_no_section_for_programmers(command):
    answer = _call(command, "--help")
    assert answer.exit_code == 0
    assert "----------" not in answer.output
