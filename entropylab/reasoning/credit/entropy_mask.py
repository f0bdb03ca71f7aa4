"""Keep the policy gradient of the tokens with the highest entropy only: Wang et al. 2025, arXiv 2506.01939, Eq. 6.

The paper keeps the top fifth of each (micro-)batch and divides by the kept tokens (aggregation "kept" of
:func:`entropylab.reasoning.policy_loss`). "topk" is the rule of the authors' code, "quantile" that of TRL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from entropylab.reasoning.credit.base import Credit

Rule = Literal["topk", "quantile"]
Choice = Literal["top", "bottom", "random"]


def entropy_mask(entropy: Tensor, mask: Tensor, share: float, *, rule: Rule = "topk") -> Tensor:
    """The tokens with the highest entropy.

    Parameters
    ----------
    entropy : Tensor (B, T)
        Nats.
    mask : bool Tensor (B, T)
        Tokens that count; the others are never kept and do not enter the threshold.
    share : float
        Share of the counted tokens to keep, above 0 and at most 1.
    rule : {"topk", "quantile"}
        "topk": exactly ``max(1, int(n * share + 0.9999))`` of n tokens, ties broken by order. "quantile": all at or
        above the (1 - share) quantile with linear interpolation; ties are kept together.

    Returns
    -------
    bool Tensor (B, T)

    Raises
    ------
    ValueError
        If shapes do not agree, or share or rule is not allowed.
    """
    if entropy.shape != mask.shape:
        raise ValueError(
            f"entropy, mask: got shapes {tuple(entropy.shape)} and {tuple(mask.shape)}, allowed is one shape"
        )
    if not 0 < share <= 1:
        raise ValueError(f"share: got {share}, allowed is above 0 and at most 1")
    if rule not in get_args(Rule):
        raise ValueError(f"rule: got {rule!r}, allowed are {get_args(Rule)}")
    values = entropy[mask]
    kept = torch.zeros_like(mask)
    if not len(values):
        return kept
    if rule == "quantile":
        kept[mask] = values >= _quantile(values, 1 - share)
        return kept
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[values.argsort(descending=True, stable=True)[: _count(len(values), share)]] = True
    kept[mask] = chosen
    return kept


def _count(tokens: int, share: float) -> int:
    return min(tokens, max(1, int(tokens * share + 0.9999)))


def _quantile(values: Tensor, level: float) -> Tensor:
    """As torch.quantile, which refuses more than 2**24 values."""
    ordered = values.sort().values
    place = level * (len(ordered) - 1)
    low = math.floor(place)
    return torch.lerp(ordered[low], ordered[min(low + 1, len(ordered) - 1)], place - low)


@dataclass(frozen=True)
class EntropyMask(Credit):
    """Keep the top ``share`` of a mini-batch, or, as controls, the rest of it or as many tokens at random."""

    share: float = 0.2
    choice: Choice = "top"
    rule: Rule = "topk"

    def __post_init__(self) -> None:
        if self.choice not in get_args(Choice):
            raise ValueError(f"choice: got {self.choice!r}, allowed are {get_args(Choice)}")

    def token_weights(self, entropy: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """1 for kept tokens, else 0; see :meth:`Credit.token_weights`."""
        if self.choice == "random":
            entropy = torch.rand(entropy.shape, generator=generator).to(entropy)
        top = entropy_mask(entropy, mask, self.share, rule=self.rule)
        return (mask & ~top if self.choice == "bottom" else top).to(entropy.dtype)
