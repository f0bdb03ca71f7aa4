"""The teaching steps compile for cc 7.5, 8.0 and 9.0 without a GPU, and the text shows what each step teaches."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def neighbour(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


missing = neighbour("test_cuda_ptx").missing()
pytestmark = pytest.mark.skipif(missing is not None, reason=f"cannot compile to PTX: {missing}")

TARGETS = ("75", "80", "90")
ENTROPY = [
    "thread_per_row",
    "block_per_row",
    "online_block",
    "tile_rescale",
    "wide_loads",
    "split_rows",
    "combine",
]
TYPICAL = ["bisection_block", "radix_block"]
CONCENTRATION = ["thread_per_sequence", "block_scan"]
STEPS = ENTROPY + TYPICAL + CONCENTRATION


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("ptx")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), environment.get("PYTHONPATH", "")])
    finished = subprocess.run(
        [sys.executable, str(HERE / "steps_ptx.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


def texts(compiled: dict[str, str], step: str) -> list[str]:
    return [compiled[f"{step}.{target}.ptx"] for target in TARGETS]


def exponentials(text: str) -> list[int]:
    """How many there are in each straight piece of code between labels and branches."""
    pieces = re.split(r"^\$L\S+:|^\s*(?:@!?%p\d+\s+)?bra[^;]*;", text, flags=re.MULTILINE)
    return [piece.count("ex2.approx.ftz.f32") for piece in pieces]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_compiles_for_every_target_and_stays_in_its_precision(compiled, step: str) -> None:
    for target, text in zip(TARGETS, texts(compiled, step), strict=True):
        assert f".target sm_{target}" in text
        assert ".f64" not in text
        assert ".local" not in text
        assert not re.search(r"\bcall\b", text)


def test_only_the_last_entropy_steps_load_128_bits(compiled) -> None:
    for step in ENTROPY:
        for text in texts(compiled, step):
            wide = re.findall(r"ld\.global\S*\.v4\.f32", text)
            assert len(wide) == (1 if step in ("wide_loads", "split_rows") else 0), step


def test_a_block_waits_for_its_threads_and_a_single_thread_does_not(compiled) -> None:
    for step in ENTROPY:
        for text in texts(compiled, step):
            assert ("bar.sync" in text) == (step not in ("thread_per_row", "combine")), step
            assert ("st.shared" in text) == (step not in ("thread_per_row", "combine")), step


def test_a_tile_has_one_exponential_for_each_of_its_four_numbers(compiled) -> None:
    for step in ("tile_rescale", "wide_loads", "split_rows"):
        for text in texts(compiled, step):
            counts = exponentials(text)
            assert counts.count(4) == 1, (step, counts)  # the tile
            assert set(counts) <= {0, 1, 2, 4}, (step, counts)  # a rescale, a merge
    for text in texts(compiled, "online_block"):
        # Two for each number; the compiler may unroll the loop.
        assert all(count % 2 == 0 for count in exponentials(text))


def test_atomics_are_on_integers_in_shared_memory_where_they_are_taught(compiled) -> None:
    expected = {"radix_block": r"shared\.add\.u64", "block_scan": r"shared\.min\.s64"}
    for step in STEPS:
        for text in texts(compiled, step):
            atomics = re.findall(r"\b(?:atom|red)\.\S+", text)
            assert bool(atomics) == (step in expected), (step, atomics)
            assert all(re.search(expected[step], one) for one in atomics), atomics


def test_a_scan_waits_for_its_block_and_a_thread_alone_does_not(compiled) -> None:
    for text in texts(compiled, "block_scan"):
        assert text.count("bar.sync") > 3
    for text in texts(compiled, "thread_per_sequence"):
        assert "bar.sync" not in text
        assert "st.shared" in text  # the running e-values
