"""What the tests of the project itself share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Import a file that belongs to no package, by its path below the root."""

    def load(path: str) -> ModuleType:
        name = "_".join(Path(path).with_suffix("").parts)
        specification = importlib.util.spec_from_file_location(name, ROOT / path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module  # dataclasses look their module up
        specification.loader.exec_module(module)
        return module

    return load
