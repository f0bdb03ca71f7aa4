"""What a credit rule sees and what it may change; the base class changes nothing, which is plain GRPO."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor

from entropylab.reasoning.rollout import Rollouts


class Batch(NamedTuple):
    """A rollout batch of P prompts with G chains each; row ``p * G + g`` of the rollouts is chain g of prompt p.

    Attributes
    ----------
    rollouts : Rollouts
        P * G chains.
    rewards : float Tensor (P, G)
    answers : list of list of hashable or None, shape (P, G)
        Parsed final answers; ``None`` where there is none.
    """

    rollouts: Rollouts
    rewards: Tensor
    answers: list[list[Hashable | None]]


class Credit:
    """Plain GRPO: every token of a chain has the chain's advantage, and counts the same."""

    def advantages(self, advantages: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """Change advantages once per rollout batch.

        Parameters
        ----------
        advantages : Tensor (P, G)
        batch : Batch
        generator : torch.Generator
            For rules that draw.

        Returns
        -------
        Tensor (P, G) or (P, G, T)
        """
        return advantages

    def token_weights(self, entropy: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor | None:
        """Weights of the tokens of one mini-batch, under the current policy.

        Parameters
        ----------
        entropy : Tensor (B, T)
            Nats, without gradient.
        mask : bool Tensor (B, T)
        generator : torch.Generator

        Returns
        -------
        Tensor (B, T) or None
            ``None``: all count.
        """
        return None
