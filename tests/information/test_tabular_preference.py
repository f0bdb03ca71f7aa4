"""The exact loss over all pairs: its optimum by search, in closed form, and in the reference cases of the chapter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.information.differential_information import did, optimal_rejected
from entropylab.information.preference import dpo_loss
from entropylab.information.tabular_preference import (
    fit_policy,
    length_normalised_reward,
    log_ratio_reward,
    optimal_policy,
    pair_weights,
    preference_loss,
    reference_free_reward,
    signed_square_reward,
)

REF = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64).log()
TARGET = REF.flip(0)
REJECTED = optimal_rejected(REF, TARGET, 0.5)


def kl(p, q):
    return float((p.exp() * (p - q)).sum())


def test_dpo_finds_the_target_of_the_reference_case():
    weights, reward = pair_weights(REF, REJECTED), log_ratio_reward(0.5)
    found = fit_policy(weights, REF, reward)
    assert found.exp().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-7)
    assert float(preference_loss(found, weights, REF, reward)) == pytest.approx(0.6503879625351974, abs=1e-13)


def test_a_reference_free_reward_finds_the_did():
    weights, reward = pair_weights(REF, REJECTED), reference_free_reward(0.5)
    found = fit_policy(weights, REF, reward)
    assert found.exp().tolist() == pytest.approx(did(TARGET, REF).exp().tolist(), abs=1e-7)
    assert float(preference_loss(found, weights, REF, reward)) == pytest.approx(0.6503879625351974, abs=1e-13)
    assert kl(TARGET, found) == pytest.approx(0.12260967, abs=1e-6)
    mixture = ((TARGET.exp() + found.exp()) / 2).log()
    assert (kl(TARGET, mixture) + kl(found, mixture)) / 2 == pytest.approx(0.02901498, abs=1e-7)


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.25, [0.011320754717, 0.060377358491, 0.203773584906, 0.724528301887]),
        (1.0, [0.224744871392, 0.275255128608, 0.275255128608, 0.224744871392]),
    ],
)
def test_another_beta_of_the_learner_finds_another_policy(beta, expected):
    assert optimal_policy(REF, REJECTED, REF, log_ratio_reward(beta)).exp().tolist() == pytest.approx(
        expected, abs=1e-11
    )
    found = fit_policy(pair_weights(REF, REJECTED), REF, log_ratio_reward(beta))
    assert found.exp().tolist() == pytest.approx(expected, abs=1e-7)


def test_uniform_rejected_answers_sharpen_the_reference():
    found = fit_policy(pair_weights(REF, torch.zeros(4, dtype=torch.float64)), REF, log_ratio_reward(0.5))
    assert found.exp().tolist() == pytest.approx([0.64, 0.27, 0.08, 0.01], abs=1e-6)


REWARDS = {
    "log ratio": log_ratio_reward(0.5),
    "reference-free": reference_free_reward(0.5),
    "length": length_normalised_reward(0.5, [1, 2, 3, 4, 1, 2, 3, 4]),
    "signed square": signed_square_reward(0.5),
}


@pytest.mark.parametrize("name", REWARDS)
def test_search_and_closed_form_agree(name):
    rng = np.random.default_rng(3)
    chosen, rejected, ref = (torch.from_numpy(np.log(rng.dirichlet(np.full(8, 3.0)))) for _ in range(3))
    reward = REWARDS[name]
    found = fit_policy(pair_weights(chosen, rejected), ref, reward)
    closed = optimal_policy(chosen, rejected, ref, reward)
    assert kl(closed, found) < 1e-6
    log_ref = ref.log_softmax(0)
    torch.testing.assert_close(reward.inverse(reward.of(closed, log_ref), log_ref), closed)
    spread = reward.of(closed, log_ref) - (chosen - rejected)
    assert float(spread.max() - spread.min()) < 1e-10


def test_the_loss_is_the_mean_of_dpo_over_pairs_and_its_gradient_is_right():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=4)).requires_grad_()
    weights = pair_weights(REF, REJECTED)
    log_pi = logits.log_softmax(0)
    i, j = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    pairs = dpo_loss(log_pi[i], log_pi[j], REF[i], REF[j], beta=0.5)
    torch.testing.assert_close(
        preference_loss(logits, weights, REF, log_ratio_reward(0.5)), (weights * pairs).sum()
    )
    assert torch.autograd.gradcheck(
        lambda z: preference_loss(z, weights, REF, signed_square_reward(0.5)), (logits,)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: preference_loss(REF, torch.zeros(3, 3), REF, log_ratio_reward(1)),
            "logits, weights: got shapes",
        ),
        (
            lambda: preference_loss(REF, torch.full((4, 4), -1.0), REF, log_ratio_reward(1)),
            "weights: got -1.0",
        ),
        (lambda: fit_policy(torch.zeros(4, 4), REF, log_ratio_reward(1), starts=0), "starts: got 0"),
        (
            lambda: optimal_policy(REF, torch.full((4,), -torch.inf), REF, log_ratio_reward(1)),
            "rejected_logits: got numbers that are not finite",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
