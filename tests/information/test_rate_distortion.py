"""Rate curves: closed forms, the reference cases of the chapter, convergence, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import entr

from entropylab.information.rate_distortion import (
    fixed_reference_policy,
    information,
    rate_distortion,
    rate_reward,
    tangent_bound,
)

P = np.array([0.5, 0.3, 0.2])


def binary_entropy(p):
    return entr(p) + entr(1 - p)


@pytest.mark.parametrize(("distortion", "rate"), [(0.1, 0.3680642071684971), (0.25, 0.130812035941137)])
def test_the_fair_bit_with_hamming_distortion(distortion, rate):
    point = rate_distortion([0.5, 0.5], 1 - np.eye(2), np.log(1 / distortion - 1))
    assert point.cost == pytest.approx(distortion, abs=1e-12)
    assert point.rate == pytest.approx(rate, abs=1e-12)
    assert point.rate == pytest.approx(np.log(2) - binary_entropy(distortion), abs=1e-12)
    assert point.gap == pytest.approx(0, abs=1e-12)


def test_log_loss_gives_a_straight_line():
    law = np.array([0.7, 0.3])
    grid = np.concatenate([[1e-9], np.linspace(0, 1, 201)[1:-1], [1 - 1e-9]])
    loss = -np.log([1 - grid, grid])
    points = rate_distortion(law, loss, [0.5, 1.0, 2.0], iterations=2000)
    assert entr(law).sum() == pytest.approx(0.6108643020548935, abs=1e-15)
    assert points.rate[1:] + points.cost[1:] == pytest.approx(entr(law).sum(), abs=1e-6)
    assert points.rate[0] < 1e-3
    assert points.cost[2] < 1e-6
    assert points.gap[0] > 1e-6  # what is not used dies out slowly, and the gap says so


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
        (lambda: rate_distortion([0.5, 0.6], np.eye(2), 1.0), "p_x: row 0"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(3), 1.0), "distortion: got shape"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2) / 0.0, 1.0), "distortion: got shape"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2), -1.0), "slope: got -1.0"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2), 1.0, iterations=0), "iterations: got 0"),
        (lambda: rate_reward(P, np.eye(3), 0.0), "temperature: got 0.0"),
        (lambda: fixed_reference_policy(P, np.eye(2), [1.0], 1.0), "reward: got shape"),
        (lambda: fixed_reference_policy(P, np.eye(3), [0.5, 0.5], 1.0), "reference: got 2"),
        (
            lambda: tangent_bound(rate_reward(P, np.eye(3), [1.0], iterations=2), [1.0, 2.0], 0.5),
            "temperature: got",
        ),
        (lambda: information(P, [[1.0]]), "kernel: got shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
