"""Cross-entropy of tokens from hidden states and the output matrix, without the logits (Wijmans et al. 2025)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from entropylab.information.gradient_filter import GradientFilter
from entropylab.information.linear_head import check_head
from entropylab.information.linear_token_statistics import IGNORED, statistics_of
from entropylab.information.validation import check_targets, check_temperature

Reduction = Literal["mean", "sum", "none"]


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    ignore_index: int = IGNORED,
    gradient_filter: GradientFilter | None = None,
    block: tuple[int, int] | None = None,
    check_finite: bool = True,
) -> Tensor:
    """``cross_entropy(softcap(hidden @ weight.T + bias) / temperature, targets)``, without the logits in memory.

    Parameters
    ----------
    hidden : Tensor [..., D]
        float16, bfloat16, float32 or float64.
    weight : Tensor [V, D]
    targets : integer Tensor [...]
    bias : Tensor [V], optional
    temperature : float
        Divides the logits, after the soft-cap.
    softcap : float, optional
        ``c`` in ``c tanh(z / c)``.
    reduction : {"mean", "sum", "none"}
        As in torch: the mean is over the tokens that are not ignored, and NaN if there is none.
    ignore_index : int
        Tokens with this target are removed before any work; with ``"none"`` their loss is 0.
    gradient_filter : GradientFilter, optional
        Set small gradients to zero, at no gain in time; by default they are exact.
    block : (int, int), optional
        Rows and tokens of a block.
    check_finite : bool
        Raise if a row of logits has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor
        In nats, a number, or [...] for ``"none"``; float32 (float64 for float64 input), differentiable once.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.
    """
    head = check_head(hidden, weight, bias, softcap, block)
    temperature = check_temperature(temperature)
    if reduction not in get_args(Reduction):
        raise ValueError(
            f"reduction: got {reduction!r}, allowed are {', '.join(map(repr, get_args(Reduction)))}"
        )
    like: Any = hidden.new_empty(()).expand(*hidden.shape[:-1], len(weight))
    ignored = targets == ignore_index if isinstance(targets, Tensor) else torch.zeros(())
    tokens = check_targets(targets.masked_fill(ignored, 0) if isinstance(targets, Tensor) else targets, like)
    kept = (~ignored).reshape(-1).nonzero()[:, 0]
    head = replace(head, hidden=head.hidden[kept])
    losses: Tensor = statistics_of(
        head,
        tokens.reshape(-1)[kept],
        temperature,
        check_finite=check_finite,
        gradient_filter=gradient_filter,
    ).surprisal
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.mean()
    return losses.new_zeros(math.prod(hidden.shape[:-1])).index_copy(0, kept, losses).view(hidden.shape[:-1])
