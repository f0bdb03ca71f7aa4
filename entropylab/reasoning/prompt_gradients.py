"""What each prompt adds to the policy gradient of a batch: Chen et al. 2025 (SEED-GRPO), arXiv 2505.12346, Eq. 8-9."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from entropylab.reasoning.losses import policy_loss
from entropylab.reasoning.rollout import Rollouts, score


def prompt_gradients(
    model: PreTrainedModel,
    rollouts: Rollouts,
    advantages: Tensor,
    *,
    max_tokens: int,
    token_weights: Tensor | None = None,
) -> Tensor:
    """Gradient of Dr.GRPO's loss, a row for each prompt, before any step (all probability ratios are 1).

    Parameters
    ----------
    model : PreTrainedModel
        Its gradients are left as they are.
    rollouts : Rollouts
        P * G chains; row ``p * G + g`` is chain g of prompt p.
    advantages : float Tensor (P, G)
        With all factors of prompts in them.
    max_tokens : int
        The most tokens of a chain, by which Dr.GRPO divides.
    token_weights : Tensor (P * G, T), optional
        See :func:`policy_loss`.

    Returns
    -------
    float64 Tensor (P, n)
        n parameters of the model, in their order. The sum over prompts is the gradient of the whole batch's loss.

    Raises
    ------
    ValueError
        If there are not P * G chains.
    """
    if advantages.ndim != 2 or advantages.numel() != len(rollouts.tokens):
        raise ValueError(
            f"advantages: got shape {tuple(advantages.shape)}, allowed is (P, G) for {len(rollouts.tokens)} chains"
        )
    prompts, group = advantages.shape
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rows = []
    for prompt in range(prompts):
        own = torch.arange(prompt * group, (prompt + 1) * group)
        chains = rollouts.rows(own)
        log_probs = score(model, chains.prompts, chains.tokens, chains.mask).log_probs
        loss = policy_loss(
            log_probs,
            log_probs.detach(),
            advantages[prompt],
            chains.mask,
            aggregation="dr_grpo",
            max_tokens=max_tokens,
            token_weights=None if token_weights is None else token_weights[own],
        )
        gradients = torch.autograd.grad(loss / prompts, parameters)
        rows.append(torch.cat([gradient.flatten().double() for gradient in gradients]))
    return torch.stack(rows)
