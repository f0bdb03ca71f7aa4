"""Many texts of a Markov chain, and their exact figures."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab import detection
from entropylab.sources import MarkovChain

A, B = detection.markov_rivals(2, states=6)


def test_texts_follow_the_chain():
    states = detection.sample_texts(A, 400, 200, seed=1)
    assert states.shape == (400, 201)
    counts = np.zeros((6, 6))
    np.add.at(counts, (states[:, :-1], states[:, 1:]), 1)
    visits = counts.sum(1, keepdims=True)
    error = np.sqrt(A.transitions * (1 - A.transitions) / visits) + 1e-9
    assert (abs(counts / visits - A.transitions) < 5 * error + 1e-4).all()
    assert np.array_equal(states, detection.sample_texts(A, 400, 200, seed=1))
    assert not np.array_equal(states, detection.sample_texts(A, 400, 200, seed=2))


def test_figures_are_those_of_the_rows():
    import torch

    states = detection.sample_texts(B, 3, 8)
    found = detection.markov_evidence(A, states)
    logits = torch.from_numpy(np.log(A.transitions))[states[:, :-1]]
    expected = detection.token_evidence(logits, torch.from_numpy(states[:, 1:]))
    for name, ours, theirs in zip(found._fields, found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=name)
    assert found.surprisal[0] == pytest.approx(A.surprisal(states[0]))


def test_the_rival_is_a_mixture_and_truncation_keeps_the_likeliest():
    assert (B.transitions >= 0.7 * A.transitions - 1e-12).all()
    cut = detection.truncated(A, 2)
    assert ((cut.transitions > 0).sum(1) == 2).all()
    assert (cut.transitions.argmax(1) == A.transitions.argmax(1)).all()
    assert np.allclose(detection.truncated(A, 6).transitions, A.transitions)


def test_cross_entropies_and_the_sign_of_truncation():
    c = detection.transition_cross_entropies(A, A)
    assert np.allclose(c, A.conditional_entropies)
    other = detection.transition_cross_entropies(B, A)
    divergence = other - B.conditional_entropies
    assert (divergence >= 0).all()
    for keep in (1, 2, 5):
        assert (detection.transition_cross_entropies(detection.truncated(A, keep), A) <= c + 1e-12).all()
    certain = MarkovChain([[1.0, 0.0], [0.5, 0.5]])
    assert detection.transition_cross_entropies(MarkovChain([[0.5, 0.5]] * 2), certain)[0] == np.inf


def test_bad_input():
    with pytest.raises(ValueError, match="states: got 1, allowed is 2 or more"):
        detection.markov_rivals(0, states=1)
    with pytest.raises(ValueError, match="keep: got 7, allowed is 1 to 6"):
        detection.truncated(A, 7)
    with pytest.raises(ValueError, match="texts: got 0, allowed is 1 or more"):
        detection.sample_texts(A, 0, 5)
    with pytest.raises(ValueError, match="tokens: got 0, allowed is 1 or more"):
        detection.sample_texts(A, 5, 0)
