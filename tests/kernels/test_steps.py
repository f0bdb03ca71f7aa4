"""Each step of the teaching ladders equals the reference; CUDA steps run in the simulator, or on a GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from entropylab.kernels import reference
from entropylab.kernels.steps import concentration, entropy, fresh, ladders, typical

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)
STABLE = [step for name, step in entropy.STEPS.items() if name != "formula"]


def rows_of(columns: int, seed: int = 0) -> np.ndarray:
    """Random, masked, shifted, peaked, flat, and masked but for one."""
    z = (np.random.default_rng(seed).normal(size=(7, columns)) * 3).astype(np.float32)
    z[1, max(1, columns // 3) :: 2] = -np.inf
    z[2] += 500
    z[3, columns // 2] = 90
    z[4] = 0.25
    z[5, 1:] = -np.inf
    z[6] -= 5000
    return z


def names(module: object) -> list[str]:
    return list(module.STEPS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("ladder", list(ladders.LADDERS))
def test_a_ladder_lists_the_steps_of_its_modules_in_order(ladder: str) -> None:
    module = importlib.import_module(f"entropylab.kernels.steps.{ladder}")
    assert [step.name for step in ladders.steps(ladder, "cpu")] == names(module)
    assert [step.number for step in ladders.steps(ladder)] == list(range(len(ladders.LADDERS[ladder])))
    assert all(step.idea and step.name.replace("_", " ") in step.title for step in ladders.steps(ladder))


def test_an_unknown_ladder_is_named() -> None:
    with pytest.raises(ValueError, match="ladder: got 'sorting', allowed are 'entropy'"):
        ladders.steps("sorting")
    with pytest.raises(ValueError, match="where: got 'tpu', allowed are 'cpu', 'cuda'"):
        fresh.trace("entropy", "tpu")


# --- entropy


@pytest.mark.parametrize("step", STABLE, ids=lambda step: step.__name__)
@pytest.mark.parametrize("columns", [1, 2, 37, 2048, 5003])
def test_entropy_steps_equal_the_reference(step, columns: int) -> None:
    z = rows_of(columns)
    np.testing.assert_allclose(step(z), reference.statistics(z).entropy, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("step", STABLE, ids=lambda step: step.__name__)
@settings(max_examples=40, deadline=None)
@given(
    z=arrays.arrays(
        np.float32, st.tuples(st.just(1), st.integers(1, 60)), elements=st.floats(-300, 300, width=32)
    ),
    masked=st.integers(0, 59),
)
def test_entropy_steps_equal_the_reference_on_any_row(step, z: np.ndarray, masked: int) -> None:
    if masked < z.shape[1] - 1:
        z[0, masked] = -np.inf
    np.testing.assert_allclose(step(z), reference.statistics(z).entropy, rtol=2e-6, atol=2e-6)


def test_the_formula_is_right_on_plain_rows_and_fails_on_large_and_masked_ones() -> None:
    z = rows_of(300)
    found = entropy.formula(z)
    expected = reference.statistics(z).entropy
    np.testing.assert_allclose(found[[0, 4]], expected[[0, 4]], rtol=1e-5)
    assert np.isnan(found[[1, 2, 3, 5]]).all()


def test_threads_change_no_bit() -> None:
    z = (np.random.default_rng(1).normal(size=(64, 5003)) * 3).astype(np.float32)
    assert entropy.threads(z).tobytes() == entropy.polynomial(z).tobytes()


@needs_numba_cuda
@pytest.mark.parametrize("columns", [1, 5, 64, 203])
def test_entropy_steps_equal_the_reference_on_the_device(columns: int) -> None:
    z = rows_of(columns)
    found = fresh.run("entropy", logits=z)
    assert list(found.results) == [step.name for step in ladders.steps("entropy", "cuda")]
    expected = reference.statistics(z).entropy
    for name, result in found.results.items():
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=3e-6, atol=3e-6, err_msg=name)


@needs_numba_cuda
def test_split_rows_gives_a_row_the_same_bits_alone_and_in_a_batch() -> None:
    """As long as rows begin at multiples of 16 bytes: the order of the sums depends on the columns alone."""
    z = rows_of(256)
    batch = fresh.run("entropy", logits=z).results["split_rows"]
    alone = fresh.run("entropy", logits=z[3:4].copy()).results["split_rows"]
    assert alone.tobytes() == batch[3:4].tobytes()


# --- typical


def selection(columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits with ties in the last two rows, and what the steps take."""
    z = np.concatenate([rows_of(columns, seed), np.round(rows_of(columns, seed + 1)[:1])])
    return (z, *typical.prepare(z))


@pytest.mark.parametrize("name", list(typical.STEPS))
@pytest.mark.parametrize("columns", [1, 2, 37, 2048, 5003])
@pytest.mark.parametrize("mass", [0.05, 0.5, 0.95])
def test_typical_steps_keep_what_the_reference_keeps(name: str, columns: int, mass: float) -> None:
    z, distance, weight = selection(columns)
    cut = typical.STEPS[name](distance, weight, typical.target_of(mass))
    np.testing.assert_array_equal(typical.keep(distance, cut), reference.typical.typical_mask(z, mass))


@pytest.mark.parametrize("name", [name for name in typical.STEPS if name != "sort"])
@settings(max_examples=40, deadline=None)
@given(
    distance=arrays.arrays(
        np.float32,
        st.tuples(st.just(1), st.integers(1, 40)),
        elements=st.one_of(
            st.just(np.inf), st.floats(0, 2.0**127, width=32), st.sampled_from([0.0, 1e-45, 0.5, 32.0])
        ),
    ),
    seed=st.integers(0, 99),
    share=st.floats(0, 1.2),
)
def test_typical_steps_find_the_cut_of_any_weights(
    name: str, distance: np.ndarray, seed: int, share: float
) -> None:
    weight = np.random.default_rng(seed).integers(0, 1000, distance.shape)
    weight[np.isinf(distance)] = 0
    target = max(1, int(share * weight.sum()))
    expected = typical.sort(distance, weight, target)
    np.testing.assert_array_equal(typical.STEPS[name](distance, weight, target), expected)


@needs_numba_cuda
@pytest.mark.parametrize(("columns", "mass"), [(1, 0.5), (150, 0.3)])
def test_typical_steps_keep_what_the_reference_keeps_on_the_device(columns: int, mass: float) -> None:
    z, distance, weight = (array[[0, 1, 2, 7][: columns + 1]] for array in selection(columns))
    found = fresh.run("typical", distance=distance, weight=weight, target=typical.target_of(mass))
    assert list(found.results) == [step.name for step in ladders.steps("typical", "cuda")]
    for name, cut in found.results.items():
        np.testing.assert_array_equal(
            typical.keep(distance, cut), reference.typical.typical_mask(z, mass), err_msg=name
        )


@needs_numba_cuda
def test_a_target_that_is_never_reached_keeps_all_on_the_device() -> None:
    _, distance, weight = (array[:2] for array in selection(20))
    found = fresh.run("typical", distance=distance, weight=weight, target=1 << 52)
    for cut in found.results.values():
        np.testing.assert_array_equal(cut, np.full(len(distance), np.inf, np.float32))


@needs_numba_cuda
def test_a_radix_selection_reads_a_row_four_times_and_a_bisection_many_times() -> None:
    _, distance, weight = selection(400)
    arguments = {
        "distance": distance[:1].copy(),
        "weight": weight[:1].copy(),
        "target": typical.target_of(0.5),
    }
    for where, bisection, radix in (
        ("cpu", "bisection", "radix"),
        ("cuda", "bisection_block", "radix_block"),
    ):
        found = fresh.trace("typical", where, **arguments)
        assert found[radix].loads == 4
        assert 20 < found[bisection].loads < 60


# --- concentration

LAMBDAS = np.array([-1, -0.5, -0.25, 0.25, 0.5])
THRESHOLD = float(np.log(20))


def batch(seed: int, length: list[int]) -> dict:
    """Gamma surprisals, whose psi is known; every other sequence is not the model's own."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    shape = rng.uniform(1, 8, offsets[-1]).astype(np.float32)
    surprisal = rng.standard_gamma(shape).astype(np.float32)
    for b in range(0, len(length), 2):
        surprisal[offsets[b] : offsets[b + 1]] *= 2
    cgf = (shape[:, None] * (-np.log1p(-LAMBDAS) - LAMBDAS)).astype(np.float32)
    return {
        "cgf": cgf, "surprisal": surprisal, "entropy": shape, "offsets": offsets,
        "lambdas": LAMBDAS, "log_threshold": THRESHOLD,
    }  # fmt: skip


def truth_of(a: dict) -> tuple[np.ndarray, ...]:
    grid = len(a["lambdas"])
    found = reference.concentration(
        a["surprisal"], a["entropy"], a["entropy"], a["cgf"], a["offsets"], a["lambdas"],
        np.full(grid, -np.log(grid)), a["log_threshold"], 1.0,
    )  # fmt: skip
    return found.surprisal, found.entropy, found.log_supremum, found.stopping_time


LENGTHS = [[70], [0, 5, 60, 40, 17, 1, 0], [64, 8, 90, 16], [0], [0, 0]]


@pytest.mark.parametrize("name", list(concentration.STEPS))
@pytest.mark.parametrize("length", [*LENGTHS, [300, 2, 1500]], ids=str)
def test_concentration_steps_equal_the_reference(name: str, length: list[int]) -> None:
    arguments = batch(3, length)
    for found, expected in zip(concentration.STEPS[name](**arguments), truth_of(arguments), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@needs_numba_cuda
@pytest.mark.parametrize("length", LENGTHS[:3], ids=str)
def test_concentration_steps_equal_the_reference_on_the_device(length: list[int]) -> None:
    arguments = batch(5, length)
    expected = truth_of(arguments)
    assert (expected[3] > 0).any()
    found = fresh.run("concentration", **arguments)
    assert list(found.results) == [step.name for step in ladders.steps("concentration", "cuda")]
    for name, figures in found.results.items():
        for mine, true in zip(figures, expected, strict=True):
            np.testing.assert_allclose(mine, true, rtol=1e-5, atol=1e-4, err_msg=name)
        np.testing.assert_array_equal(figures[3], expected[3], err_msg=name)


@needs_numba_cuda
def test_every_figure_of_a_token_is_read_once_and_lazy_steps_save_exponentials() -> None:
    arguments = batch(7, [1, 40, 2, 30])  # the long ones are the model's own
    found = {where: fresh.trace("concentration", where, **arguments) for where in ("cpu", "cuda")}
    assert list(found["cpu"]) == ["ragged", "lazy"]
    for traces in found.values():
        for trace in traces.values():
            assert trace.loads == 1
            assert set(trace.element) == set(range(arguments["cgf"].size))
    assert found["cpu"]["ragged"].exponentials_per_number == 1
    assert found["cpu"]["lazy"].exponentials_per_number < 0.7
    scan = found["cuda"]["block_scan"]
    assert set(scan.thread[scan.block == 1]) == set(range(8))  # a block shares a sequence
    own = found["cuda"]["thread_per_sequence"]
    sequence = np.searchsorted(arguments["offsets"], own.element // 5, side="right") - 1
    np.testing.assert_array_equal(own.thread, sequence)


# --- traces


@needs_numba_cuda
def test_traces_count_what_the_entropy_steps_say_of_themselves() -> None:
    z = (np.random.default_rng(0).normal(size=(1, 10_240)) * 3).astype(np.float32)
    found = fresh.trace("entropy", "cpu", logits=z)
    assert "formula" not in found
    assert {name: t.loads for name, t in found.items()} == {
        "three_passes": 3, "online": 1, "tiles": 2, "polynomial": 2, "threads": 2
    }  # fmt: skip
    memory = {name: t.memory_reads() for name, t in found.items()}
    assert memory == {"three_passes": 3, "online": 1, "tiles": 1, "polynomial": 1, "threads": 1}
    assert found["three_passes"].exponentials_per_number == found["online"].exponentials_per_number == 2
    for name in ("tiles", "polynomial", "threads"):
        assert 1 < found[name].exponentials_per_number < 1.01


@needs_numba_cuda
def test_traces_show_who_reads_what_on_the_device() -> None:
    z = (np.random.default_rng(0).normal(size=(8, 32)) * 3).astype(np.float32)
    found = fresh.trace("entropy", "cuda", logits=z)
    for trace in found.values():  # each number is read by somebody, each pass by the same
        read = np.concatenate([np.arange(e, e + w) for e, w in zip(trace.element, trace.width)])
        assert set(read) == set(range(z.size))
    assert {name: trace.loads for name, trace in found.items()} == {
        "thread_per_row": 3, "block_per_row": 3, "online_block": 1, "tile_rescale": 1, "wide_loads": 1, "split_rows": 1
    }  # fmt: skip
    assert found["thread_per_row"].sectors(8) == (8.0, 1 / 8)
    for name in ("block_per_row", "online_block", "tile_rescale"):
        assert found[name].sectors(8) == (1.0, 1.0)
    for name in ("wide_loads", "split_rows"):
        assert found[name].sectors(8) == (4.0, 1.0)
        assert set(found[name].width) == {4}
    first = found["thread_per_row"]
    assert set(first.element[first.turn() == 0]) == {32 * row for row in range(8)}
    with pytest.raises(ValueError, match="warp: got 64"):
        first.sectors(64)


@needs_numba_cuda
def test_a_cpu_cache_of_512_lines_is_the_model_of_memory_reads() -> None:
    twice = np.tile(np.arange(0, 512 * fresh.LINE, fresh.LINE), 2)
    nothing = np.zeros_like(twice)
    fits = fresh.Trace(nothing, nothing, twice, nothing + 1, 0, 512 * fresh.LINE)
    assert fits.memory_reads() == 1
    more = np.tile(np.arange(0, 513 * fresh.LINE, fresh.LINE), 2)
    nothing = np.zeros_like(more)
    assert fresh.Trace(nothing, nothing, more, nothing + 1, 0, 513 * fresh.LINE).memory_reads() == 2


@needs_numba_cuda
def test_a_failing_child_says_why() -> None:
    with pytest.raises(RuntimeError, match="unexpected keyword argument 'rows'"):
        fresh.run("entropy", rows=np.zeros((1, 2), np.float32))


def test_missing_numba_cuda_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install numba-cuda"):
        fresh.run("entropy", logits=np.zeros((1, 2), np.float32))


@needs_numba_cuda
def test_the_simulator_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert fresh.run("entropy", logits=np.zeros((1, 2), np.float32)).machine == "simulator"


@needs_numba_cuda
def test_the_notebooks_own_process_keeps_its_numba() -> None:
    """`fresh` leaves the parent without a simulator."""
    code = (
        "import numpy as np; from entropylab.kernels.steps import fresh;"
        "fresh.run('entropy', logits=np.zeros((1, 2), np.float32));"
        "from entropylab.kernels.cuda import _device; assert not _device.SIMULATOR"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[2])
