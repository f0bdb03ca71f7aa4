"""The rate-reward function: reference cases, dominance, fixed references, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.rate_distortion import information
from entropylab.information.rate_reward import fixed_reference_policy, rate_reward, tangent_bound

P = np.array([0.5, 0.3, 0.2])


def test_rate_reward_reference_cases():
    points = rate_reward(P, np.eye(3), [0.5, 0.25])
    assert points.rate == pytest.approx([0.36408033216588614, 0.8523293382039959], abs=1e-12)
    assert points.cost == pytest.approx([0.7869860421615985, 0.9646631559719039], abs=1e-12)
    assert points.output[0] == pytest.approx([0.57825882, 0.28434824, 0.13739294], abs=1e-8)
    assert points.gap == pytest.approx(0, abs=1e-12)


def test_no_kernel_beats_the_curve():
    generator = np.random.default_rng(0)
    temperature = np.geomspace(0.1, 1.5, 12)
    points = rate_reward(P, np.eye(3), temperature, iterations=3000)
    for kernel in generator.dirichlet(np.full(3, 0.5), size=(200, 3)):
        reward = P @ np.diagonal(kernel)
        assert information(P, kernel) >= tangent_bound(points, temperature, reward) - 1e-9
    assert tangent_bound(points, temperature, points.cost) == pytest.approx(points.rate, abs=1e-9)


def test_the_fixed_reference_reference_case():
    found = fixed_reference_policy(P, np.eye(3), [0.6, 0.3, 0.1], 1.0)
    assert found.kl == pytest.approx(0.0986590488, abs=1e-10)
    assert found.rate == pytest.approx(0.0974899169, abs=1e-10)
    assert found.reference_kl == pytest.approx(0.0011691319, abs=1e-10)
    assert found.reward == pytest.approx(0.6093491645, abs=1e-10)
    assert found.kl - found.rate == pytest.approx(found.reference_kl, abs=1e-14)


def test_the_optimal_law_as_reference_costs_nothing_more():
    best = rate_reward(P, np.eye(3), 0.5)
    found = fixed_reference_policy(P, np.eye(3), best.output, 0.5)
    assert found.kl == pytest.approx(best.rate, abs=1e-12)
    assert found.policy == pytest.approx(best.kernel, abs=1e-12)


def test_a_letter_outside_the_reference_is_never_used():
    found = fixed_reference_policy(P, np.eye(3), [0.5, 0.5, 0.0], 0.1)
    assert (found.policy[:, 2] == 0).all()
    assert np.isfinite(found.kl)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_reward(P, np.eye(3), 0.0), "temperature: got 0.0"),
        (lambda: fixed_reference_policy(P, np.eye(2), [1.0], 1.0), "reward: got shape"),
        (lambda: fixed_reference_policy(P, np.eye(3), [0.5, 0.5], 1.0), "reference: got 2"),
        (
            lambda: tangent_bound(rate_reward(P, np.eye(3), [1.0], iterations=2), [1.0, 2.0], 0.5),
            "temperature: got",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
