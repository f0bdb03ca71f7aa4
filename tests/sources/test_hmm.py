from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import entr

from entropylab.sources import HMM, MarkovChain

THREE = HMM(
    [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]],
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.05, 0.05, 0.45, 0.45]],
)


def by_hand(source, word):
    """Probability of a word by the sum over all paths of states."""
    return sum(
        source.stationary[path[0]]
        * np.prod([source.transitions[i, j] for i, j in itertools.pairwise(path)])
        * np.prod([source.emissions[i, w] for i, w in zip(path, word, strict=True)])
        for path in itertools.product(range(source.states), repeat=len(word))
    )


def test_reference_values_of_the_three_state_source():
    assert THREE.stationary == pytest.approx([0.4, 0.4, 0.2], abs=1e-12)
    # H_3 and H_4 also from sums over paths in fractions.
    known = [1.334182658441101, 2.5713220086189406, 3.774555598918963, 4.966788750242065]
    assert THREE.block_entropies(4) == pytest.approx(known, abs=1e-11)
    assert THREE.entropy_rate_bounds(8) == pytest.approx((1.1860827303838326, 1.1863623673364145), abs=1e-11)
    assert THREE.entropy_rate_bounds(11) == pytest.approx((1.18625158, 1.18626557), abs=1e-8)


def test_words_have_the_probability_of_their_paths():
    law = THREE.block_law(3)
    for word in itertools.product(range(4), repeat=3):
        assert law[word] == pytest.approx(by_hand(THREE, word), abs=1e-15)
    words = np.array(list(itertools.product(range(4), repeat=5)))
    log_probability = THREE.filter_log_probability(words)
    assert np.exp(log_probability) == pytest.approx(THREE.block_law(5).ravel(), abs=1e-15)


def test_the_search_over_words_agrees_with_the_law_also_where_words_are_impossible():
    sparse = HMM([[0.0, 1.0], [0.6, 0.4]], [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    for source in (THREE, sparse):
        assert source.block_entropies(6) == pytest.approx(
            [entr(source.block_law(n)).sum() for n in range(1, 7)], abs=1e-12
        )


def test_states_that_show_themselves_give_a_markov_chain():
    chain = MarkovChain.random(4, seed=5)
    source = HMM(chain.transitions, np.eye(4))
    assert source.block_law(4) == pytest.approx(chain.block_law(4), abs=1e-12)
    assert source.entropy_rate_bounds(3) == pytest.approx((chain.entropy_rate, chain.entropy_rate), abs=1e-12)


def test_bounds_close_around_the_rate():
    bounds = [THREE.entropy_rate_bounds(n) for n in (2, 4, 6, 8)]
    lows, highs = zip(*bounds, strict=True)
    assert all(a <= b for a, b in itertools.pairwise(lows))
    assert all(a >= b for a, b in itertools.pairwise(highs))
    assert lows[-1] < highs[-1] < lows[-1] + 3e-4


def test_beliefs_predict_and_surprisals_are_those_of_the_prediction():
    text = THREE.sample(20, 15, seed=3)
    beliefs, surprisal = THREE.filter(text)
    assert beliefs.shape == (20, 15, 3)
    assert beliefs.sum(-1) == pytest.approx(np.ones((20, 15)))
    assert beliefs[:, 0] == pytest.approx(np.tile(THREE.stationary, (20, 1)))
    p = THREE.predictive(text)
    taken = np.take_along_axis(p, text[..., None], -1)[..., 0]
    assert surprisal == pytest.approx(-np.log(taken))
    law, word = THREE.block_law(3), text[0, :2]
    assert p[0, 2] == pytest.approx(law[tuple(word)] / law[tuple(word)].sum())


def test_samples_follow_the_block_law():
    text = THREE.sample(20_000, 6, seed=0)
    for start in (0, 4):
        counts = np.zeros((4, 4))
        np.add.at(counts, (text[:, start], text[:, start + 1]), 1)
        assert counts / counts.sum() == pytest.approx(THREE.block_law(2), abs=0.01)
    assert (THREE.sample(3, 9, seed=1) == THREE.sample(3, 9, seed=1)).all()
    assert (THREE.sample(3, 9, seed=1) != THREE.sample(3, 9, seed=2)).any()
    assert THREE.sample(0, 5).shape == (0, 5)


def test_an_impossible_text_has_probability_zero():
    source = HMM([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    assert source.filter_log_probability([[0, 0, 1], [0, 1, 0]]) == pytest.approx([-np.inf, np.log(0.5)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HMM([[0.5, 0.6], [0.5, 0.5]], np.eye(2)), "transitions: row 0"),
        (lambda: HMM(np.eye(2), [[0.5, 0.6], [0.5, 0.5]]), "emissions: row 0"),
        (lambda: HMM(np.eye(2), np.eye(3)), "emissions: got 3 rows"),
        (lambda: HMM(np.eye(2), [0.5, 0.5]), "emissions: got shape"),
        (lambda: THREE.filter([[0, 4]]), "symbols: got 0 to 4"),
        (lambda: THREE.filter([0, 1]), "symbols: got shape"),
        (lambda: THREE.entropy_rate_bounds(1), "n: got 1"),
        (lambda: THREE.block_entropies(0), "n: got 0"),
        (lambda: THREE.block_law(-1), "n: got -1"),
        (lambda: THREE.sample(-1, 2), "sequences: got -1"),
        (lambda: THREE.sample(1, -2), "length: got -2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
