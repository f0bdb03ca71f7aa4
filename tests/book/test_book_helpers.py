"""Scales, settings, exercises, figures, and the first cell on Colab."""

from __future__ import annotations

import re
import sys
import types

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entropylab.book import bootstrap, check, colab, figure_style, figures, scale, settings, show


def test_the_scale_is_lab_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("ENTROPYLAB_SCALE", raising=False)
    assert scale() == "lab"
    monkeypatch.setenv("ENTROPYLAB_SCALE", "gpu")
    assert scale() == "gpu"
    monkeypatch.setenv("ENTROPYLAB_SCALE", "huge")
    with pytest.raises(ValueError, match="ENTROPYLAB_SCALE must be one of lab, gpu, not 'huge'"):
        scale()


def test_settings_give_the_column_of_the_scale_and_show_both(monkeypatch):
    monkeypatch.setenv("ENTROPYLAB_SCALE", "gpu")
    chosen = settings(lab={"prompts": 40, "model": "<s>"}, gpu={"prompts": 200, "model": "m"})
    assert chosen.prompts == 200
    html = chosen._repr_html_()
    assert "40" in html
    assert "200" in html
    assert "&lt;s&gt;" in html
    assert "gpu (this run)" in html


def test_settings_with_a_missing_name_are_refused():
    with pytest.raises(ValueError, match="only one of them has model, seeds"):
        settings(lab={"a": 1, "model": 2}, gpu={"a": 1, "seeds": 3})


@pytest.mark.parametrize(
    ("answer", "expected", "line"),
    [
        (0.5, 0.5, "correct"),
        (0.5 + 1e-9, 0.5, "correct"),
        (0.4, 0.5, "not yet: 0.4 is too small"),
        (0.6, 0.5, "not yet: 0.6 is too large"),
        (..., 0.5, "not answered yet"),
        (None, 0.5, "not answered yet"),
        ([1, 2], [1, 2], "correct"),
        ([1, 3], [1, 2], "not yet: 1 of 2 entries are off, the first at index (1,)"),
        ([1, 2, 3], [1, 2], "not yet: the shape is (3,), expected (2,)"),
        ({1, 2}, {2, 1}, "correct"),
        ("a", "b", "not yet: 'a' is not it"),
        (True, True, "correct"),
        (["x", "y"], ["x", "y"], "correct"),
        ("one", 1.0, "not yet: 'one' is not it"),
    ],
)
def test_a_check_says_in_one_line_what_is_wrong(capsys, answer, expected, line):
    right = check("exercise 1", answer, expected)
    assert right == (line == "correct")
    assert capsys.readouterr().out == f"exercise 1: {line}\n"


def test_a_check_can_test_for_a_property_and_give_a_hint(capsys):
    assert check("exercise 2", 4, test=lambda n: n % 2 == 0)
    assert not check("exercise 2", 3, test=lambda n: n % 2 == 0, hint="think of pairs")
    assert capsys.readouterr().out.endswith("this example does not have the property. Hint: think of pairs\n")


def test_a_check_that_is_set_up_wrongly_is_an_error():
    with pytest.raises(TypeError, match="either expected or test"):
        check("exercise", 1)
    with pytest.raises(TypeError, match="either expected or test"):
        check("exercise", 1, 1, test=bool)
    with pytest.raises(ValueError, match="rtol must be 0 or larger"):
        check("exercise", 1, 1, rtol=-1)


@pytest.fixture
def shown(monkeypatch):
    html = []
    monkeypatch.setattr("entropylab.book.markup.display", lambda content: html.append(content.html))
    return html


def draw():
    figure_style()
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], label="line")
    axes.legend()
    return figure


def test_a_figure_is_shown_with_its_text_and_closed(shown):
    figure = draw()
    show(figure, 'a "rising" line', caption="x < y")
    assert 'alt="a &quot;rising&quot; line"' in shown[0]
    assert "<figcaption>x &lt; y</figcaption>" in shown[0]
    assert not plt.fignum_exists(figure.number)


def test_the_same_figure_gives_the_same_bytes(shown):
    for _ in range(2):
        show(draw(), "a line")
    assert shown[0] == shown[1]


def test_a_wide_figure_keeps_a_readable_size(shown):
    show(draw(), "a line", wide=True)
    assert re.search(r"min-width:\d{3}px", shown[0])


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_figure_without_text_is_refused(alt):
    figure = draw()
    with pytest.raises(ValueError, match="alt must say in words"):
        show(figure, alt)
    plt.close(figure)


def test_a_figure_too_large_for_a_notebook_is_refused(monkeypatch, shown):
    monkeypatch.setattr(figures, "LIMIT", 1000)
    with pytest.raises(ValueError, match="draw fewer points"):
        show(draw(), "a line")


def test_bootstrap_prints_one_line_and_installs_nothing_here(capsys, monkeypatch):
    monkeypatch.setattr(colab, "install_missing", lambda: pytest.fail("installed something"))
    bootstrap()
    assert re.fullmatch(r"entropylab \d+\.\d+.*, backend: .+\n", capsys.readouterr().out)


def test_on_colab_it_completes_the_installation(capsys, monkeypatch):
    called = []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(colab, "install_missing", lambda: called.append(1))
    bootstrap()
    assert called == [1]


def test_only_what_is_missing_is_installed_and_never_torch_or_cuda():
    requirements = [
        "torch>=2.6",
        "nvidia-cublas>=1",
        "cuda-python",
        "numba-cuda[cu12]>=0.22; extra == 'gpu-cu12'",
        "PyYAML>=6.0",
        "pooch>=1.8",
        "some_package>=1; python_version >= '3.11'",
        "pytest>=8; extra == 'test'",
    ]
    found = colab.missing_requirements(requirements, {"pyyaml", "numpy", "Some.Package"})
    assert found == ["pooch>=1.8"]
    assert colab.missing_requirements(requirements, {"pyyaml"}) == ["pooch>=1.8", "some_package>=1"]


def test_pip_gets_everything_installed_as_a_constraint(monkeypatch):
    seen = {}

    def run(command, **options):
        with open(command[command.index("-c") + 1]) as file:
            seen["frozen"] = file.read()
        seen["command"] = command
        return types.SimpleNamespace(returncode=seen.get("code", 0), stderr="no such package")

    monkeypatch.setattr(colab.metadata, "requires", lambda name: ["surely-not-installed>=1", "numpy"])
    monkeypatch.setattr(colab.subprocess, "run", run)
    assert colab.install_missing() == ["surely-not-installed>=1"]
    assert f"numpy=={np.__version__}\n" in seen["frozen"]
    assert seen["command"][-1] == "surely-not-installed>=1"
    seen["code"] = 1
    with pytest.raises(RuntimeError, match="could not install surely-not-installed>=1: no such package"):
        colab.install_missing()
