from __future__ import annotations

import copy
import json

import pytest

from entropylab.book import notebooks


def good():
    code = {"cell_type": "code", "id": "b", "metadata": {"tags": ["hide-input"]}, "execution_count": 1}
    code |= {
        "source": ["print(1)"],
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
    }
    figure = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": '<img alt="a line" src="data:image/png;base64,/tmp/x">'},
    }
    second = {
        "cell_type": "code",
        "id": "c",
        "metadata": {},
        "execution_count": 2,
        "source": ["show(fig)"],
        "outputs": [figure],
    }
    text = {
        "cell_type": "markdown",
        "id": "a",
        "metadata": {},
        "source": ["# Title\n", "\n", "<!-- launch -->\n", "Text."],
    }
    return {
        "cells": [text, code, second],
        "metadata": copy.deepcopy(notebooks.METADATA),
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def faults(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return notebooks.check(path, "chapters/decoding/x.ipynb")


def test_a_good_notebook_has_no_faults(tmp_path):
    assert faults(tmp_path, good()) == []


def change(path, value):
    """A fault: the notebook with one place set to another value."""

    def apply(content):
        place = content
        for key in path[:-1]:
            place = place[key]
        if value is KeyError:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return content

    return apply


PNG = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGk="}}
HTML = {"output_type": "display_data", "metadata": {}}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (change(["metadata", "kernelspec", "name"], "my-venv"), "metadata is not normalised"),
        (change(["metadata", "language_info", "version"], "3.11.7"), "metadata is not normalised"),
        (change(["metadata", "widgets"], {}), "metadata is not normalised"),
        (change(["nbformat_minor"], 4), "format 4.4, not 4.5"),
        (change(["cells", 2, "execution_count"], 7), "not executed in order"),
        (change(["cells", 2, "execution_count"], None), "1 of 2 code cells were not executed"),
        (
            change(["cells", 1, "metadata", "execution"], {"iopub.status.busy": "2026"}),
            "cell 1: unknown metadata execution",
        ),
        (change(["cells", 1, "id"], KeyError), "cell 1: it has no id"),
        (change(["cells", 1, "metadata", "tags"], ["nbval-skip"]), "nbval-skip is not allowed"),
        (change(["cells", 1, "outputs", 0, "name"], "stderr"), "cell 1: it writes to stderr"),
        (
            change(
                ["cells", 1, "outputs"],
                [{"output_type": "error", "ename": "KeyError", "evalue": "", "traceback": []}],
            ),
            "cell 1: it ended with KeyError",
        ),
        (change(["cells", 2, "outputs"], [PNG]), "an image/png output has no alternative text"),
        (
            change(["cells", 2, "outputs"], [HTML | {"data": {"text/html": "<img src='x.png'>"}}]),
            "an img has no alternative",
        ),
        (
            change(["cells", 2, "outputs"], [HTML | {"data": {"text/html": ["<svg role='img'>"]}}]),
            "an svg has no alternative",
        ),
        (
            change(
                ["cells", 2, "outputs"],
                [HTML | {"data": {"text/html": "<script src='https://cdn.org/x.js'></script>"}}],
            ),
            "a script is loaded from elsewhere: https://cdn.org/x.js",
        ),
        (
            change(["cells", 1, "outputs", 0, "text"], ["/home/me/x.py:3\n"]),
            "cell 1: its output names a path of a machine",
        ),
        (
            change(["cells", 1, "outputs", 0, "text"], [r"C:\Users\me"]),
            "cell 1: its output names a path of a machine",
        ),
        (
            change(["cells", 1, "source"], ["open('/content/data.csv')"]),
            "cell 1: its source names a path of a machine",
        ),
        (
            change(["cells", 0, "source"], ["![](figure.png)"]),
            "cell 0: image 'figure.png' has no alternative text",
        ),
        (
            change(["cells", 0, "source"], ["<img src='figure.png'>"]),
            "cell 0: an img has no alternative text",
        ),
        (
            change(
                ["cells", 0, "source"],
                ["[Run](https://colab.research.google.com/github/someone/else/x.ipynb)"],
            ),
            "a launch link that is not the book's",
        ),
        (
            change(["cells", 0, "source"], ["# Title\n", "<!-- launch --><a href='#'>Run</a>\n"]),
            "Colab link or bootstrap cell",
        ),
        (change(["cells", 1, "metadata", "tags"], ["bootstrap"]), "Colab link or bootstrap cell"),
        (change(["cells", 1, "source"], ["x" * 1_000_001]), "the limit is 1,000,000"),
    ],
)
def test_each_fault_is_found_and_nothing_else(tmp_path, fault, message):
    found = faults(tmp_path, fault(good()))
    assert len(found) == 1
    assert message in found[0]


def test_a_notebook_without_any_output_is_found(tmp_path):
    content = good()
    for cell in content["cells"][1:]:
        cell["outputs"] = []
    assert faults(tmp_path, content) == ["it has no outputs"]


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '"cells"'])
def test_a_file_that_is_no_notebook_is_said(tmp_path, text):
    assert faults(tmp_path, text) == ["it is not a notebook"]


def test_an_image_with_alternative_text_in_its_metadata_is_fine(tmp_path):
    content = good()
    content["cells"][2]["outputs"] = [PNG | {"metadata": {"image/png": {"alt": "a line"}}}]
    assert faults(tmp_path, content) == []


def test_normalising_repairs_metadata_and_keeps_the_rest(tmp_path):
    content = good()
    content["metadata"] = {"kernelspec": {"name": "my-venv"}, "jupytext": {}}
    content["cells"][1]["metadata"] |= {"execution": {}, "collapsed": True}
    content["cells"][0]["source"] = "# Title\n\ntext"
    del content["cells"][2]["id"]
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(content))
    assert notebooks.normalise(path)
    assert notebooks.check(path, "chapters/decoding/x.ipynb") == []
    after = json.loads(path.read_text())
    assert after["cells"][0]["source"] == ["# Title\n", "\n", "text"]
    assert after["cells"][1]["outputs"] == content["cells"][1]["outputs"]
    assert not notebooks.normalise(path)


def test_the_command_lists_faults_and_fails(tmp_path, capsys):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(good() | {"nbformat_minor": 4}))
    assert notebooks.main(["check", str(path)]) == 1
    assert "format 4.4" in capsys.readouterr().out
    assert notebooks.main(["normalise", str(path)]) == 0
    assert notebooks.main(["check", str(path)]) == 0
