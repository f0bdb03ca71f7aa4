"""Everything public says what it does; functions say what goes in and what comes out."""

from __future__ import annotations

import importlib
import inspect

import pytest

PACKAGES = (
    "entropylab",
    "entropylab.kernels",
    "entropylab.kernels.reference",
    "entropylab.kernels.cpu",
    "entropylab.information",
    "entropylab.sources",
    "entropylab.data",
    "entropylab.statistics",
    "entropylab.models",
    "entropylab.cognition",
    "entropylab.decoding",
    "entropylab.detection",
    "entropylab.reasoning",
    "entropylab.reasoning.credit",
    "entropylab.book",
    "entropylab.bench",
    "entropylab.scoring",
)


def _public():
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            yield pytest.param(getattr(module, name), id=f"{package}.{name}")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_described_and_list_what_is_public(package):
    module = importlib.import_module(package)
    assert module.__doc__
    assert module.__all__
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing


@pytest.mark.parametrize("thing", list(_public()))
def test_public_names_are_documented(thing):
    if not callable(thing):
        return
    text = inspect.getdoc(thing)
    assert text
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                assert inspect.getdoc(getattr(thing, name)), f"{thing.__name__}.{name}"
        return
    signature = inspect.signature(thing)
    if signature.parameters:
        assert "Parameters\n" in text
        for name in signature.parameters:
            assert name in text.split("Parameters\n", 1)[1], f"{name} is not described"
    # Without arguments, one sentence can say what comes out.
    if signature.parameters and signature.return_annotation not in (None, "None", inspect.Signature.empty):
        assert "Returns\n" in text or "Yields\n" in text
