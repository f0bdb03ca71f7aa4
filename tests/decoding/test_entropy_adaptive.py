from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from entropylab.decoding.entropy_adaptive import EntropySwitch, parameter_weighted_cost, rolling_mean
from entropylab.decoding.entropy_adaptive_controls import (
    masks_from_signal,
    matched_random_masks,
    mean_by_position,
    shuffled_within,
)
from entropylab.information import entropy

H = np.array([0.2, 0.3, 1.8, 2.0, 2.2, 0.5, 0.4, 0.3, 0.2, 1.9, 2.1, 2.3])


def written_by(mask):
    return "".join("SL"[int(large)] for large in mask)


@pytest.mark.parametrize(
    ("logits", "temperature", "bits"),
    [
        ([0.0, 0, 0, 0], 1.0, 2.0),
        ([2.0, 1, 0, -1], 1.0, 1.3670068789863306),
        ([2.0, 1, 0, -1], 0.5, 0.6570446156694666),
        ([10.0, 0, 0, 0], 1.0, 0.002161161397264622),
    ],
)
def test_entropies_are_those_of_the_paper_in_other_units(logits, temperature, bits):
    nats = float(entropy(torch.tensor(logits, dtype=torch.float64), temperature=temperature))
    assert nats / math.log(2) == pytest.approx(bits, rel=1e-12)


def test_rolling_mean_by_hand():
    expected = [0.2, 0.25, 0.766667, 1.366667, 2.0, 1.566667, 1.033333, 0.4, 0.3, 0.8, 1.4, 2.1]
    assert rolling_mean(H[None], 3)[0] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(rolling_mean(H[None], 1)[0], H)
    assert rolling_mean(H[None], 50)[0] == pytest.approx(np.cumsum(H) / np.arange(1, 13))


@pytest.mark.parametrize(
    ("window", "dwell", "variant", "expected"),
    [
        (1, 1, "A", "SSLLLSSSSLLL"),
        (1, 1, "B", "SSSLLLSSSSLL"),
        (3, 1, "A", "SSSLLLLSSSLL"),
        (3, 1, "B", "SSSSLLLLSSSL"),
        (3, 4, "A", "SSSLLLLSSSSL"),
        (3, 4, "B", "SSSSLLLLSSSS"),
    ],
)
def test_reference_traces(window, dwell, variant, expected):
    assert written_by(EntropySwitch(1.0, window, dwell, variant).trace(H[None])[0]) == expected


def test_the_machine_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, 1.0, (30, 60))
    for window, dwell in ((1, 1), (5, 10), (20, 3)):
        mask = EntropySwitch(0.9, window, dwell).trace(values)
        for row, trace in zip(values, mask, strict=True):
            large, since = False, dwell
            for t, value in enumerate(trace):
                assert value == large
                since += 1
                wanted = np.mean(row[max(0, t - window + 1) : t + 1]) >= 0.9
                if since >= dwell and wanted != large:
                    large, since = wanted, 0


def test_with_two_entropies_the_active_models_counts():
    small = np.array([[2.0, 0.0, 0.0, 2.0, 0.0]])
    large = np.array([[0.0, 2.0, 0.0, 0.0, 2.0]])
    rule = EntropySwitch(1.0, 1, 1)
    assert written_by(rule.trace(small, large)[0]) == "SLLSL"
    assert written_by(rule.trace(small)[0]) == "SLSSL"


def test_limits_ties_and_starts():
    rows = np.random.default_rng(1).random((4, 20))
    assert not EntropySwitch(np.inf).trace(rows).any()
    assert EntropySwitch(0.0).trace(rows)[:, 1:].all() and not EntropySwitch(0.0).trace(rows)[:, 0].any()
    assert EntropySwitch(0.0, variant="A").trace(rows).all()
    assert EntropySwitch(-np.inf, start="large").trace(rows).all()
    ones = np.ones((1, 4))
    assert written_by(EntropySwitch(1.0, 1, 1).trace(ones)[0]) == "SLLL"
    assert written_by(EntropySwitch(1.0, 1, 1, ties="small").trace(ones)[0]) == "SSSS"
    assert written_by(EntropySwitch(1.0, 1, 3, free_start=False).trace(np.full((1, 5), 2.0))[0]) == "SSSLL"


def test_a_constant_entropy_leaves_one_model():
    for tau in (0.5, 0.999, 1.001, 3.0):
        mask = EntropySwitch(tau).trace(np.ones((3, 50)))
        assert (mask[:, 1:] == (tau < 1)).all()


def test_dropping_the_window_forgets_the_other_models_entropies():
    row = np.array([[3.0, 0.0, 0.0, 0.0]])
    kept = EntropySwitch(1.0, 3, 1).trace(row)[0]
    dropped = EntropySwitch(1.0, 3, 1, keep_window=False).trace(row)[0]
    assert written_by(kept) == "SLLL" and written_by(dropped) == "SLSS"


def test_properties_of_the_rule():
    rng = np.random.default_rng(2)
    values = rng.random((50, 80))
    shares = [EntropySwitch(tau, 5, 1).trace(values).mean() for tau in np.linspace(0, 1, 21)]
    assert np.all(np.diff(shares) <= 0) and shares[0] > 0.98 and shares[-1] == 0
    for dwell in (2, 7, 10):
        mask = EntropySwitch(0.5, 1, dwell).trace(values)
        for row in mask:
            assert np.diff(np.flatnonzero(np.diff(row.astype(int)))).min(initial=99) >= dwell


def test_each_row_is_on_its_own():
    values = np.random.default_rng(3).random((9, 40))
    taus = np.linspace(0.3, 0.7, 9)
    together = EntropySwitch(taus).trace(values)
    for row, tau, expected in zip(values, taus, together, strict=True):
        assert np.array_equal(EntropySwitch(float(tau)).trace(row[None])[0], expected)


def test_cost_is_the_papers():
    llama, qwen = parameter_weighted_cost(0.43, 3, 11), parameter_weighted_cost(0.25, 1.5, 14)
    assert llama == pytest.approx(0.5854545454545454, rel=1e-15)
    assert qwen == pytest.approx(0.33035714285714285, rel=1e-15)
    assert 1 - parameter_weighted_cost(0.43, 3, 11, small_always_runs=True) == pytest.approx(
        0.29727272727272736
    )
    assert 1 - parameter_weighted_cost(0.25, 1.5, 14, small_always_runs=True) == pytest.approx(
        0.6428571428571428
    )
    assert 1 - parameter_weighted_cost(0.43, 3.21, 10.67) == pytest.approx(0.39851921274601687)
    assert 1 - parameter_weighted_cost(0.25, 1.54, 14.8) == pytest.approx(0.6719594594594595)
    assert parameter_weighted_cost(1.0, 1, 7) == 1


def test_random_masks_keep_the_statistics():
    rng = np.random.default_rng(4)
    lengths = rng.integers(5, 31, 40)
    mask = rng.random((40, 30)) < 0.4
    rolled = matched_random_masks(mask, lengths, 3, rng)
    assert rolled.shape == (3, 40, 30)
    changed = 0
    for draw in rolled:
        for before, after, n in zip(mask, draw, lengths, strict=True):
            assert before[:n].sum() == after[:n].sum()
            assert any(np.array_equal(np.roll(before[:n], -k), after[:n]) for k in range(1, n))
            assert np.array_equal(after[n:], after[: 30 - n][: max(0, 30 - n)]) or 30 - n > n
            changed += not np.array_equal(before[:n], after[:n])
    assert changed > 100
    marked = np.tile(np.arange(40)[:, None] % 2 == 0, (1, 30))
    swapped = matched_random_masks(
        np.eye(40, 30, dtype=bool), np.full(40, 30), 5, rng, how="permute_problems"
    )
    for draw in swapped:
        assert not (draw & np.eye(40, 30, dtype=bool)).any() and draw.sum() == 30
    assert matched_random_masks(marked, np.full(40, 30), 1, rng, how="permute_problems").sum() == marked.sum()


def test_masks_from_a_signal_reach_the_share():
    rng = np.random.default_rng(5)
    lengths = rng.integers(40, 61, 300)
    signal = rng.gamma(1, 1, (300, 60))
    inside = np.arange(60) < lengths[:, None]
    for share in (0.0, 0.2, 0.43, 0.8):
        mask = masks_from_signal(signal, lengths, share, EntropySwitch(0.0), rng)
        assert mask[inside].mean() == pytest.approx(share, abs=0.02)
    # The same signal in all rows: no threshold gives the share, so rows take one of two.
    steps = np.tile(np.linspace(1, 0, 60), (300, 1))
    mask = masks_from_signal(steps, np.full(300, 60), 0.43, EntropySwitch(0.0), rng)
    assert mask.mean() == pytest.approx(0.43, abs=0.02)
    assert len(np.unique(mask, axis=0)) <= 2


def test_shuffling_and_position_means():
    rng = np.random.default_rng(6)
    values, lengths = rng.random((20, 15)), rng.integers(1, 16, 20)
    shuffled = shuffled_within(values, lengths, rng)
    for before, after, n in zip(values, shuffled, lengths, strict=True):
        assert sorted(before[:n]) == sorted(after[:n]) and np.array_equal(before[n:], after[n:])
    assert not np.array_equal(values, shuffled)
    means = mean_by_position([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]], [2, 1])
    assert means.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EntropySwitch(float("nan")), "threshold: got nan"),
        (lambda: EntropySwitch([[1.0]]), "threshold: got [[1.0]]"),
        (lambda: EntropySwitch(1.0, window=0), "window: got 0"),
        (lambda: EntropySwitch(1.0, min_dwell=0), "min_dwell: got 0"),
        (lambda: EntropySwitch(1.0, variant="C"), "variant: got 'C', allowed are ('A', 'B')"),
        (lambda: EntropySwitch(1.0, start="both"), "start: got 'both'"),
        (lambda: EntropySwitch(1.0, ties="none"), "ties: got 'none'"),
        (lambda: EntropySwitch([1.0, 2.0]).begin(3), "threshold: got 2 numbers for 3 rows"),
        (lambda: EntropySwitch(1.0).trace([1.0, 2.0]), "entropies: got shapes (2,)"),
        (lambda: EntropySwitch(1.0).trace([[1.0]], [[1.0, 2.0]]), "entropies: got shapes (1, 1) and (1, 2)"),
        (lambda: rolling_mean([1.0], 2), "values: got shape (1,)"),
        (lambda: parameter_weighted_cost(1.5, 1, 2), "share: got 1.5"),
        (lambda: parameter_weighted_cost(0.5, 0, 2), "small, large: got 0 and 2"),
        (lambda: matched_random_masks([[True]], [2], 1, np.random.default_rng(0)), "lengths: allowed are"),
        (lambda: matched_random_masks([True], [1], 1, np.random.default_rng(0)), "mask, lengths: got shapes"),
        (
            lambda: matched_random_masks([[True]], [1], 1, np.random.default_rng(0), how="flip"),
            "how: got 'flip'",
        ),
        (
            lambda: masks_from_signal([[1.0]], [1], 2.0, EntropySwitch(1.0), np.random.default_rng(0)),
            "share: got 2.0",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
