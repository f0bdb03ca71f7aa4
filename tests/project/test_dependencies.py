"""pyproject.toml, constraints.txt, environment.yml and the imports of the package agree."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Where conda-forge calls a package by another name.
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
# Where the name that is imported is not the name that is installed.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
# What is imported where its provider is at work, and comes with it.
COME_WITH = {
    "IPython": "ipykernel",
    "accelerate": "trl",
    "cuda": "numba-cuda",
    "huggingface_hub": "transformers",
    "llvmlite": "numba",
    "nbclient": "nbconvert",
    "nbformat": "nbconvert",
    "ray": "ray",
    "sphinx": "jupyter-book",
    "triton": "torch",
    "trl": "trl",
}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(str(requirement.specifier).startswith("==") for requirement in requirements)
    return {canonicalize_name(r.name): Version(str(r.specifier).removeprefix("==")) for r in requirements}


def _tested(project):
    extras = project["optional-dependencies"]
    return [Requirement(line) for line in (*project["dependencies"], *extras["book"], *extras["test"])]


def test_every_requirement_is_pinned_within_its_bounds(project, pins):
    for requirement in _tested(project):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_pins_are_complete(project, pins):
    """Walk what is installed from the requirements down: each distribution on the way has a pin."""
    waiting, seen, missing = _tested(project), set(), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # another platform's, or an environment without the extras
        if name not in pins:
            missing.add(name)
        # The CUDA wheel of torch pins what it brings itself, to the exact version.
        if name == "torch" or (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        for extra in ("", *requirement.extras):
            below = (Requirement(line) for line in installed.requires or ())
            waiting += [r for r in below if r.marker is None or r.marker.evaluate({"extra": extra})]
    assert not missing


def test_torch_is_pinned_for_every_build_of_the_release(pins):
    assert pins["torch"] == Version("2.13.0")
    assert pins["torch"].local is None


def test_the_gpu_extras_allow_the_tested_numba_cuda(project, pins):
    for extra in ("gpu-cu12", "gpu-cu13"):
        (requirement,) = map(Requirement, project["optional-dependencies"][extra])
        assert requirement.name == "numba-cuda"
        assert requirement.extras == {extra.removeprefix("gpu-")}
        assert requirement.specifier.contains(pins["numba-cuda"])
        assert any(bound.operator == "<" for bound in requirement.specifier)


def test_conda_users_get_the_same_bounds(root, project):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    conda = {r.name: r.specifier for r in map(Requirement, lines)}
    expected = {CONDA.get(r.name, r.name): r.specifier for r in map(Requirement, project["dependencies"])}
    assert conda.pop("python") == project["requires-python"]
    conda.pop("pip")
    assert conda == expected
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["--editable .[book]"]


def test_what_is_imported_is_required_and_what_is_required_is_imported(root, project):
    imported = set()
    for path in (root / "entropylab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").split(".")[0])
    imported -= set(sys.stdlib_module_names) | {"entropylab"}
    names = {DISTRIBUTIONS.get(name, name) for name in imported}
    required = {Requirement(line).name for line in project["dependencies"]}
    assert names - set(COME_WITH) == required
    extras = project["optional-dependencies"]
    optional = (*extras["book"], *extras["gpu-cu13"], *extras["ray"], *extras["trl"])
    providers = required | {Requirement(line).name for line in optional}
    assert {COME_WITH[name] for name in names - required} <= providers
