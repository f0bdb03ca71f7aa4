"""The clipped surrogate loss of GRPO and its relatives, on tensors; no model, no sampling.

GRPO: Shao et al. 2024 (arXiv 2402.03300). Dr.GRPO: Liu et al. 2025 (2503.20783). DAPO: Yu et al. 2025 (2503.14476).
"kept": the normaliser of Wang et al. 2025 (2506.01939, Eq. 6), which divides by the tokens that a mask keeps.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Scale = Literal["group", "none"]
Aggregation = Literal["grpo", "bnpo", "dapo", "dr_grpo", "kept"]


def group_advantages(rewards: Tensor, *, scale: Scale = "group", epsilon: float = 1e-4) -> Tensor:
    """Reward minus the mean of its group, divided by the group's standard deviation or not.

    Parameters
    ----------
    rewards : float Tensor (P, G)
        G answers to each of P prompts, G at least 2.
    scale : {"group", "none"}
        "group": divide by the unbiased standard deviation plus ``epsilon`` (GRPO); "none": do not (Dr.GRPO).
    epsilon : float
        Above 0.

    Returns
    -------
    Tensor (P, G)

    Raises
    ------
    ValueError
        If the shape, the scale or epsilon is not allowed.
    """
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards: got shape {tuple(rewards.shape)}, allowed is (P, G) with G at least 2")
    if scale not in get_args(Scale):
        raise ValueError(f"scale: got {scale!r}, allowed are {get_args(Scale)}")
    if not epsilon > 0:
        raise ValueError(f"epsilon: got {epsilon}, allowed is above 0")
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred if scale == "none" else centred / (rewards.std(1, keepdim=True) + epsilon)


def policy_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip: tuple[float, float] = (0.2, 0.28),
    aggregation: Aggregation = "bnpo",
    token_weights: Tensor | None = None,
    batch_tokens: float | None = None,
    max_tokens: int | None = None,
    kl_coefficient: float = 0.0,
    reference_log_probs: Tensor | None = None,
) -> Tensor:
    """The loss whose descent follows the clipped policy gradient.

    Parameters
    ----------
    log_probs, old_log_probs : Tensor (B, T)
        Of the sampled tokens under the policy (with gradient) and under the one that sampled them, nats.
    advantages : Tensor (B,) or (B, T)
    mask : bool Tensor (B, T)
        The tokens that the policy wrote: no padding, nothing that an environment put in.
    clip : (float, float)
        How far the probability ratio may fall below, and rise above, 1.
    aggregation : str
        What the sum of the token terms is divided by. "grpo": each chain by its own tokens, then the mean over chains;
        "bnpo": by the tokens of this batch; "dapo": by ``batch_tokens``, those of the whole rollout batch; "dr_grpo":
        by B times ``max_tokens``; "kept": by the sum of the token weights.
    token_weights : Tensor (B, T), optional
        Multiply the policy term of each token, not the KL term; a mask of 0 and 1, or any weights of at least 0.
    batch_tokens : float, optional
        For "dapo".
    max_tokens : int, optional
        For "dr_grpo".
    kl_coefficient : float
        Weight of the estimate ``exp(d) - d - 1``, d = reference minus policy log-probability, of the KL to a reference.
    reference_log_probs : Tensor (B, T), optional
        Needed with a coefficient above 0.

    Returns
    -------
    Tensor, scalar
        0 (with gradient 0) if no token counts.

    Raises
    ------
    ValueError
        If shapes do not agree or an argument that the aggregation needs is missing.
    """
    if not (log_probs.shape == old_log_probs.shape == mask.shape) or log_probs.ndim != 2:
        raise ValueError(
            f"log_probs, old_log_probs, mask: got shapes {tuple(log_probs.shape)}, {tuple(old_log_probs.shape)}, "
            f"{tuple(mask.shape)}, allowed is one shape (B, T)"
        )
    if advantages.shape not in (mask.shape, mask.shape[:1]):
        raise ValueError(f"advantages: got shape {tuple(advantages.shape)}, allowed is (B,) or (B, T)")
    if aggregation not in get_args(Aggregation):
        raise ValueError(f"aggregation: got {aggregation!r}, allowed are {get_args(Aggregation)}")
    if token_weights is not None and token_weights.shape != mask.shape:
        raise ValueError(
            f"token_weights: got shape {tuple(token_weights.shape)}, allowed is {tuple(mask.shape)}"
        )
    advantages = advantages[:, None] if advantages.ndim == 1 else advantages
    counted = mask.to(log_probs.dtype)
    weights = counted if token_weights is None else counted * token_weights
    # Outside the mask the log-probabilities may be anything, also infinite.
    ratio = torch.where(mask, log_probs - old_log_probs, 0.0).exp()
    clipped = ratio.clamp(1 - clip[0], 1 + clip[1])
    terms = -torch.minimum(ratio * advantages, clipped * advantages) * weights
    if kl_coefficient:
        if reference_log_probs is None:
            raise ValueError("reference_log_probs: got None, needed with a kl_coefficient that is not 0")
        gap = torch.where(mask, reference_log_probs - log_probs, 0.0)
        terms = terms + kl_coefficient * (gap.exp() - gap - 1) * counted
    match aggregation:
        case "grpo":
            return (terms.sum(1) / counted.sum(1).clamp_min(1)).mean()
        case "bnpo":
            return terms.sum() / counted.sum().clamp_min(1)
        case "kept":
            return terms.sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
        case "dapo":
            if batch_tokens is None or batch_tokens <= 0:
                raise ValueError(f"batch_tokens: got {batch_tokens}, allowed is above 0 for 'dapo'")
            return terms.sum() / batch_tokens
        case "dr_grpo":
            if max_tokens is None or max_tokens < mask.shape[1]:
                raise ValueError(
                    f"max_tokens: got {max_tokens}, allowed is {mask.shape[1]} or more for 'dr_grpo'"
                )
            return terms.sum() / (len(mask) * max_tokens)
