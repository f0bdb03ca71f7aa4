"""A small corpus of arithmetic, some of it broken, and the model of the zoo that reads it fastest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from entropylab.models import load

MODEL = "lab/arithmetic-s"


def _sums(count: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 100, (count, 2)).tolist()
    return "".join(f"{a}+{b}={a + b}\n" for a, b in pairs)


@pytest.fixture(autouse=True)
def threads():
    """A run may set torch's threads; the next test has those of before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sums() -> Callable[..., str]:
    """Gives so many lines of arithmetic."""
    return _sums


@pytest.fixture(scope="session")
def loaded():
    return load(MODEL)


@pytest.fixture
def corpus(tmp_path) -> Path:
    """A folder with 26 records in a JSONL file, 3 of them bad, and a text file."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [json.dumps({"text": _sums(1 + 7 * (n % 5), n), "name": f"text {n}"}) for n in range(23)]
    lines.insert(4, "{")
    lines.insert(9, json.dumps({"words": "no text"}))
    lines.append(json.dumps({"text": None, "name": "last"}))
    (folder / "sums.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "text.txt").write_text(_sums(200))
    return folder
