from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr

from entropylab.information.attention_energy import (
    attention_free_energy,
    attention_weights,
    hopfield_energy,
    hopfield_update,
)

SCORES = np.array([1.0, 0.0, -1.0])


def test_the_reference_case():
    a, b = attention_weights(SCORES, 0.5), np.array([0.6, 0.3, 0.1])
    assert a == pytest.approx([0.8668133322, 0.1173104278, 0.0158762400], abs=1e-10)
    least = attention_free_energy(a, SCORES, 0.5)
    assert least == pytest.approx(-1.0714658142, abs=1e-10)
    excess = attention_free_energy(b, SCORES, 0.5) - least
    assert excess == pytest.approx(0.1224929518, abs=1e-10)
    assert excess == pytest.approx(0.5 * rel_entr(b, a).sum(), abs=1e-14)


def test_nothing_is_below_the_minimum():
    generator = np.random.default_rng(0)
    scores, weights = generator.normal(size=(1000, 5)), generator.dirichlet(np.full(5, 0.3), 1000)
    least = attention_free_energy(attention_weights(scores, 2.0), scores, 2.0)
    assert (attention_free_energy(weights, scores, 2.0) > least).all()


def test_retrieval_never_raises_the_energy():
    generator = np.random.default_rng(0)
    patterns, states = generator.normal(size=(20, 6)), 3 * generator.normal(size=(500, 6))
    for beta in (0.1, 1.0, 8.0):
        energies = [hopfield_energy(patterns, states, beta)]
        now = states
        for _ in range(5):
            now = hopfield_update(patterns, now, beta)
            energies.append(hopfield_energy(patterns, now, beta))
        assert (np.diff(energies, axis=0) <= 1e-10).all()
        assert (energies[1] < energies[0] - 1e-3).all()


def test_a_separated_pattern_is_found_in_one_step():
    patterns = 4 * np.eye(3)
    assert hopfield_update(patterns, [3.0, 0.5, 0.2], 4.0) == pytest.approx([4, 0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attention_weights([np.inf]), "scores: got an array"),
        (lambda: attention_weights([1.0], 0), "temperature: got 0"),
        (lambda: attention_free_energy([0.5, 0.6], [1.0, 1.0]), "weights: row 0"),
        (lambda: attention_free_energy([0.5, 0.5], [1.0]), "scores: got 1"),
        (lambda: hopfield_energy([1.0], [1.0], 1.0), "patterns, states: got shapes"),
        (lambda: hopfield_update(np.eye(2), [1.0], 1.0), "patterns, states: got shapes"),
        (lambda: hopfield_update(np.eye(2), [1.0, 0.0], -1.0), "beta: got -1.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
