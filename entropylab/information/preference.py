"""Losses that learn from pairs of a chosen and a rejected answer: DPO and its relatives.

DPO: Rafailov et al. 2023, equation 7. IPO: Azar et al. 2024. SLiC's hinge: Zhao et al. 2023, on DPO's margin. SimPO:
Meng et al. 2024. Each gives one loss a pair, differentiable, from the log-probabilities of whole answers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu


def bradley_terry(reward_chosen: Tensor, reward_rejected: Tensor) -> Tensor:
    """Probability that the first of two answers wins: the sigmoid of the difference of rewards.

    Parameters
    ----------
    reward_chosen, reward_rejected : Tensor [...]
        Rewards in nats, of one shape.

    Returns
    -------
    Tensor [...]
        0 to 1. With an answer from one policy and one from another in unknown order, and the log-ratio of the two
        policies as reward, this is the posterior that the first answer came from the first policy.

    Raises
    ------
    TypeError, ValueError
        If the arguments are no tensors of one shape.
    """
    _same_shape(reward_chosen=reward_chosen, reward_rejected=reward_rejected)
    return torch.sigmoid(reward_chosen - reward_rejected)


def dpo_margin(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> Tensor:
    """How much more the policy prefers the chosen answer than the reference does, nats.

    Parameters
    ----------
    chosen, rejected : Tensor [...]
        Log-probabilities of the answers under the policy.
    ref_chosen, ref_rejected : Tensor [...]
        Those under the reference.

    Returns
    -------
    Tensor [...]
        ``(chosen - ref_chosen) - (rejected - ref_rejected)``.

    Raises
    ------
    TypeError, ValueError
        If the arguments are no tensors of one shape.
    """
    _same_shape(chosen=chosen, rejected=rejected, ref_chosen=ref_chosen, ref_rejected=ref_rejected)
    return (chosen - ref_chosen) - (rejected - ref_rejected)


def dpo_loss(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    """``-log sigmoid(beta * margin)``: direct preference optimisation.

    Parameters
    ----------
    chosen, rejected, ref_chosen, ref_rejected : Tensor [...]
        As in :func:`dpo_margin`.
    beta : float
        Above 0; a large one keeps the policy near the reference.

    Returns
    -------
    Tensor [...]
        One loss a pair, nats.

    Raises
    ------
    TypeError, ValueError
        If the tensors do not fit, or beta is not a finite number above 0.
    """
    return -logsigmoid(_beta(beta) * dpo_margin(chosen, rejected, ref_chosen, ref_rejected))


def ipo_loss(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    """``(margin - 1 / (2 beta)) ** 2``: a margin of finite size is aimed at, so separable pairs do not diverge.

    Parameters, errors: as :func:`dpo_loss`.

    Returns
    -------
    Tensor [...]
        One loss a pair, nats squared.
    """
    return (dpo_margin(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * _beta(beta))) ** 2


def hinge_loss(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    """``max(0, 1 - beta * margin)``: pairs whose margin is large enough do not count.

    Parameters, errors: as :func:`dpo_loss`.

    Returns
    -------
    Tensor [...]
        One loss a pair.
    """
    return relu(1 - _beta(beta) * dpo_margin(chosen, rejected, ref_chosen, ref_rejected))


def simpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    length_chosen: Tensor,
    length_rejected: Tensor,
    *,
    beta: float,
    target_margin: float = 0.0,
) -> Tensor:
    """``-log sigmoid(beta * (chosen / length - rejected / length) - target)``: no reference, mean log-probabilities.

    Parameters
    ----------
    chosen, rejected : Tensor [...]
        Log-probabilities of the answers under the policy.
    length_chosen, length_rejected : Tensor [...]
        Tokens of the answers, at least 1.
    beta : float
        Above 0.
    target_margin : float
        The difference of rewards that is aimed at, nats.

    Returns
    -------
    Tensor [...]
        One loss a pair, nats.

    Raises
    ------
    TypeError, ValueError
        If the tensors do not fit, a length is below 1, or beta is not a finite number above 0.
    """
    _same_shape(
        chosen=chosen, rejected=rejected, length_chosen=length_chosen, length_rejected=length_rejected
    )
    for name, length in (("length_chosen", length_chosen), ("length_rejected", length_rejected)):
        if not bool((length >= 1).all()):
            raise ValueError(f"{name}: got {float(length.min())}, allowed is 1 or more")
    return -logsigmoid(_beta(beta) * (chosen / length_chosen - rejected / length_rejected) - target_margin)


def _same_shape(**tensors: Any) -> None:
    (first_name, first), *_ = tensors.items()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: got {type(tensor).__name__}, allowed is a torch tensor")
        if tensor.shape != first.shape:
            raise ValueError(
                f"{name}: got shape {tuple(tensor.shape)}, allowed is that of {first_name}, {tuple(first.shape)}"
            )


def _beta(beta: float) -> float:
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta: got {beta}, allowed are finite numbers above 0")
    return beta
