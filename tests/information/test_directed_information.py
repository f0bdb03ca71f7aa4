"""Directed information: hand-checkable channels, the laws of information, causal models, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.directed_information import (
    causal_conditionals,
    causal_entropy,
    causal_loss,
    conditional_mutual_information,
    directed_information,
    mutual_information,
    output_entropy,
    reverse_directed_information,
)
from entropylab.information.finite_divergences import kl
from entropylab.sources.feedback_channel import random_channel, reference_channel


def test_the_reference_channel_without_feedback():
    law = reference_channel(0.0)
    assert directed_information(law) == pytest.approx(0.8842485581671353, abs=1e-13)
    assert mutual_information(law) == pytest.approx(0.8842485581671353, abs=1e-13)
    assert reverse_directed_information(law) == pytest.approx(0, abs=1e-13)
    assert output_entropy(law) == pytest.approx(2.0320118172858734, abs=1e-13)
    assert causal_entropy(law) == pytest.approx(1.1477632591187377, abs=1e-13)


def test_the_reference_channel_with_feedback():
    law = reference_channel()
    assert directed_information(law) == pytest.approx(0.7356395445537895, abs=1e-13)
    assert mutual_information(law) == pytest.approx(0.8461125104445739, abs=1e-13)
    assert reverse_directed_information(law) == pytest.approx(0.11047296589078415, abs=1e-13)
    assert output_entropy(law) == pytest.approx(1.8947459720970201, abs=1e-13)
    assert causal_entropy(law) == pytest.approx(1.1591064275432303, abs=1e-13)


@pytest.mark.parametrize("symbols", [2, 3])
def test_information_is_conserved(symbols):
    for seed in range(10):
        law = random_channel(3, symbols, seed=seed)
        forward, back = directed_information(law), reverse_directed_information(law)
        assert mutual_information(law) == pytest.approx(forward + back, abs=1e-12)
        assert output_entropy(law) - causal_entropy(law) == pytest.approx(forward, abs=1e-12)
        assert back > 1e-4
        assert reverse_directed_information(random_channel(3, symbols, feedback=False, seed=seed)) < 1e-12


def test_a_copied_letter_carries_its_entropy_and_an_unused_one_nothing():
    assert directed_information(np.eye(2) / 2) == pytest.approx(np.log(2))
    assert directed_information(np.full((2, 2), 0.25)) == pytest.approx(0, abs=1e-15)


def test_conditioning_can_create_information():
    """Two fair bits and their sum modulo 2: independent in pairs, dependent given the third."""
    law = np.zeros((2, 2, 2))
    for a in range(2):
        for b in range(2):
            law[a, b, a ^ b] = 0.25
    assert conditional_mutual_information(law, [0], [1]) == pytest.approx(0, abs=1e-15)
    assert conditional_mutual_information(law, [0], [1], [2]) == pytest.approx(np.log(2))


def test_the_best_causal_model_has_the_causal_entropy_as_loss():
    law = reference_channel()
    truth = causal_conditionals(law)
    assert causal_loss(law, truth) == pytest.approx(causal_entropy(law), abs=1e-13)
    generator = np.random.default_rng(0)
    model = [generator.dirichlet(np.ones(2), size=p.shape[:-1]) for p in truth]
    gap = sum(
        (law.sum(tuple(range(2 * i + 1, 6))) * kl(p, q)).sum()
        for i, (p, q) in enumerate(zip(truth, model, strict=True))
    )
    assert causal_loss(law, model) - causal_entropy(law) == pytest.approx(gap, abs=1e-13)
    assert gap > 0.1


def test_a_model_that_looks_ahead_gains_what_flows_back():
    law = reference_channel()
    ahead = causal_loss(law, causal_conditionals(law, look_ahead=True))
    gain = output_entropy(law) - ahead - directed_information(law)
    assert gain == pytest.approx(reverse_directed_information(law), abs=1e-13)


def test_a_model_that_rules_out_what_occurs_loses_without_bound():
    assert causal_loss(np.full((2, 2), 0.25), [[[1.0, 0.0], [1.0, 0.0]]]) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: directed_information([[0.5, 0.6]]), "joint: got an array with sum 1.1"),
        (lambda: directed_information([0.5, 0.5]), "joint: got 1 axes"),
        (lambda: mutual_information(np.full((2, 2, 2), 0.125)), "joint: got 3 axes"),
        (lambda: conditional_mutual_information(np.eye(2) / 2, [0], [0]), "first, second, given: got axes"),
        (lambda: conditional_mutual_information(np.eye(2) / 2, [0], [2]), "first, second, given: got axes"),
        (lambda: causal_loss(np.eye(2) / 2, []), "model: got 0 laws"),
        (lambda: causal_loss(np.eye(2) / 2, [[0.5, 0.5]]), r"model\[0\]: got shape"),
        (lambda: causal_loss(np.eye(2) / 2, [[[0.5, 0.6], [1, 0]]]), r"model\[0\]: row 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
