"""Tsallis entropy (Tsallis 1988; Havrda and Charvat 1967)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from entropylab.information.distributions import distribution, expected
from entropylab.information.entropy import entropy
from entropylab.information.renyi_entropy import NEAR_ONE
from entropylab.information.validation import check_logits, check_order


def tsallis_entropy(logits: Tensor, order: float, *, check_finite: bool = True) -> Tensor:
    """``(1 - sum p^order) / (order - 1)`` of every row of logits.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; -inf marks a token that cannot occur.
    order : float
        Finite, at least 0. 0: number of possible tokens less 1; 1: Shannon entropy in nats; 2: Gini impurity.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        Without a unit but for order 1; float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError, ValueError
        If the logits or the order are not allowed; the message names them.
    """
    check_logits(logits)
    order = check_order(order, finite=True)
    if order == 1.0:
        return entropy(logits, check_finite=check_finite)
    p, log_p = distribution(logits, "logits", check_finite)
    if order == 0.0:
        invalid = log_p.isnan().any(-1)
        return ((logits > -math.inf).sum(-1) - 1).to(log_p.dtype).masked_fill(invalid, math.nan)
    if abs(order - 1.0) < NEAR_ONE:
        return expected(p, torch.expm1((order - 1.0) * log_p.masked_fill(p == 0.0, 0.0))) / (1.0 - order)
    return -torch.expm1((order * log_p).logsumexp(-1)) / (order - 1.0)
