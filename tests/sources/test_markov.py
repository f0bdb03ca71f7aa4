from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from entropylab.sources import MarkovChain


def test_two_state_chain_has_its_closed_form_entropy_rate():
    a, b = 0.3, 0.1
    chain = MarkovChain([[1 - a, a], [b, 1 - b]])
    binary = [scipy.stats.entropy([a, 1 - a]), scipy.stats.entropy([b, 1 - b])]
    assert chain.stationary == pytest.approx([b / (a + b), a / (a + b)], abs=1e-12)
    assert chain.entropy_rate == pytest.approx((b * binary[0] + a * binary[1]) / (a + b), abs=1e-12)


def test_conditional_entropies_and_varentropies_agree_with_scipy_and_with_the_definition():
    chain = MarkovChain.random(6, seed=3)
    assert chain.conditional_entropies == pytest.approx(scipy.stats.entropy(chain.transitions, axis=1))
    surprisal = -np.log(chain.transitions)
    mean = (chain.transitions * surprisal).sum(1)
    assert chain.conditional_varentropies == pytest.approx(
        (chain.transitions * surprisal**2).sum(1) - mean**2
    )


def test_zero_probabilities_contribute_nothing_and_are_never_sampled():
    chain = MarkovChain([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
    assert chain.conditional_entropies == pytest.approx([0, np.log(2), 0])
    states = chain.sample(2000, seed=1)
    assert (chain.transitions[states[:-1], states[1:]] > 0).all()
    assert np.isfinite(chain.surprisal(states)).all()


def test_sample_frequencies_are_within_their_sampling_error_of_the_stationary_distribution():
    chain = MarkovChain.random(5, concentration=2.0, seed=0)
    frequencies = np.bincount(chain.sample(50_000, seed=0), minlength=5) / 50_001
    assert abs(frequencies - chain.stationary).max() < 0.02


def test_same_seed_same_path_and_other_seed_other_path():
    chain = MarkovChain.random(8, seed=0)
    assert (chain.sample(50, seed=7) == chain.sample(50, seed=7)).all()
    assert (chain.sample(50, seed=7) != chain.sample(50, seed=8)).any()


@pytest.mark.parametrize(
    ("transitions", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], "row 0 is not a distribution"),
        ([[1.0, 0.0], [1.5, -0.5]], "row 1 is not a distribution"),
        ([[1.0, 0.0]], "square"),
        ([[np.nan]], "row 0"),
    ],
)
def test_a_matrix_that_is_not_stochastic_is_refused(transitions, message):
    with pytest.raises(ValueError, match=message):
        MarkovChain(transitions)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: MarkovChain.random(0), "states"),
        (lambda: MarkovChain.random(3, concentration=0.0), "concentration"),
        (lambda: MarkovChain([[1.0]]).sample(-1), "steps"),
        (lambda: MarkovChain([[1.0]]).sample(1, start=1), "start"),
    ],
)
def test_bad_arguments_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
