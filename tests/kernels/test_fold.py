"""The state of a row from blocks of its logits: equal to the whole, in any cut, and exact for confident rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entropylab.kernels import Fold, Statistics, cpu, reference
from entropylab.kernels.reference.fold import block_state, merge

KERNELS = [reference, cpu]


def begin(rows):
    return Fold(
        np.full(rows, -np.inf), np.full(rows, -1.0), np.zeros(rows), np.zeros(rows), np.zeros(rows, np.int64)
    )


def folded(kernels, logits, cuts, temperature=1.0):
    state = begin(len(logits))
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        kernels.fold(np.ascontiguousarray(logits[:, start:stop]), state, start, temperature)
    return state


def figures(state, temperature=1.0):
    total = 1 + state.rest
    return (
        np.log1p(state.rest) - state.first / total,
        state.spread / total,
        state.peak / temperature + np.log1p(state.rest),
        1 / total,
    )


def difficult(width=5000):
    z = np.random.default_rng(0).normal(size=(7, width)) * 3
    z[1] += 1000
    z[2, 7] = 40
    z[3, ::2] = -np.inf
    z[4] = 0.5
    z[5, : width * 4 // 5] = -np.inf
    z[6, width // 2] = z[6].max()
    return z


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_blocks_give_what_the_whole_row_gives(kernels, dtype, temperature):
    z = difficult().astype(dtype)
    expected = reference.statistics(z.astype(np.float64), None, temperature)
    for cuts in ([0, 5000], [0, 1, 8, 2048, 5000], [0, 4000, 4001, 5000]):
        state = folded(kernels, z, cuts, temperature)
        assert np.array_equal(state.likeliest, z.argmax(1))
        for found, truth in zip(figures(state, temperature), expected[:4], strict=True):
            assert found == pytest.approx(truth, rel=1e-12 if dtype == np.float64 else 4e-6, abs=1e-12)


@pytest.mark.parametrize("kernels", KERNELS)
def test_gradients_of_blocks_are_those_of_the_row(kernels):
    z = difficult()
    rng = np.random.default_rng(1)
    grad, targets = Statistics(*rng.normal(size=(5, 7))), np.array([1, 3, 4, 5, 6, 4500, 0])
    expected = reference.statistics_backward(z, targets, 0.7, *reference.statistics(z, None, 0.7)[:4], grad)
    state = folded(kernels, z, [0, 2048, 4096, 5000], 0.7)
    found = np.empty_like(z)
    for start in range(0, 5000, 1000):
        block = np.ascontiguousarray(z[:, start : start + 1000])
        kernels.fold_backward(block, state, start, 0.7, targets, grad, out=block)  # in place
        found[:, start : start + 1000] = block
    assert found == pytest.approx(expected, abs=1e-13)
    assert (found[3, ::2] == 0).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_states_merge_in_any_order(seed, places):
    z = np.random.default_rng(seed).normal(size=(2, 30)) * 5
    z[1, places[0] :] = -np.inf  # blocks of nothing
    z[1, 0] = 1.0
    cuts = sorted({0, 30, *places})
    blocks = [block_state(z[:, a:b], a) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    left = begin(2)
    for block in blocks:
        left = merge(left, block)
    right = begin(2)
    for block in reversed(blocks):
        right = merge(block, right)
    whole = block_state(z, 0)
    for name, a, b, c in zip(Fold._fields, left, right, whole, strict=True):
        assert a == pytest.approx(c, abs=1e-12), name
        assert b == pytest.approx(c, abs=1e-12), name


def test_blocks_at_multiples_of_a_tile_change_no_bit():
    z = difficult(9000).astype(np.float32)
    whole = folded(cpu, z, [0, 9000])
    for cuts in ([0, 2048, 9000], [0, 4096, 6144, 9000]):
        for a, b in zip(folded(cpu, z, cuts), whole, strict=True):
            assert a.tobytes() == b.tobytes()
    for row in range(len(z)):
        for a, b in zip(folded(cpu, z[row : row + 1], [0, 9000]), whole, strict=True):
            assert a[0].tobytes() == b[row].tobytes()


@pytest.mark.parametrize("gap", [15, 20, 30])
@pytest.mark.parametrize("offset", [30, 1000])
def test_confident_rows_keep_their_digits(gap, offset):
    rows = np.stack([np.random.default_rng(seed).standard_normal(32_000) for seed in range(8)])
    rows[:, 7] = np.delete(rows, 7, 1).max(1) + gap
    z = (rows + offset).astype(np.float32)
    entropy = figures(folded(cpu, z, [0, 32_000]))[0]
    exact = figures(folded(reference, z, [0, 32_000]))[0]
    assert exact.max() < 0.01
    assert entropy == pytest.approx(exact, rel=1e-5, abs=0)


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_row_that_is_no_distribution_is_nan_and_the_others_are_not(kernels):
    z = difficult(300)[:4].astype(np.float32)
    z[0, 250], z[1, 3], z[2] = np.nan, np.inf, -np.inf
    state = folded(kernels, z, [0, 100, 200, 300])
    assert np.isnan(state.rest[[0, 1]]).all() and state.rest[2] == -1 and state.peak[2] == -np.inf
    assert state.rest[3] > 0
