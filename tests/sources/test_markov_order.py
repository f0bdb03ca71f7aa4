from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from entropylab.sources import HighOrderMarkovChain, MarkovChain

# Context: older, newer symbol.
BINARY = HighOrderMarkovChain([[[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.7, 0.3]]])


def test_a_hand_checked_chain_of_order_two():
    assert BINARY.stationary == pytest.approx(np.array([[0.4, 0.2], [0.2, 0.2]]), abs=1e-12)
    assert BINARY.entropy_rate == pytest.approx(0.4744593948861743, abs=1e-12)


def test_order_one_is_the_plain_chain():
    plain = MarkovChain.random(4, seed=2)
    chain = HighOrderMarkovChain(plain.transitions)
    assert chain.order == 1
    assert chain.stationary == pytest.approx(plain.stationary, abs=1e-12)
    assert chain.entropy_rate == pytest.approx(plain.entropy_rate, abs=1e-12)
    for n in range(5):
        assert chain.block_law(n) == pytest.approx(plain.block_law(n), abs=1e-12)


@pytest.mark.parametrize(
    "chain", [BINARY, HighOrderMarkovChain.random(3, 3, seed=1), MarkovChain.random(4, seed=0)]
)
def test_block_laws_are_consistent_from_both_ends_and_reach_the_rate_beyond_the_order(chain):
    law = chain.block_law(5)
    assert law.shape == (chain.symbols,) * 5
    assert law.sum() == pytest.approx(1)
    assert law.sum(-1) == pytest.approx(chain.block_law(4), abs=1e-12)
    assert law.sum(0) == pytest.approx(chain.block_law(4), abs=1e-12)
    conditional = chain.block_conditional_entropies(6)
    assert (np.diff(conditional) < 1e-12).all()
    assert conditional[-1] == pytest.approx(chain.entropy_rate, abs=1e-10)
    assert chain.block_entropy(3) == pytest.approx(scipy.stats.entropy(chain.block_law(3).ravel()))


def test_samples_follow_the_transitions():
    text = BINARY.sample(100_000, seed=4)
    counts = np.zeros((2, 2, 2))
    np.add.at(counts, (text[:-2], text[1:-1], text[2:]), 1)
    assert counts / counts.sum() == pytest.approx(BINARY.block_law(3), abs=0.01)
    assert BINARY.surprisal(text).mean() == pytest.approx(BINARY.entropy_rate, abs=0.01)
    assert (BINARY.sample(50, seed=1) == BINARY.sample(50, seed=1)).all()
    assert (BINARY.sample(50, seed=1) != BINARY.sample(50, seed=2)).any()


def test_surprisals_are_those_of_the_contexts():
    assert BINARY.surprisal([0, 1, 1, 0]) == pytest.approx(-np.log([0.7, 0.7]))
    assert BINARY.surprisal([0]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HighOrderMarkovChain([0.5, 0.5]), r"transitions: got shape \(2,\)"),
        (lambda: HighOrderMarkovChain(np.full((2, 2, 3), 1 / 3)), "transitions: got shape"),
        (lambda: HighOrderMarkovChain([[0.5, 0.6], [0.5, 0.5]]), "row 0 is not a distribution"),
        (lambda: HighOrderMarkovChain.random(0, 1), "symbols: got 0"),
        (lambda: HighOrderMarkovChain.random(2, 0), "order: got 0"),
        (lambda: HighOrderMarkovChain.random(2, 1, concentration=-1), "concentration: got -1"),
        (lambda: BINARY.block_law(-1), "n: got -1"),
        (lambda: BINARY.block_entropies(0), "n: got 0"),
        (lambda: BINARY.sample(-1), "steps: got -1"),
        (lambda: BINARY.surprisal([0, 2]), "symbols: got 0 to 2"),
        (lambda: BINARY.surprisal([0.5]), "whole numbers"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
