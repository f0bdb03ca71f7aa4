"""All notebooks of the book keep to the rules."""

from __future__ import annotations

import json

import pytest

from entropylab.book import address, notebooks, places
from entropylab.kernels.steps.ladders import steps

ROOT = places.checkout()
ALL = list(address.notebooks(ROOT))
CHAPTERS = [path for path in ALL if path.parent.name not in ("chapters", "appendix")]
ENGINE = [path for path in CHAPTERS if path.parent.name == "kernels"]  # steps in the place of claims
OVERVIEWS = [path for path in CHAPTERS if path.stem in ("five_views",)]  # on no paper, with identities
PAPERS = [path for path in CHAPTERS if path not in ENGINE + OVERVIEWS]


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", ALL, ids=name)
def test_the_notebook_has_no_faults(path):
    assert notebooks.check(path) == []


@pytest.mark.parametrize("path", PAPERS, ids=name)
def test_a_chapter_has_its_card_its_bootstrap_and_one_scorecard_that_is_compared(path):
    cells = json.loads(path.read_text())["cells"]
    tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
    for tag in ("bootstrap", "card", "scorecard", "nbval-check-output"):
        assert tags.count(tag) == 1
    (scorecard,) = [cell for cell in cells if "scorecard" in cell["metadata"].get("tags", [])]
    assert "nbval-check-output" in scorecard["metadata"]["tags"]
    # One line a claim, and nothing that depends on the machine.
    for output in scorecard["outputs"]:
        for line in "".join(output["text"]).splitlines():
            assert line.split(" ", 1)[1] in ("holds", "does not hold", "not tested at this scale")


@pytest.mark.parametrize("path", ENGINE, ids=name)
def test_a_chapter_on_the_engine_has_its_card_its_bootstrap_and_checks_of_all_steps_that_are_compared(path):
    cells = json.loads(path.read_text())["cells"]
    tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
    for tag in ("bootstrap", "card", "checks", "nbval-check-output"):
        assert tags.count(tag) == 1
    (checks,) = [cell for cell in cells if "checks" in cell["metadata"].get("tags", [])]
    assert "nbval-check-output" in checks["metadata"]["tags"]
    lines = "".join(text for output in checks["outputs"] for text in output["text"]).splitlines()
    expected = steps(path.stem.removesuffix("_kernel"))
    assert [line.split(": ")[0] for line in lines] == [f"step {step.title}" for step in expected]
    assert all(line.split(": ")[1].startswith("equal to the reference") for line in lines)


@pytest.mark.parametrize("path", OVERVIEWS, ids=name)
def test_an_overview_compares_both_sides_of_its_identities(path):
    cells = json.loads(path.read_text())["cells"]
    (table,) = [cell for cell in cells if "nbval-check-output" in cell["metadata"].get("tags", [])]
    lines = "".join(text for output in table["outputs"] for text in output["text"]).splitlines()[1:]
    assert len(lines) > 9
    for line in lines:
        *_, one, other = line.split()
        assert one == other


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_a_chapter_has_folded_solutions_to_its_exercises(path):
    cells = json.loads(path.read_text())["cells"]
    solutions = [cell for cell in cells if "solution" in cell["metadata"].get("tags", [])]
    assert solutions
    for cell in solutions:
        assert "hide-cell" in cell["metadata"]["tags"]
