"""Cases of the CUDA kernels that need something to run on: Numba's simulator or a GPU.

Not collected by itself. ``test_cuda_simulator.py`` runs this file in a process of its own with
``NUMBA_ENABLE_CUDASIM=1``, ``test_cuda_device.py`` in one without, on a GPU. Sizes are small because the
simulator has one Python thread for each CUDA thread; its blocks, bins and lists are small too (see
``launch``), so that rows of a few hundred columns already have several slices, crowded bins and more than one
warp.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entropylab.kernels import Fold, Statistics, reference
from entropylab.kernels import cuda as kernels
from entropylab.kernels.cuda import _device, launch
from entropylab.kernels.cuda._device import SIMULATOR
from entropylab.kernels.reference.fold import block_state

Array = NDArray[Any]
INF = math.inf
DTYPES = ["float32", "float64", "float16", "bfloat16"]
# Largest error allowed, relative to 1 + |truth|: some tens of units in the last place of the arithmetic.
TOLERANCE = {"float32": 4e-6, "float64": 1e-13, "float16": 4e-6, "bfloat16": 4e-6}


@pytest.fixture(autouse=True, scope="module")
def quick_simulator() -> Iterator[None]:
    """The simulator's threads wait for each other much; switch among them often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-4)
    yield
    sys.setswitchinterval(before)


def to_device(array: Array | None, offset: int = 0) -> Any:
    """The array on the device (simulator: in memory), ``offset`` elements past a multiple of 16 bytes."""
    if array is None:
        return None
    array = np.ascontiguousarray(array)
    if SIMULATOR:
        room = np.empty(array.nbytes + 32, np.uint8)
        skip = -room.ctypes.data % 16 + offset * array.itemsize
        placed = room[skip : skip + array.nbytes].view(array.dtype).reshape(array.shape)
        placed[...] = array
        return placed
    flat = _device.cuda.to_device(np.concatenate([np.zeros(offset, array.dtype), array.ravel()]))
    return flat[offset:].reshape(array.shape) if array.size else _device.cuda.to_device(array)


def to_host(array: Any) -> Array:
    return array if isinstance(array, np.ndarray) else array.copy_to_host()


def encode(values: Array, dtype: str) -> tuple[Array, Array]:
    """``values`` in a format as the kernels take it, and the same numbers in float64."""
    if dtype == "bfloat16":
        bits = (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return bits, (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    stored = np.asarray(values).astype(dtype)
    return stored, stored.astype(np.float64)


def decode(stored: Array, dtype: str) -> Array:
    if dtype == "bfloat16":
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return stored.astype(np.float64)


def assert_close(found: Any, expected: Array, tolerance: float, what: str = "") -> None:
    found = to_host(found)
    assert np.array_equal(np.isnan(found), np.isnan(expected)), what
    assert np.array_equal(np.isinf(found), np.isinf(expected)), what
    finite = np.isfinite(expected)
    error = np.abs(found[finite] - expected[finite]) / (1 + np.abs(expected[finite]))
    assert error.size == 0 or error.max() <= tolerance, f"{what}: {error.max()}"


def logits_of(seed: int, rows: int, columns: int, spread: float = 3.0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, columns)) * spread


# --- the simulator's twins
# -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SIMULATOR, reason="twins exist in the simulator only")
def test_twins_mean_what_the_instructions_do() -> None:
    assert _device.exp2_approx(np.float32(-3)) == np.float32(0.125)
    assert _device.exp2_approx(np.float32(-126)) > 0
    assert _device.exp2_approx(np.float32(-127)) == 0  # flushed: below the normal range
    assert _device.exp2_approx(np.float32(-INF)) == 0
    assert np.isnan(_device.exp2_approx(np.float32(np.nan)))
    assert _device.float_bits(np.float32(1)) == 0x3F800000
    assert _device.float_bits(np.float64(1)) == 0x3FF << 52
    assert _device.funnel_right(np.uint32(0x89ABCDEF), np.uint32(0x01234567), np.uint32(16)) == 0x456789AB
    assert _device.funnel_right(np.uint32(7), np.uint32(9), np.uint32(0)) == 7
    assert _device.multiply_high(np.int64(1 << 62), np.int64(12)) == 3

    words = np.array([0x3F80C000, 0x7FC07F80, 0x00010000], np.uint32)
    assert _device.unpack_bfloat16(words[0]) == (-2.0, 1.0)
    low, high = _device.unpack_bfloat16(words[1])
    assert low == INF
    assert np.isnan(high)
    assert _device.unpack_float16(np.uint32(0x3C00C000)) == (-2.0, 1.0)
    # Rounding to nearest, ties to even: 1 + 2**-8 lies half way between two bfloat16.
    assert _device.pack_bfloat16(np.float32(1 + 2**-8), np.float32(1 + 3 * 2**-8)) == 0x3F823F80
    assert _device.pack_bfloat16(np.float32(np.nan), np.float32(-INF)) == 0xFF807FC0
    assert _device.pack_float16(np.float32(1), np.float32(1e6)) == 0x7C003C00


@pytest.mark.skipif(not SIMULATOR, reason="a GPU would fault")
def test_the_simulator_catches_what_a_gpu_would_fault_on() -> None:
    class Inside:
        def __init__(self, array: Array) -> None:
            self._item = _device.wrap(array)

    room = to_device(np.arange(8, dtype=np.float32))
    assert _device.load_vector(Inside(room), 4) == (4, 5, 6, 7)
    with pytest.raises(ValueError, match="not aligned"):
        _device.load_vector(Inside(room), 1)
    with pytest.raises(IndexError, match="leaves an array"):
        _device.load_vector(Inside(room), 8)
    with pytest.raises(IndexError, match="leaves an array"):
        _device.store_vector(Inside(room), -4, (0, 0, 0, 0))


# --- statistics
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 37, 1100])
def test_statistics_equal_the_reference(dtype: str, columns: int) -> None:
    values = logits_of(columns, 2, columns)
    values[1, columns // 2 :: 2] = -INF
    values[1, 0] = 1.5
    stored, exact = encode(values, dtype)
    targets = np.array([columns - 1, columns // 2], np.int64)
    found = kernels.statistics(to_device(stored, 1), to_device(targets))
    expected = reference.statistics(exact, targets)
    for name, a, b in zip(found._fields, found, expected, strict=True):
        assert to_host(a).dtype == (np.float64 if dtype == "float64" else np.float32)
        assert_close(a, b, TOLERANCE[dtype], name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_of_difficult_rows(dtype: str) -> None:
    rows = logits_of(0, 9, 70)
    rows[0] += 1000  # a shift leaves all but log-sum-exp alone
    rows[1, 3] = 80  # all mass on one token
    rows[2] = 0.25  # uniform
    rows[3, :69] = np.finfo(np.float32).min  # masked by the lowest number rather than -inf
    rows[4] = np.finfo(np.float32).min
    rows[5, 40] = np.nan
    rows[6, 41] = INF
    rows[7] = -INF
    stored, exact = encode(rows, dtype)
    targets = np.full(9, 3, np.int64)
    with np.errstate(all="ignore"):
        expected = reference.statistics(exact, targets, 0.7)
    found = kernels.statistics(to_device(stored), to_device(targets), 0.7)
    for name, a, b in zip(found._fields, found, expected, strict=True):
        # The lowest number over 0.7 is not a float32.
        rows_checked = [0, 1, 2, 5, 6, 7, 8] if dtype == "float32" else range(9)
        tolerance = 4e-5 if dtype == "float32" else 1e-12
        assert_close(to_host(a)[rows_checked], b[rows_checked], tolerance, name)
    if dtype == "float32":
        assert to_host(found.entropy)[3] == 0
        assert abs(to_host(found.entropy)[4] - math.log(70)) < 1e-5


def test_a_row_is_bit_identical_in_every_batch_and_place() -> None:
    for dtype in ("float32", "bfloat16"):
        stored, _ = encode(logits_of(1, 3, 1101), dtype)
        whole = kernels.statistics(to_device(stored))
        for row in range(3):
            alone = kernels.statistics(to_device(stored[row : row + 1], offset=row + 2))
            for a, b in zip(alone[:4], whole[:4], strict=True):
                assert to_host(a)[0].tobytes() == to_host(b)[row].tobytes()


def test_splitting_a_row_over_blocks_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = 5 * launch.statistics_plan(5000).slice_columns - 100
    stored, exact = encode(logits_of(2, 1, columns), "float32")
    results = []
    for enough in (1, 2, 256):  # one block for the row, two of three slices, one for each slice
        monkeypatch.setattr(launch, "ENOUGH_BLOCKS", enough)
        results.append(b"".join(to_host(a).tobytes() for a in kernels.statistics(to_device(stored))[:4]))
    assert launch.blocks_per_row(1, 5) == 5
    assert results[0] == results[1] == results[2]
    for ours, truth in zip(np.frombuffer(results[0], np.float32), reference.statistics(exact)[:4]):
        assert_close(ours[None], truth, TOLERANCE["float32"])


def test_statistics_write_into_given_arrays_and_take_empty_batches() -> None:
    stored = logits_of(3, 2, 9).astype(np.float32)
    out = Statistics(*(to_device(np.full(2, 7, np.float32)) for _ in range(4)), None)
    found = kernels.statistics(to_device(stored), out=out)
    assert found is out
    assert_close(out.entropy, reference.statistics(stored).entropy, 4e-6)
    empty = to_device(np.empty((0, 9), np.float32))
    assert to_host(kernels.statistics(empty).entropy).shape == (0,)
    assert to_host(kernels.typical_filter(empty, 0.5)).shape == (0, 9)
    assert to_host(kernels.typical_sample(empty, 0.5, to_device(np.empty(0)))).shape == (0,)
    assert kernels.find_invalid_row(empty) == -1


def test_a_target_outside_the_vocabulary_is_nan() -> None:
    stored = to_device(logits_of(4, 2, 5).astype(np.float32))
    found = kernels.statistics(stored, to_device(np.array([5, -100], np.int64)))
    assert np.isnan(to_host(found.surprisal)).all()
    assert np.isfinite(to_host(found.entropy)).all()


# --- backward
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_backward_equals_the_reference(dtype: str) -> None:
    values = logits_of(5, 3, 75)
    values[1, 10:20] = -INF
    values[2, [7, 30]] = values[2].max() + 0.5  # two maxima: the gradient goes to the first
    stored, exact = encode(values, dtype)
    real = np.float64 if dtype == "float64" else np.float32
    targets = np.array([0, 12, 30], np.int64)  # the second target has a logit of -inf
    saved = reference.statistics(exact, targets, 1.3)
    rng = np.random.default_rng(6)
    upstream = Statistics(*(rng.normal(size=3).astype(real) for _ in range(5)))
    half = {"float32": 1e-5, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1e-2}[dtype]
    for given in ([0], [1, 2], [3], [4], [0, 1, 2, 3, 4]):
        grad = Statistics(*(g if i in given else None for i, g in enumerate(upstream)))
        found = kernels.statistics_backward(
            to_device(stored, 1),
            to_device(targets),
            1.3,
            *(to_device(s.astype(real)) for s in saved[:4]),
            Statistics(*(to_device(g) for g in grad)),
            out=to_device(np.zeros_like(stored), 1 if len(given) == 1 else 0),
        )
        expected = reference.statistics_backward(exact, targets, 1.3, *saved[:4], grad)
        found = decode(to_host(found), dtype)
        assert_close(found, expected, half, str(given))
        assert (found[1, 10:20] == 0).all()


def test_backward_may_write_over_the_logits() -> None:
    stored = logits_of(7, 1, 20)
    saved = reference.statistics(stored)
    grad = Statistics(np.ones(1), None, None, None, None)
    place = to_device(stored)
    device_grad = Statistics(*(to_device(g) for g in grad))
    kernels.statistics_backward(place, None, 1.0, *(to_device(s) for s in saved[:4]), device_grad, out=place)
    assert_close(place, reference.statistics_backward(stored, None, 1.0, *saved[:4], grad), 1e-13)


# --- blocks of a row
# ---------------------------------------------------------------------------------------------------


def folded(stored: Array, dtype: str, cuts: list[int], temperature: float = 1.0, offset: int = 0) -> Fold:
    """The state after the blocks between ``cuts``, in memory."""
    n, real = len(stored), np.float64 if dtype == "float64" else np.float32
    begin = (np.full(n, -INF, real), np.full(n, -1, real), np.zeros(n, real), np.zeros(n, real))
    state = Fold(*(to_device(field) for field in (*begin, np.zeros(n, np.int64))))
    for start, stop in pairwise(cuts):
        kernels.fold(to_device(stored[:, start:stop], offset), state, start, temperature)
    return Fold(*(to_host(field) for field in state))


def figures_of(state: Fold, temperature: float = 1.0) -> list[Array]:
    """Entropy, varentropy, log-sum-exp and greatest probability, from the state in its own precision."""
    total = 1 + state.rest
    log_total = np.log1p(state.rest)
    return [
        log_total - state.first / total,
        state.spread / total,
        state.peak / temperature + log_total,
        1 / total,
    ]


def difficult_rows(columns: int) -> Array:
    z = logits_of(10, 7, columns)
    z[1] += 1000
    z[2, 7] = 40
    z[3, ::2] = -INF
    z[4] = 0.5
    z[5, : columns * 4 // 5] = -INF
    z[6, columns // 2] = z[6].max()
    return z


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_blocks_give_what_the_whole_row_gives(dtype: str, temperature: float) -> None:
    stored, exact = encode(difficult_rows(1100), dtype)
    expected = reference.statistics(exact, None, temperature)
    for cuts in ([0, 1100], [0, 1, 9, 700, 1100]):
        state = folded(stored, dtype, cuts, temperature, offset=1)
        assert np.array_equal(state.likeliest, exact.argmax(1))
        assert np.array_equal(state.peak, exact.max(1))
        for found, truth in zip(figures_of(state, temperature), expected[:4], strict=True):
            assert_close(found, truth, TOLERANCE[dtype])


def test_the_state_of_blocks_equals_the_reference() -> None:
    exact = difficult_rows(90)
    found = folded(exact, "float64", [0, 30, 31, 90], 0.7)
    state = Fold(np.full(7, -INF), np.full(7, -1.0), np.zeros(7), np.zeros(7), np.zeros(7, np.int64))
    for start, stop in pairwise([0, 30, 31, 90]):
        reference.fold(exact[:, start:stop], state, start, 0.7)
    for name, a, b in zip(Fold._fields, found, state, strict=True):
        assert_close(a, b, 1e-12, name)


def test_a_folded_row_is_bit_identical_in_every_batch_and_place() -> None:
    for dtype in ("float32", "bfloat16"):
        stored, _ = encode(logits_of(11, 3, 1101), dtype)
        whole = folded(stored, dtype, [0, 600, 1101])
        for row in range(3):
            alone = folded(stored[row : row + 1], dtype, [0, 600, 1101], offset=row + 2)
            for a, b in zip(alone, whole, strict=True):
                assert a[0].tobytes() == b[row].tobytes()


@pytest.mark.parametrize("gap", [15, 20, 30])
@pytest.mark.parametrize("offset", [30, 1000])
def test_confident_rows_keep_their_digits_in_float32(gap: float, offset: float) -> None:
    rows = logits_of(12, 2, 1500, 1.0)
    rows[:, 7] = np.delete(rows, 7, 1).max(1) + gap
    stored, exact = encode(rows + offset, "float32")
    entropy = figures_of(folded(stored, "float32", [0, 500, 1500]))[0]
    whole = block_state(exact, 0)
    truth = np.log1p(whole.rest) - whole.first / (1 + whole.rest)
    assert truth.max() < 0.01
    assert np.abs(entropy / truth - 1).max() < 1e-5
    # What the usual formula leaves of it in float32.
    s = np.exp(stored - stored.max(1, keepdims=True)).sum(1)
    usual = (
        stored.max(1)
        + np.log(s)
        - (np.exp(stored - stored.max(1, keepdims=True)) / s[:, None] * stored).sum(1)
    )
    assert np.abs(usual / truth - 1).max() > 1e-2


def test_a_folded_row_that_is_no_distribution_is_nan_and_the_others_are_not() -> None:
    z = difficult_rows(90)[[0, 1, 2, 3, 5]].astype(np.float32)
    z[0, 70], z[1, 3], z[2] = np.nan, INF, -INF
    z[4, :60], z[4, 5] = -INF, np.nan  # among nothing but -inf
    state = folded(z, "float32", [0, 30, 60, 90])
    assert np.isnan(state.rest[[0, 1, 4]]).all()
    assert (state.rest[2], state.peak[2]) == (-1, -INF)
    assert state.rest[3] > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_blocks_are_those_of_the_row(dtype: str) -> None:
    stored, exact = encode(difficult_rows(110), dtype)
    real = np.float64 if dtype == "float64" else np.float32
    rng = np.random.default_rng(13)
    targets = np.array([1, 3, 4, 5, 6, 100, 0])
    upstream = Statistics(*rng.normal(size=(5, 7)).astype(real))
    saved = reference.statistics(exact, targets, 1.3)
    state = Fold(*(to_device(field) for field in folded(stored, dtype, [0, 50, 110], 1.3)))
    half = {"float32": 1e-5, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1e-2}[dtype]
    for given in ([0, 1, 2, 3, 4], [0], [3, 4]):
        grad = Statistics(*(g if i in given else None for i, g in enumerate(upstream)))
        expected = reference.statistics_backward(exact, targets, 1.3, *saved[:4], grad)
        on_device = Statistics(*(to_device(g) for g in grad))
        chosen = to_device(targets) if 4 in given else None
        for start, stop in ((0, 50), (50, 110)):
            block = to_device(stored[:, start:stop], 1)
            out = block if len(given) > 1 else to_device(np.zeros_like(stored[:, start:stop]))
            kernels.fold_backward(block, state, start, 1.3, chosen, on_device, out=out)
            found = decode(to_host(out), dtype)
            assert_close(found, expected[:, start:stop], half, str(given))
            assert (found[np.isneginf(exact[:, start:stop])] == 0).all()


def test_folding_takes_empty_batches_and_names_wrong_arrays() -> None:
    empty = np.empty((0, 9), np.float32)
    state = folded(empty, "float32", [0, 9])
    assert state.peak.shape == (0,)
    nothing = Statistics(None, None, None, None, None)
    on_device = Fold(*(to_device(field) for field in state))
    kernels.fold_backward(to_device(empty), on_device, 0, 1.0, None, nothing, out=to_device(empty))
    good = to_device(np.zeros((2, 4), np.float32))
    fields = [to_device(np.zeros(2, np.float32)) for _ in range(4)]
    state = Fold(*fields, to_device(np.zeros(2, np.int64)))
    with pytest.raises(TypeError, match="block has dtype int32"):
        kernels.fold(to_device(np.zeros((2, 4), np.int32)), state, 0)
    with pytest.raises(TypeError, match=r"state\.rest has dtype float64; float32 is needed"):
        kernels.fold(good, state._replace(rest=to_device(np.zeros(2))), 0)
    with pytest.raises(TypeError, match=r"state\.likeliest has dtype float32; int64 is needed"):
        kernels.fold(good, state._replace(likeliest=fields[0]), 0)
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 4\) and dtype float32"):
        kernels.fold_backward(good, state, 0, 1.0, None, nothing, out=to_device(np.zeros((2, 5), np.float32)))
    with pytest.raises(TypeError, match=r"grad\.entropy has dtype float64; float32 is needed"):
        kernels.fold_backward(
            good, state, 0, 1.0, None, nothing._replace(entropy=to_device(np.zeros(2))), out=good
        )


# --- typical
# ---------------------------------------------------------------------------------------------------------


def kept(filtered: Any, dtype: str = "float64") -> list[set[int]]:
    return [set(np.flatnonzero(row > -INF)) for row in decode(to_host(filtered), dtype)]


R6 = [0.30, 0.20] + [0.01] * 50
BRIEF = [  # (probabilities, mass, tokens to keep at least, temperature, kept)
    ([0.4, 0.2, 0.2, 0.2], 0.5, 1, 1.0, {1, 2, 3}),  # R1: the likeliest token goes
    ([0.4, 0.2, 0.2, 0.2], 0.3, 1, 1.0, {1, 2, 3}),  # R2: ties are kept together
    ([0.4, 0.2, 0.2, 0.2], 0.2, 3, 1.0, {1, 2, 3}),
    ([0.5, 0.25, 0.125, 0.125], 0.25, 1, 1.0, {1}),  # R3: a cumulative mass equal to the mass is enough
    ([0.25, 0.25, 0.25, 0.25], 0.5, 1, 1.0, {0, 1, 2, 3}),  # R4
    ([0.5, 0.3, 0.2, 0.0], 0.9, 1, 1.0, {0, 1, 2}),  # R5: a logit of -inf
    ([0.97, 0.01, 0.01, 0.01], 0.5, 1, 1.0, {0}),
    (R6, 0.5, 1, 1.0, {1, *range(2, 52)}),
    ([0.35, 0.3, 0.2, 0.1, 0.05], 0.45, 1, 1.0, {1, 2}),  # R7
    ([0.35, 0.3, 0.2, 0.1, 0.05], 0.55, 1, 1.0, {0, 1, 2}),
    ([0.6, 0.2, 0.1, 0.05, 0.05], 0.15, 1, 1.0, {1}),
    ([0.6, 0.2, 0.1, 0.05, 0.05], 0.85, 1, 1.0, {0, 1, 2}),
    ([0.9, 0.1], 0.5, 1, 1.0, {0}),  # R8: of two outcomes the likelier comes first
    ([0.6, 0.2, 0.1, 0.05, 0.05], 0.5, 1, 0.5, {0}),  # R9: temperature first
    ([0.6, 0.2, 0.1, 0.05, 0.05], 0.5, 1, 1.0, {0, 1}),
    ([0.6, 0.2, 0.1, 0.05, 0.05], 0.5, 1, 2.0, {0, 1, 2}),
]


@pytest.mark.parametrize(("p", "mass", "least", "temperature", "expected"), BRIEF)
def test_cases_with_known_kept_sets(
    p: list[float], mass: float, least: int, temperature: float, expected: set[int]
) -> None:
    with np.errstate(divide="ignore"):
        logits = np.log(np.array([p])) / temperature
    assert kept(kernels.typical_filter(to_device(logits), mass, least)) == [expected]


def clear_of_ties(exact: Array, mass: float, margin: float) -> Array:
    """Rows in which no cumulative mass lies within ``margin`` of the mass."""
    p = np.exp(exact - exact.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    log_p = np.log(np.where(p > 0, p, 1.0))
    d = np.where(p > 0, np.abs(log_p - (p * log_p).sum(-1, keepdims=True)), INF)
    cumulative = np.take_along_axis(p, np.argsort(d, axis=-1, kind="stable"), -1).cumsum(-1)
    return np.asarray((np.abs(cumulative - mass) > margin).all(-1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_filter_and_sample_equal_the_reference(dtype: str) -> None:
    # In the simulator a row takes a quarter of a second.
    settings = [(0.2, 150, 2.0), (0.9, 61, 4.0)] if dtype.startswith("float3") else [(0.7, 150, 3.0)]
    for mass, columns, spread in settings:
        values = logits_of(8, 3, columns, spread)
        values[1, 4:9] = -INF
        stored, exact = encode(values, dtype)
        clear = clear_of_ties(exact, mass, 1e-9 if dtype == "float64" else 1e-5)
        assert clear.sum() >= 2
        found = kernels.typical_filter(to_device(stored, 1), mass)
        expected = reference.typical_filter(exact, mass)
        assert np.array_equal(decode(to_host(found), dtype)[clear], expected[clear])
        uniforms = np.array([0.0, 0.37, 0.9999])
        tokens = to_host(kernels.typical_sample(to_device(stored), mass, to_device(uniforms)))
        assert np.array_equal(tokens[clear], reference.typical_sample(exact, mass, uniforms)[clear])


def test_the_cut_is_exact_to_a_billionth() -> None:
    """Just below a cumulative mass that token is the last; just above it, the next one is."""
    logits = logits_of(13, 1, 64, 1.0)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    order = np.argsort(np.abs(np.log(p) - (p * np.log(p)).sum()))
    for last in (20, 55):
        reached = p[order[: last + 1]].sum()
        for mass, count in ((reached - 2e-9, last + 1), (reached + 2e-9, last + 2)):
            assert kept(kernels.typical_filter(to_device(logits), mass)) == [set(order[:count].tolist())]


def test_crowded_bins_are_narrowed_until_exact() -> None:
    rng = np.random.default_rng(9)
    crowd = rng.integers(0, 4, 90) * 1e-4  # more tokens in the cut bin than the list holds, in ties
    spread = rng.normal(size=90) * 1e-3
    logits = np.stack([crowd, spread, np.zeros(90)])
    assert launch.CAPACITY < 90 / 4 or not SIMULATOR
    for mass in (0.3, 0.8):
        assert clear_of_ties(logits, mass, 1e-9)[:2].all()
        found = kernels.typical_filter(to_device(logits), mass)
        assert np.array_equal(to_host(found), reference.typical_filter(logits, mass))
        uniforms = np.array([0.2, 0.5, 0.7])
        tokens = kernels.typical_sample(to_device(logits), mass, to_device(uniforms))
        assert np.array_equal(to_host(tokens), reference.typical_sample(logits, mass, uniforms))


def test_tokens_to_keep_at_least() -> None:
    logits = np.array([[0.0, -40.0, -50.0, -60.0, -60.0, -INF]])
    place = to_device(logits)
    assert kept(kernels.typical_filter(place, 0.5)) == [{0}]
    assert kept(kernels.typical_filter(place, 0.5, 2)) == [{0, 1}]
    assert kept(kernels.typical_filter(place, 0.5, 4)) == [{0, 1, 2, 3, 4}]  # the fifth ties with the fourth
    assert kept(kernels.typical_filter(place, 0.5, 6)) == [{0, 1, 2, 3, 4}]  # -inf is never kept
    assert kept(kernels.typical_filter(to_device(logits[:, :1]), 0.5, 1)) == [{0}]  # V = 1


def test_filter_in_place_with_a_filter_value_and_odd_addresses() -> None:
    stored, exact = encode(logits_of(10, 2, 45), "float32")
    expected = reference.typical_filter(exact, 0.6, filter_value=-7.0)
    place = to_device(stored, 3)
    assert kernels.typical_filter(place, 0.6, filter_value=-7.0, out=place) is place
    assert np.array_equal(to_host(place), expected)
    elsewhere = to_device(np.zeros_like(stored), 2)  # aligned otherwise than the logits
    kernels.typical_filter(to_device(stored), 0.6, filter_value=-7.0, out=elsewhere)
    assert np.array_equal(to_host(elsewhere), expected)


def test_invalid_rows_are_nan_and_have_no_token() -> None:
    stored = logits_of(11, 4, 12).astype(np.float32)
    stored[0, 5], stored[1, 6], stored[2] = np.nan, INF, -INF
    place = to_device(stored)
    assert kernels.find_invalid_row(place) == 0
    assert kernels.find_invalid_row(to_device(stored[2:])) == 0
    assert kernels.find_invalid_row(to_device(stored[3:])) == -1
    assert kernels.find_invalid_row(to_device(stored[[3, 3, 1]])) == 2
    filtered = to_host(kernels.typical_filter(place, 0.5))
    assert np.isnan(filtered[:3]).all()
    assert not np.isnan(filtered[3]).any()
    uniforms = np.full(4, 0.5, np.float32)
    tokens = to_host(kernels.typical_sample(place, 0.5, to_device(uniforms)))
    assert tokens[:3].tolist() == [-1, -1, -1]
    assert tokens[3] == reference.typical_sample(stored[3:], 0.5, uniforms[3:])[0]


def test_a_mass_of_one_keeps_everything() -> None:
    stored = logits_of(12, 2, 14).astype(np.float32)
    stored[1, 3] = -INF
    place = to_device(stored)
    assert np.array_equal(to_host(kernels.typical_filter(place, 1.0)), stored)
    uniforms = np.array([0.25, 0.75])
    tokens = kernels.typical_sample(place, 1.0, to_device(uniforms), out=to_device(np.zeros(2, np.int64)))
    assert np.array_equal(to_host(tokens), reference.typical_sample(stored, 1.0, uniforms))


# --- concentration
# -------------------------------------------------------------------------------------------------------

GRID = np.array([-1.0, -0.25, 0.0625, 0.5])
WEIGHTS = np.log([0.4, 0.3, 0.2, 0.1])


def tokens_of(seed: int, lengths: list[int], dtype: str, shift: float = 0.0) -> tuple[list[Array], Array]:
    """Surprisal, entropy, varentropy and cgf of sampled tokens, one sequence after the other, and offsets."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    p = rng.dirichlet(np.full(8, 0.5), n).clip(1e-9)
    p /= p.sum(1, keepdims=True)
    log_p = np.log(p)
    entropy = -(p * log_p).sum(1)
    varentropy = (p * (log_p + entropy[:, None]) ** 2).sum(1)
    cgf = np.log((p[:, None, :] ** (1 - GRID[:, None])).sum(2)) - GRID * entropy[:, None]
    drawn = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    arrays = [-log_p[np.arange(n), drawn] - shift, entropy, varentropy, cgf]
    return [a.astype(dtype) for a in arrays], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def concentration_of(arrays: list[Array], offsets: Array, alpha: float = 0.05) -> Any:
    places = [to_device(a) for a in arrays]
    return kernels.concentration(*places, to_device(offsets), GRID, WEIGHTS, -math.log(alpha), 1.7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shift", [0.0, 0.6, -0.6])
def test_concentration_equals_the_reference(dtype: str, shift: float) -> None:
    arrays, offsets = tokens_of(3, [40, 0, 7, 1, 25, 0, 60], dtype, shift)
    found = concentration_of(arrays, offsets)
    expected = reference.concentration(*arrays, offsets, GRID, WEIGHTS, math.log(20), 1.7)
    for name, a, b in zip(expected._fields, found, expected, strict=True):
        assert to_host(a).dtype == (np.int64 if name in ("length", "stopping_time") else dtype), name
        assert_close(a, b, 1e-5 if dtype == "float32" else 1e-12, name)
    if shift:
        assert (to_host(found.stopping_time) > 0).any()


def test_concentration_totals_are_compensated() -> None:
    """A plain float32 sum of these is off by far more."""
    n = 3000 if SIMULATOR else 100_000
    arrays = [np.full(n, x, "float32") for x in (0.7, 0.1, 0.3)] + [np.full((n, 4), 0.013, "float32")]
    found = concentration_of(arrays, np.array([0, n]))
    expected = reference.concentration(*arrays, np.array([0, n]), GRID, WEIGHTS, math.log(20), 1.7)
    for name in ("surprisal", "gap", "log_e"):
        assert_close(getattr(found, name), getattr(expected, name), 3e-7, name)
    naive = np.float32(0)
    for x in arrays[0]:
        naive += x
    assert abs(naive / expected.surprisal[0] - 1) > 3e-6


def test_a_sequence_is_bit_identical_in_every_batch() -> None:
    arrays, offsets = tokens_of(4, [9, 12, 3, 20, 5, 8], "float32")
    whole = concentration_of(arrays, offsets)
    for b in range(6):
        part = slice(offsets[b], offsets[b + 1])
        alone = concentration_of([a[part] for a in arrays], offsets[b : b + 2] - offsets[b])
        for a, w in zip(alone, whole, strict=True):
            assert to_host(a)[0].tobytes() == to_host(w)[b].tobytes()


def test_concentration_of_impossible_tokens_nan_and_nothing() -> None:
    arrays, offsets = tokens_of(5, [6, 6, 6], "float32")
    arrays[0][2], arrays[0][9] = INF, np.nan
    found = concentration_of(arrays, offsets)
    assert to_host(found.stopping_time)[0] == 3
    assert to_host(found.log_mixture)[0] == to_host(found.log_supremum)[0] == INF
    assert (to_host(found.log_e)[0] == np.where(GRID > 0, INF, -INF)).all()
    assert (to_host(found.p_unlikely)[0], to_host(found.p_likely)[0]) == (0, 1)
    assert np.isnan(to_host(found.log_mixture)[1]) and np.isnan(to_host(found.p_likely)[1])
    assert np.isfinite(to_host(found.log_e)[2]).all()
    empty = concentration_of([a[:0] for a in arrays], np.array([0, 0]))
    assert np.isnan(to_host(empty.gap)[0])
    assert (to_host(empty.p_likely)[0], to_host(empty.log_mixture)[0], to_host(empty.length)[0]) == (1, 0, 0)
    assert to_host(concentration_of([a[:0] for a in arrays], np.array([0])).gap).shape == (0,)


def test_wrong_arrays_of_sequences_are_named() -> None:
    arrays, offsets = tokens_of(6, [4], "float32")
    with pytest.raises(TypeError, match="cgf has dtype float16; float32 or float64 is needed"):
        concentration_of([*arrays[:3], arrays[3].astype(np.float16)], offsets)
    with pytest.raises(TypeError, match="entropy has dtype float64; float32 is needed"):
        concentration_of([arrays[0], arrays[1].astype(float), *arrays[2:]], offsets)
    with pytest.raises(ValueError, match=r"surprisal must be a contiguous array of shape \(4,\)"):
        concentration_of([arrays[0][:3], *arrays[1:]], offsets)
    with pytest.raises(TypeError, match="offsets has dtype int32; int64 is needed"):
        concentration_of(arrays, offsets.astype(np.int32))
    with pytest.raises(ValueError, match=r"lambdas must be of shape \(3,\), not \(4,\)"):
        concentration_of([*arrays[:3], arrays[3][:, :3]], offsets)


# --- bad input
# -------------------------------------------------------------------------------------------------------


def test_wrong_arrays_are_named() -> None:
    good = to_device(np.zeros((2, 4), np.float32))
    grad = Statistics(None, None, None, None, None)
    saved = [to_device(np.zeros(2, np.float32)) for _ in range(4)]
    with pytest.raises(TypeError, match="logits has dtype int32"):
        kernels.statistics(to_device(np.zeros((2, 4), np.int32)))
    with pytest.raises(ValueError, match=r"logits must be a C-contiguous matrix"):
        kernels.find_invalid_row(to_device(np.zeros(4, np.float32)))
    with pytest.raises(ValueError, match=r"logits must be a C-contiguous matrix"):
        kernels.find_invalid_row(to_device(np.zeros((4, 6), np.float32))[:, 2:])
    with pytest.raises(TypeError, match="targets has dtype int32; int64 is needed"):
        kernels.statistics(good, to_device(np.zeros(2, np.int32)))
    with pytest.raises(ValueError, match=r"targets must be a contiguous array of shape \(2,\)"):
        kernels.statistics(good, to_device(np.zeros(3, np.int64)))
    with pytest.raises(TypeError, match="uniforms has dtype int64"):
        kernels.typical_sample(good, 0.5, to_device(np.zeros(2, np.int64)))
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 4\) and dtype float32"):
        kernels.typical_filter(good, 0.5, out=to_device(np.zeros((2, 5), np.float32)))
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 4\) and dtype float32"):
        kernels.statistics_backward(good, None, 1.0, *saved, grad, out=to_device(np.zeros((2, 4))))
