"""Utilities as training moves them: the identities of the chapter, its reference cases, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from scipy.stats import kendalltau

from entropylab.information.utility import (
    expected_step,
    order_agreement,
    pairwise_update,
    stochastic_trajectory,
)

LAW = np.array([0.4, 0.3, 0.2, 0.1])


def kl(p, q):
    return rel_entr(p, q).sum(-1)


def test_one_observation_has_its_hand_computed_step():
    u = pairwise_update([1.0, 0.0, -1.0], np.int64(2), 0.5)
    assert u == pytest.approx([0.667379522113, -0.122364235527, -0.545015286585], abs=1e-12)
    assert u.sum() == pytest.approx(0, abs=1e-15)


def test_the_duels_are_the_gradient_step_of_torch():
    rng = np.random.default_rng(0)
    start, y = rng.normal(size=(50, 10)), rng.integers(10, size=50)
    u = torch.tensor(start, requires_grad=True)
    torch.nn.functional.cross_entropy(u, torch.tensor(y), reduction="sum").backward()
    np.testing.assert_allclose(pairwise_update(start, y, 0.3), start - 0.3 * u.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize(
    ("steps", "loss", "utilities"),
    [
        (1, 0.10150263440082914, [0.015, 0.005, -0.005, -0.015]),
        (10, 0.06669761392029995, None),
        (100, 0.00254399363639125, [0.529908940359, 0.236496053084, -0.141413945600, -0.624991047844]),
        (1000, 9.38e-13, None),
    ],
)
def test_expected_steps_have_the_reference_trajectory(steps, loss, utilities):
    u = np.zeros(4)
    for _ in range(steps):
        u = expected_step(u, LAW, 0.1)
    assert kl(LAW, softmax(u)) == pytest.approx(loss, rel=1e-10 if steps < 1000 else 5e-3)
    if utilities is not None:
        assert u == pytest.approx(utilities, abs=1e-11)


def test_the_expected_step_is_the_mean_of_the_observed_ones():
    u = np.array([0.3, -1.0, 0.2, 2.0])
    steps = pairwise_update(np.tile(u, (4, 1)), np.arange(4), 0.7)
    assert LAW @ steps == pytest.approx(expected_step(u, LAW, 0.7), abs=1e-15)


@pytest.mark.parametrize("rate", [0.1, 1.0, 2.0])
def test_the_order_is_right_after_every_expected_step(rate):
    law = np.random.default_rng(1).dirichlet(np.ones(7), 100)
    u = np.zeros_like(law)
    for _ in range(50):
        u = expected_step(u, law, rate)
        assert order_agreement(u, law).exact.all()


def test_a_large_step_breaks_the_order():
    law = np.random.default_rng(1).dirichlet(np.ones(7), 100)
    u = np.zeros_like(law)
    broken = np.zeros(100, dtype=bool)
    for _ in range(50):
        u = expected_step(u, law, 20.0)
        broken |= ~order_agreement(u, law).exact
    assert broken.mean() > 0.9


def test_stochastic_training_has_its_reference_trajectory():
    generator = np.random.default_rng(1)
    law = generator.dirichlet(np.full(20, 0.3), 200)
    marks = [5, 20, 100, 500, 2000]
    kept = stochastic_trajectory(law, 0.5, marks, seed=generator)
    p = softmax(kept, axis=-1)
    assert kl(law, p).mean(-1) == pytest.approx([0.6976, 0.3601, 0.1772, 0.1309, 0.1035], abs=5e-5)
    top = order_agreement(kept, np.broadcast_to(law, kept.shape)).top_choice.mean(-1)
    assert top == pytest.approx([0.415, 0.685, 0.63, 0.56, 0.615])
    assert (p * law).sum(-1).mean(-1) == pytest.approx([0.0749, 0.1386, 0.1811, 0.1867, 0.1872], abs=5e-5)
    assert (law**2).sum(-1).mean() == pytest.approx(0.1899, abs=5e-5)


def test_a_checkpoint_at_zero_is_the_start_and_checkpoints_do_not_change_the_run():
    law = np.random.default_rng(0).dirichlet(np.ones(5), 8)
    all_steps = stochastic_trajectory(law, 0.5, range(6), seed=3)
    assert not all_steps[0].any()
    np.testing.assert_array_equal(stochastic_trajectory(law, 0.5, [2, 5], seed=3), all_steps[[2, 5]])
    for before, after in zip(all_steps, all_steps[1:], strict=False):
        observed = (after - before + 0.5 * softmax(before, axis=1)).argmax(1)
        np.testing.assert_allclose(pairwise_update(before, observed, 0.5), after, atol=1e-14)


def test_kendall_tau_agrees_with_scipy_and_vanishes_for_a_shuffled_law():
    rng = np.random.default_rng(2)
    u, law = rng.normal(size=(400, 12)), rng.dirichlet(np.ones(12), 400)
    tau = order_agreement(u, law).kendall_tau
    expected = [kendalltau(a, b).statistic for a, b in zip(u, law, strict=True)]
    assert tau == pytest.approx(expected, abs=1e-12)
    assert abs(tau.mean()) < 0.05
    assert order_agreement(law, law).exact.all() and (order_agreement(-law, law).kendall_tau == -1).all()


def test_ties_count_nothing_and_are_not_the_exact_order():
    agreement = order_agreement([0.0, 0.0, 1.0], [0.2, 0.3, 0.5])
    assert agreement.kendall_tau == pytest.approx(2 / 3) and not agreement.exact and agreement.top_choice


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pairwise_update([0.0, np.inf], np.int64(0), 1), "utilities: got shape"),
        (lambda: pairwise_update([0.0, 1.0], np.int64(2), 1), "observed: got 2 to 2, allowed is 0 to 1"),
        (lambda: pairwise_update([0.0, 1.0], 0.5, 1), "observed: got float64"),
        (lambda: pairwise_update([0.0, 1.0], np.int64(0), -1), "rate: got -1"),
        (lambda: expected_step([0.0, 1.0], [0.5, 0.4], 1), "law: a row is not a distribution"),
        (lambda: expected_step([0.0, 1.0], [1.0], 1), r"law: got shape \(1,\)"),
        (lambda: stochastic_trajectory([0.5, 0.5], 1, [1], seed=0), "law: got shape"),
        (lambda: stochastic_trajectory([[0.5, 0.5]], 1, [2, 1], seed=0), r"checkpoints: got \[2, 1\]"),
        (lambda: order_agreement([1.0], [1.0]), "utilities, law: got shapes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
