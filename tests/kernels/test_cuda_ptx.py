"""Every CUDA kernel compiles to PTX for cc 7.5, 8.0 and 9.0 without a GPU, and the text is what was meant."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("cuda_ptx.py")
FORMATS = ["float32", "float64", "float16", "bfloat16"]
SINGLE = [name for name in FORMATS if name != "float64"]  # formats with float32 arithmetic
WIDTH = {"float32": 4, "float64": 2, "float16": 8, "bfloat16": 8}  # elements of 128 bits
KERNELS = ["statistics", "backward", "fold", "fold_backward", "argmax", "invalid", "filter", "sample"]
TILE = 16


def missing() -> str | None:
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed"
    folders = [Path(place) / "nvvm" for place in nvidia_folders()]
    if not any(folder.exists() for folder in folders):
        return "the CUDA toolkit wheels are not installed: numba-cuda[cu13] or numba-cuda[cu12] brings them"
    return None


def nvidia_folders() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    return [folder for root in roots for folder in [*root.glob("cu*"), root / "cuda_nvcc"]]


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=f"cannot compile to PTX: {missing()}"),
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PTX and assembler reports by the names that ``cuda_ptx.py`` gives, made by two processes."""
    folder = tmp_path_factory.mktemp("ptx")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), environment.get("PYTHONPATH", "")])
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), *formats],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for formats in (FORMATS[:2], FORMATS[2:])
    ]
    for process in running:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    return {path.name: path.read_text() for path in folder.iterdir()}


def texts(compiled: dict[str, str], kernel: str, formats: list[str]) -> list[tuple[str, str]]:
    found = [(name, text) for name, text in compiled.items() if name.endswith(".ptx")]
    wanted = [
        (name, text) for name, text in found if name.split(".")[0] == kernel and name.split(".")[1] in formats
    ]
    assert len(wanted) == 3 * len(formats)
    return wanted


def basic_blocks(text: str) -> list[str]:
    """The straight pieces of code between labels and branches."""
    return re.split(r"^\$L\S+:|^\s*(?:@!?%p\d+\s+)?bra[^;]*;", text, flags=re.MULTILINE)


def test_every_kernel_compiles_for_every_target(compiled: dict[str, str]) -> None:
    for target in ("75", "80", "90"):
        of_target = [text for name, text in compiled.items() if name.endswith(f".{target}.ptx")]
        # The concentration kernel reads figures of tokens, in float32 or float64.
        assert len(of_target) == len(KERNELS) * len(FORMATS) + 2
        assert all(f".target sm_{target}" in text for text in of_target)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_double_precision_in_single_precision_kernels(compiled: dict[str, str], kernel: str) -> None:
    for name, text in texts(compiled, kernel, SINGLE):
        assert ".f64" not in text, name
    for name, text in texts(compiled, kernel, ["float64"]):
        assert ".f64" in text, name


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_local_memory_and_no_calls(compiled: dict[str, str], kernel: str) -> None:
    for name, text in texts(compiled, kernel, FORMATS):
        assert ".local" not in text, name
        assert not re.search(r"\bcall\b", text), name


@pytest.mark.parametrize("kernel", KERNELS)
def test_loads_and_stores_are_128_bits_wide(compiled: dict[str, str], kernel: str) -> None:
    for name, text in texts(compiled, kernel, FORMATS):
        vector = "v2" if ".float64." in name else "v4"
        element = r"(f64|u64|b64)" if vector == "v2" else r"(f32|u32|b32)"
        path = r"\.nc" if kernel in ("statistics", "fold") else ""
        loads = re.findall(rf"ld\.global{path}\.{vector}\.{element}", text)
        # A tile of aligned vectors, and twice as many for a shifted one; folding reads it in two places.
        tiles = {"statistics": 3, "fold": 6}.get(kernel, 0)
        least = TILE // WIDTH[name.split(".")[1]] * tiles or 1
        assert len(loads) >= least, name
        if kernel in ("backward", "fold_backward", "filter"):
            assert re.search(rf"st\.global\.{vector}\.{element}", text), name


def test_one_exponential_for_each_element(compiled: dict[str, str]) -> None:
    for name, text in texts(compiled, "statistics", SINGLE):
        counts = [block.count("ex2.approx.ftz.f32") for block in basic_blocks(text)]
        # One piece of code absorbs a tile; the rest are the rescale of a tile and the merges of sums, two
        # each.
        assert max(counts) == TILE, name
        assert counts.count(TILE) == 1, name
    for name, text in texts(compiled, "fold", SINGLE):
        counts = [block.count("ex2.approx.ftz.f32") for block in basic_blocks(text)]
        assert counts.count(TILE) == 1, name
        assert sum(counts) == TILE + 2, name  # and one where the block meets the row, in either order
    for name, text in texts(compiled, "backward", SINGLE) + texts(compiled, "fold_backward", SINGLE):
        assert text.count("ex2.approx") == WIDTH[name.split(".")[1]], name
    for name, text in texts(compiled, "filter", SINGLE):
        # Two vectors in flight in the histogram; one while listing, for tokens of the cut bin only.
        assert text.count("ex2.approx") == 3 * WIDTH[name.split(".")[1]], name
    for name, text in texts(compiled, "argmax", SINGLE) + texts(compiled, "invalid", SINGLE):
        assert "ex2.approx" not in text, name


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_integers_are_added_atomically_and_no_barrier_is_predicated(
    compiled: dict[str, str], kernel: str
) -> None:
    for name, text in texts(compiled, kernel, FORMATS):
        assert not re.search(r"(atom|red)\.\S*\.f(16|32|64)", text), name
        assert not re.search(r"@!?%p\d+\s+(bar|barrier)", text), name


def test_the_concentration_kernel_stays_in_its_precision_and_on_chip(compiled: dict[str, str]) -> None:
    for form in ("float32", "float64"):
        for name, text in texts(compiled, "concentration", [form]):
            assert (".f64" in text) == (form == "float64"), name
            assert ".local" not in text, name
            assert not re.search(r"\bcall\b", text), name
            assert not re.search(r"\b(atom|red|bar|barrier)\b", text), name  # no thread waits for another
            assert "st.shared" in text, name  # the running e-values
    for name, text in texts(compiled, "concentration", ["float32"]):
        # An exponential for each grid point where the mixture is computed, in two places, and two bounds.
        assert 4 <= text.count("ex2.approx.ftz.f32") <= 2 * 9 + 2, name


def test_registers_and_spills(compiled: dict[str, str]) -> None:
    reports = {name: text for name, text in compiled.items() if name.endswith(".log")}
    # All targets; the concentration kernel has two formats.
    assert len(reports) == 3 * (len(KERNELS) * len(FORMATS) + 2)
    for name, report in reports.items():
        used = re.search(r"Used (\d+) registers", report)
        assert used, (name, report)
        spills = re.findall(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report
        )
        assert spills, name
        assert all(count == "0" for line in spills for count in line), name
        shared = re.search(r"(\d+) bytes smem", report)
        assert shared is None or int(shared[1]) <= 48 * 1024, name
        kernel, form = name.split(".")[:2]
        # 64 registers leave four blocks of 256 threads on a multiprocessor; 128 are what a block of 512 can
        # have.
        most = 64 if kernel == "statistics" and form in SINGLE else 128
        if kernel == "fold" and form == "float64":  # blocks of 128 threads
            most = 176
        if kernel == "concentration":  # blocks of 64 threads
            most = 96 if form in SINGLE else 160
        assert int(used[1]) <= most, (name, used[1])
