from __future__ import annotations

import json
import shutil

import pytest

from entropylab.book import address, notebooks, places

URL = "https://github.com/owner/the-book"


@pytest.fixture
def tree(tmp_path):
    """A copy of the files that show the address, with one notebook that has a launch line."""
    root = places.checkout()
    assert root is not None
    (tmp_path / "entropylab" / "book").mkdir(parents=True)
    (tmp_path / "chapters" / "decoding").mkdir(parents=True)
    shutil.copy(root / "_config.yml", tmp_path)
    shutil.copy(root / "entropylab" / "book" / "address.py", tmp_path / "entropylab" / "book")
    cells = [
        {
            "cell_type": "markdown",
            "id": "a",
            "metadata": {},
            "source": ["# Title\n", "\n", "<!-- launch -->\n", "\n", "Text."],
        },
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["bootstrap"]},
            "source": address.bootstrap_cell("").splitlines(keepends=True),
            "execution_count": 1,
            "outputs": [],
        },
    ]
    content = {"cells": cells, "metadata": notebooks.METADATA, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "chapters" / "decoding" / "x y.ipynb"
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return tmp_path


def everything(root):
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_repository_shows_the_one_address_everywhere():
    assert address.differences(places.checkout()) == {}


def test_setting_writes_it_everywhere_and_unsetting_restores_every_byte(tree):
    before = everything(tree)
    address.write(tree, "")
    unset = everything(tree)
    changed = address.write(tree, URL)
    assert sorted(path.name for path in changed) == ["_config.yml", "address.py", "x y.ipynb"]
    notebook = json.loads((tree / "chapters" / "decoding" / "x y.ipynb").read_text())
    text = "".join(notebook["cells"][0]["source"])
    colab = f"https://colab.research.google.com/github/owner/the-book/blob/{address.tag()}/chapters/decoding/x%20y.ipynb"
    assert f'href="{colab}"' in text
    assert text.endswith("\n\nText.")
    code = "".join(notebook["cells"][1]["source"])
    assert f"--no-deps {URL}/archive/refs/tags/{address.tag()}.tar.gz" in code
    assert code.endswith("bootstrap()")
    assert f"url: {URL}" in (tree / "_config.yml").read_text()
    assert f'REPOSITORY = "{URL}"' in (tree / "entropylab" / "book" / "address.py").read_text()
    assert address.differences(tree, URL) == {}
    address.write(tree, "")
    assert everything(tree) == unset
    if not address.REPOSITORY:
        assert unset == before


def test_while_it_is_unset_there_is_no_button(tree):
    address.write(tree, "")
    everything_shown = "".join(everything(tree)[path] for path in everything(tree) if path.suffix != ".py")
    assert "colab" not in everything_shown
    assert "github.com" not in everything_shown


@pytest.mark.parametrize(
    "url", ["http://github.com/a/b", "https://github.com/a", "https://x.org/a/b", "a/b", URL + "/"]
)
def test_an_address_of_another_form_is_refused(tree, url):
    before = everything(tree)
    with pytest.raises(ValueError, match="repository must look like"):
        address.write(tree, url)
    assert everything(tree) == before


def test_a_configuration_without_the_marks_is_refused(tree):
    (tree / "_config.yml").write_text("title: x\n")
    with pytest.raises(ValueError, match="has lost the lines"):
        address.differences(tree)


def test_the_command_checks(capsys):
    assert address.main(["--check"]) == 0
    with pytest.raises(SystemExit):
        address.main([])
