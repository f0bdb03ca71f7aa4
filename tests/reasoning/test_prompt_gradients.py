from __future__ import annotations

import pytest
import torch

from entropylab.reasoning import group_advantages, policy_loss, prompt_gradients, roll_out, score


@pytest.fixture
def batch(policy):
    prompts = torch.tensor([[0, 5, 6], [0, 7, 8], [0, 9, 3]]).repeat_interleave(4, 0)
    generator = torch.Generator().manual_seed(0)
    chains = roll_out(policy, prompts, max_new_tokens=12, end=0, generator=generator)
    rewards = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]])
    return chains, group_advantages(rewards, scale="none")


def test_prompts_add_up_to_the_gradient_of_the_batch(policy, batch):
    chains, advantages = batch
    found = prompt_gradients(policy, chains, advantages, max_tokens=20)
    log_probs = score(policy, chains.prompts, chains.tokens, chains.mask).log_probs
    loss = policy_loss(
        log_probs, log_probs.detach(), advantages.flatten(), chains.mask, aggregation="dr_grpo", max_tokens=20
    )
    loss.backward()
    whole = torch.cat([parameter.grad.flatten() for parameter in policy.parameters()]).double()
    assert found.dtype == torch.float64 and found.shape == (3, len(whole))
    assert torch.allclose(found.sum(0), whole, atol=1e-7) and whole.norm() > 1e-3
    assert not found[1].any()  # a group without a difference in reward


def test_a_factor_scales_a_row_and_token_weights_turn_it(policy, batch):
    chains, advantages = batch
    plain = prompt_gradients(policy, chains, advantages, max_tokens=20)
    assert all(parameter.grad is None for parameter in policy.parameters())
    factors = torch.tensor([0.5, 0.7, 0.9])
    scaled = prompt_gradients(policy, chains, advantages * factors[:, None], max_tokens=20)
    assert (scaled - plain * factors[:, None].double()).norm() < 1e-6 * plain.norm()
    weights = torch.rand(chains.mask.shape, generator=torch.Generator().manual_seed(1))
    turned = prompt_gradients(policy, chains, advantages, max_tokens=20, token_weights=weights)
    assert torch.nn.functional.cosine_similarity(turned[0], plain[0], dim=0) < 0.99


def test_chains_and_advantages_must_fit(policy, batch):
    chains, advantages = batch
    for wrong in (advantages[:2], advantages.flatten()):
        with pytest.raises(ValueError, match="advantages: got shape"):
            prompt_gradients(policy, chains, wrong, max_tokens=20)
