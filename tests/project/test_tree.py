"""The files of the project: what they do not say, and how they run elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import yaml

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yml",
    ".yaml",
    ".json",
    ".ipynb",
    ".cff",
    ".bib",
    ".tsv",
    ".css",
    ".js",
    ".sh",
    "",
}
SKIPPED = {"venv", "_build", "build", "dist", "training", "node_modules", "__pycache__"}
# Built from parts, so that this file is clean too.
MACHINE_PATH = re.compile(r"(?<![\w.:/~])/" + r"(?:home|Users|root|work|mnt|tmp|var/folders)/[\w.-]+")
ALLOWED = {"tests/book", "tests/notebooks", "tests/project"}


def _files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and (not name.startswith(".") or name in {".ci", ".github"})
        ]
        for name in names:
            path = root.__class__(folder) / name
            if path.suffix in TEXT or name == "Makefile":
                yield path


def _text(path):
    """What a file says; an embedded picture is left out, because it can spell anything."""
    return re.sub(r"base64,[A-Za-z0-9+/=]*", "", path.read_text(encoding="utf-8"))


def test_no_file_names_a_path_of_a_machine(root):
    found = []
    for path in _files(root):
        name, text = path.relative_to(root).as_posix(), _text(path)
        # Tests of the linter of paths, this one's and the notebooks', have to spell some.
        if not any(name.startswith(folder) for folder in ALLOWED):
            found += [f"{name}: {match}" for match in MACHINE_PATH.findall(text)]
    assert not found


def test_no_file_is_unfinished(root):
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b|raise NotImplemented" + "Error")
    found = [path.relative_to(root).as_posix() for path in _files(root) if marks.search(_text(path))]
    assert not found


def test_the_weights_of_the_zoo_stay_small(root):
    weights = (root / "entropylab/models/zoo").rglob("*.safetensors")
    assert sum(path.stat().st_size for path in weights) <= 48_000_000


def _workflow(root, name):
    # YAML reads the key "on" as a truth value; GitHub does not.
    content = yaml.safe_load((root / ".github/workflows" / name).read_text())
    content["on"] = content.pop(True)
    return content


def _commands(workflow):
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return "\n".join(step.get("run", "") for step in steps), [
        step.get("uses", "").split("@")[0] for step in steps
    ]


@pytest.mark.parametrize("name", ["test.yml", "weekly.yml", "pages.yml", "colab.yml"])
def test_workflows_have_what_they_need(root, name):
    workflow = _workflow(root, name)
    assert {"name", "on", "jobs", "permissions"} <= set(workflow)
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    commands, actions = _commands(workflow)
    assert commands
    if name != "pages.yml":
        assert "actions/checkout" in actions


def test_a_push_runs_all_stages_and_the_week_does_too(root):
    for name, trigger in (("test.yml", "push"), ("weekly.yml", "schedule")):
        workflow = _workflow(root, name)
        assert trigger in workflow["on"]
        assert ".ci/run" in _commands(workflow)[0]


def test_the_book_is_published_from_main(root):
    workflow = _workflow(root, "pages.yml")
    commands, actions = _commands(workflow)
    assert workflow["on"]["push"]["branches"] == ["main"]
    assert "make book" in commands
    assert "actions/deploy-pages" in actions


def test_the_notebooks_run_in_the_image_of_colab(root):
    commands, _ = _commands(_workflow(root, "colab.yml"))
    assert "us-docker.pkg.dev/colab-images/public/runtime" in commands
    assert "--nbval-lax" in commands


def test_pre_commit_is_readable(root):
    content = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())
    assert {hook["id"] for repo in content["repos"] for hook in repo["hooks"]} >= {
        "ruff",
        "floors",
        "notebooks",
    }


def test_ci_runs_as_a_script(root):
    path = root / ".ci/run"
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
    text = path.read_text()
    assert "make test" in text
    assert "ENTROPYLAB_REQUIRE_BROWSER=1" in text


def test_ci_never_shows_the_totals_of_an_earlier_run(root, tmp_path):
    """When make is cut off before it counts, the last line says that something failed."""
    folder, tools = tmp_path / "project", tmp_path / "tools"
    for name in (folder / ".ci", folder / "build" / "reports", tools):
        name.mkdir(parents=True)
    shutil.copy(root / ".ci/run", folder / ".ci")
    (folder / "build/reports/summary.txt").write_text("5 passed, 0 failed, 0 skipped\n")
    for name, text in (("make", "kill -9 $$\n"), ("chromium", "exit 0\n")):
        (tools / name).write_text(f"#!/bin/sh\n{text}")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    answer = subprocess.run(
        ["bash", ".ci/run"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode != 0
    assert answer.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
