"""What the README promises is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(readme):
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    return code


def test_the_example_is_short(example):
    assert sum(bool(line.strip()) for line in example.splitlines()) <= 10


def test_the_example_runs_as_pasted(example, root):
    answer = subprocess.run([sys.executable, "-c", example], cwd=root, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "surprisal" in answer.stdout


def test_every_make_command_is_a_target(readme, root):
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [
        readme,
        (root / "CONTRIBUTING.md").read_text(),
        (root / "chapters/appendix/architecture.md").read_text(),
    ]
    for text in texts:
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE))
        assert named <= targets, named - targets
    assert {"book", "test"} <= targets


def test_links_lead_somewhere(readme, root):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", readme)
    files = [target for target in targets if not target.startswith("http")]
    assert "CONTRIBUTING.md" in files
    for target in files:
        assert (root / target).exists(), target


def test_the_name_is_explained(readme):
    assert "`entropylab-book`" in readme
    assert "unrelated project" in readme
    assert "pip install entropylab\n" not in readme
    assert "pip install entropylab`" not in readme


def test_the_summary_of_the_scoreboard_is_up_to_date(root):
    answer = subprocess.run(
        [sys.executable, "scripts/readme.py", "--check"], cwd=root, capture_output=True, text=True
    )
    assert answer.returncode == 0, f"run `make readme`\n{answer.stderr}"


def test_the_summary_counts_verdicts(script):
    module = script("scripts/readme.py")
    recorded = {
        "title": "A Chapter",
        "scale": "lab",
        "claims": {
            "C1": {"verdict": "holds"},
            "C2": {"verdict": "holds"},
            "C3": {"verdict": "does not hold"},
        },
        "provenance": {"date": "2026-01-02"},
    }
    text = module.updated(
        "before\n<!-- scoreboard: begin -->\noutdated\n<!-- scoreboard: end -->\nafter\n", [recorded]
    )
    assert "| A Chapter | lab | 2 | 1 | 0 | 2026-01-02 |" in text
    assert "outdated" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    with pytest.raises(ValueError, match="lost the lines"):
        module.updated("no markers", [])


def test_the_citation_is_of_this_version(root):
    import yaml

    import entropylab

    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["version"] == entropylab.__version__
    assert f"## {entropylab.__version__}\n" in (root / "CHANGELOG.md").read_text()
