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


def test_bench_refuses_an_unknown_device():
    answer = _call("bench", "--device", "abacus")
    assert answer.exit_code == 2
    assert "abacus" in answer.output


@pytest.mark.parametrize("command", ["train", "bench", "backend", "models", "score", "doctor"])
def test_help_shows_no_section_for_programmers(command):
    answer = _call(command, "--help")
    assert answer.exit_code == 0
    assert "----------" not in answer.output
