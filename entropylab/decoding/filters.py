"""Truncation by rank or by probability: the filters that locally typical sampling is compared with.

Each takes logits [..., V] and returns logits of the same shape with the excluded tokens at `filter_value`;
the kept sets are those of the warpers of transformers. A row with NaN or +inf, or with only -inf, raises.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from entropylab.information.token_statistics import result_dtype, token_statistics
from entropylab.information.validation import check_count, check_logits, check_mass, refuse_invalid


def top_k_filter(logits: Tensor, k: int, *, filter_value: float = -math.inf) -> Tensor:
    """Keep the k likeliest tokens, and those that tie with the last of them (Fan, Lewis and Dauphin 2018).

    Parameters
    ----------
    logits : Tensor [..., V]
    k : int
        At least 1; from V on, every token is kept.
    filter_value : float
        What the other logits become.

    Returns
    -------
    Tensor [..., V]

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.
    """
    k = check_count(k, "k")
    _check_rows(logits)
    least = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, filter_value)


def top_p_filter(
    logits: Tensor, mass: float, *, min_tokens_to_keep: int = 1, filter_value: float = -math.inf
) -> Tensor:
    """Keep the nucleus: the fewest likeliest tokens that hold the mass (Holtzman et al. 2020).

    Among tokens of equal probability at the cut, those later in the vocabulary are kept, as transformers
    does.

    Parameters
    ----------
    logits : Tensor [..., V]
    mass : float
        Probability to keep, in (0, 1]; 1 returns the logits unchanged.
    min_tokens_to_keep : int
        At least 1.
    filter_value : float
        What the other logits become.

    Returns
    -------
    Tensor [..., V]

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.
    """
    mass = check_mass(mass)
    count = check_count(min_tokens_to_keep, "min_tokens_to_keep")
    _check_rows(logits)
    if mass >= 1.0:
        return logits.clone()
    ascending = _sorted(logits)
    # The unlikeliest tokens that together hold at most 1 - mass go; the sum starts with the smallest.
    removed = (ascending.to(result_dtype(logits)).softmax(-1).cumsum(-1) <= 1.0 - mass).sum(-1, keepdim=True)
    removed = removed.clamp_max(max(logits.shape[-1] - count, 0))
    least = ascending.gather(-1, removed.clamp_max(max(logits.shape[-1] - 1, 0)))
    below, tied = logits < least, logits == least
    surplus = removed - below.sum(-1, keepdim=True)
    if (surplus > 0).any():  # the cut goes through equal logits: the earlier ones go
        below |= tied & (tied.cumsum(-1) <= surplus)
    return logits.masked_fill(below, filter_value)


def _sorted(logits: Tensor) -> Tensor:
    """Each row in ascending order."""
    if (
        logits.device.type == "cpu"
        and not logits.requires_grad
        and logits.dtype in (torch.float32, torch.float64)
    ):
        return torch.from_numpy(np.sort(logits.numpy(), axis=-1))  # vectorised: many times as fast as torch's
    return logits.sort(dim=-1).values


def min_p_filter(
    logits: Tensor, ratio: float, *, min_tokens_to_keep: int = 1, filter_value: float = -math.inf
) -> Tensor:
    """Keep the tokens at least `ratio` times as likely as the likeliest (Nguyen et al. 2024).

    Parameters
    ----------
    logits : Tensor [..., V]
    ratio : float
        In (0, 1].
    min_tokens_to_keep : int
        Keep at least so many of the likeliest.
    filter_value : float
        What the other logits become.

    Returns
    -------
    Tensor [..., V]

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.
    """
    ratio = check_mass(ratio, "ratio")
    count = check_count(min_tokens_to_keep, "min_tokens_to_keep")
    _check_rows(logits)
    p = logits.to(result_dtype(logits)).softmax(-1)
    removed = p < ratio * p.amax(-1, keepdim=True)
    likeliest = p.topk(min(count, p.shape[-1]), dim=-1).indices
    return logits.masked_fill(removed.scatter(-1, likeliest, False), filter_value)


def eta_filter(
    logits: Tensor, epsilon: float, *, min_tokens_to_keep: int = 1, filter_value: float = -math.inf
) -> Tensor:
    """Keep tokens of probability at least ``min(epsilon, sqrt(epsilon) exp(-H))`` (Hewitt et al. 2022).

    Parameters
    ----------
    logits : Tensor [..., V]
    epsilon : float
        In (0, 1).
    min_tokens_to_keep : int
        Keep at least so many of the likeliest, and those that tie with the last of them.
    filter_value : float
        What the other logits become.

    Returns
    -------
    Tensor [..., V]

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.
    """
    epsilon = check_mass(epsilon, "epsilon")
    if epsilon == 1.0:
        raise ValueError("epsilon: got 1.0, allowed are numbers in (0, 1)")
    count = check_count(min_tokens_to_keep, "min_tokens_to_keep")
    check_logits(logits)
    entropy = token_statistics(logits).entropy
    threshold = (-entropy).exp().mul(math.sqrt(epsilon)).clamp(max=epsilon).unsqueeze(-1)
    unlikely = logits.to(result_dtype(logits)).softmax(-1) < threshold
    least = logits.topk(min(count, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(unlikely & (logits < least), filter_value)


def _check_rows(logits: Tensor) -> None:
    check_logits(logits)
    # The maximum of a row is NaN, +inf or -inf exactly if the row is not allowed.
    refuse_invalid(logits, ~logits.detach().amax(-1).isfinite())
