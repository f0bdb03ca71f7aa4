"""Smaller updates where sampled answers disagree: SEED-GRPO, Chen et al. 2025, arXiv 2505.12346, Eq. 6.

The advantages of a prompt are multiplied by a decreasing function of the semantic entropy of its answers. The paper
names the forms "linear", "exponential" and "focal" without their formulas: those here are assumptions. "released" is
what an independent re-implementation (liv-daliberti/maxent-grpo) says of the released code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from entropylab.reasoning.answer_clusters import cluster_by_answer, cluster_entropy
from entropylab.reasoning.credit.base import Batch, Credit

Form = Literal["linear", "exponential", "focal", "released"]


def seed_weight(
    semantic_entropy: ArrayLike, answers: int, *, alpha: float = 0.02, form: Form = "linear"
) -> NDArray[np.float64]:
    """The factor of a prompt's advantages; with u its semantic entropy over log G.

    Parameters
    ----------
    semantic_entropy : array of float
        Nats, from 0 to log G.
    answers : int
        G, the number of sampled answers, 2 or more.
    alpha : float
        The dose, from 0 to 1; 0.02 in the paper.
    form : {"linear", "exponential", "focal", "released"}
        1 - alpha u; exp(-alpha u); (1 - u)**alpha; 1 / (1 + alpha u).

    Returns
    -------
    float64 array
        From 0 to 1.

    Raises
    ------
    ValueError
        If a number or the form is not allowed.
    """
    if answers < 2:
        raise ValueError(f"answers: got {answers}, allowed is 2 or more")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: got {alpha}, allowed is 0 to 1")
    share = np.asarray(semantic_entropy, dtype=np.float64) / math.log(answers)
    if share.size and not (share.min() >= -1e-9 and share.max() <= 1 + 1e-9):
        raise ValueError(
            f"semantic_entropy: got up to {share.max() * math.log(answers)}, allowed is 0 to log({answers})"
        )
    share = share.clip(0, 1)
    match form:
        case "linear":
            return np.asarray(1 - alpha * share)
        case "exponential":
            return np.asarray(np.exp(-alpha * share))
        case "focal":
            return np.asarray((1 - share) ** alpha)
        case "released":
            return np.asarray(1 / (1 + alpha * share))
        case _:
            raise ValueError(f"form: got {form!r}, allowed are {get_args(Form)}")


@dataclass(frozen=True)
class SemanticEntropyScale(Credit):
    """Multiply the advantages of each prompt by :func:`seed_weight` of its answers' cluster entropy (counts).

    With ``permuted``, the control, the factors of the prompts with mixed rewards are exchanged among them at random:
    the doses stay, but they no longer go with disagreement.
    """

    alpha: float = 0.02
    form: Form = "linear"
    permuted: bool = False

    def weights(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The factors, float Tensor (P,)."""
        clusters = np.stack([cluster_by_answer(group) for group in batch.answers])
        factors = torch.from_numpy(
            seed_weight(cluster_entropy(clusters), clusters.shape[1], alpha=self.alpha, form=self.form)
        ).to(batch.rewards)
        if self.permuted:
            mixed = (batch.rewards.std(1) > 0).nonzero()[:, 0]
            factors[mixed] = factors[mixed[torch.randperm(len(mixed), generator=generator)]]
        return factors

    def advantages(self, advantages: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """See :meth:`Credit.advantages`."""
        return advantages * self.weights(batch, generator)[:, None]


@dataclass(frozen=True)
class ConstantScale(Credit):
    """The control of the dose: one factor for all prompts."""

    factor: float

    def advantages(self, advantages: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """See :meth:`Credit.advantages`."""
        return advantages * self.factor
