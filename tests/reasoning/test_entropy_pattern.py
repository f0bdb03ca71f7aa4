from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.information import entropy
from entropylab.reasoning.entropy_pattern import bins_of, overlap, top_mass, top_places, two_temperatures


def test_the_top_is_of_exact_size():
    values = np.random.default_rng(0).random(103)
    kept = top_places(values)
    assert kept.sum() == 20 and values[kept].min() > values[~kept].max()
    assert top_places(np.zeros(10)).tolist() == [True] * 2 + [False] * 8
    assert top_places(np.arange(100), 0.29).sum() == 29


def test_mass_of_flat_and_peaked_entropies():
    assert top_mass(np.ones(50)) == pytest.approx(0.2)
    assert top_mass([0, 0, 1, 0, 0]) == 1
    assert top_mass([4, 1, 1, 1, 1], 0.4) == pytest.approx(5 / 8)


def test_overlap_by_hand():
    def at(*places):
        values = np.zeros(20)
        values[list(places)] = [4, 3, 2, 1]
        return values

    assert overlap(at(1, 2, 3, 4), at(9, 2, 3, 4)) == 0.75
    generator = np.random.default_rng(0)
    assert overlap(*generator.random((2, 100_000))) == pytest.approx(0.2, abs=0.01)


def test_bins_are_of_equal_size_and_in_order():
    values = np.random.default_rng(1).random(100)
    bins = bins_of(values, 5)
    assert np.bincount(bins).tolist() == [20] * 5
    assert all(values[bins == b].max() < values[bins == b + 1].min() for b in range(4))
    assert bins_of([0.0, 0, 0, 0], 2).tolist() == [0, 0, 1, 1]


def test_two_temperatures_by_hand():
    logits = torch.tensor([[2.0, 1, 0], [20.0, 1, 0]])
    heated = two_temperatures(0.5, high=2.0, low=0.5)(logits)
    assert entropy(logits)[0] == pytest.approx(0.8323955818399389, abs=1e-6)
    expected = (0.506480391055654, 0.3071958857184984, 0.1863237232258476)
    assert heated[0].softmax(-1).tolist() == pytest.approx(expected, abs=1e-6)
    assert entropy(heated)[0] == pytest.approx(1.0201913367268314, abs=1e-6)
    assert torch.equal(heated[1], logits[1] / 0.5)
    cold = two_temperatures(1.0, high=2.0, low=0.5)(logits)
    assert entropy(cold)[0] == pytest.approx(0.44105744405816344, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_places([[1.0]]), "entropy: got shape"),
        (lambda: top_places([np.nan] * 9), "finite"),
        (lambda: top_places([1.0, 2.0]), "share: got 0.2 of 2 tokens"),
        (lambda: top_places([1.0] * 9, 1.5), "share: got 1.5"),
        (lambda: top_mass(np.zeros(9)), "sum of 0"),
        (lambda: overlap(np.ones(9), np.ones(8)), "first, second: got shapes"),
        (lambda: bins_of([1.0], 2), "bins: got 2"),
        (lambda: two_temperatures(0.5, high=0, low=1), "high, low: got 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
