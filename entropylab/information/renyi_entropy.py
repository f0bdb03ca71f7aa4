"""Renyi entropy (Renyi 1961): one family from the size of the support to the likeliest token."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from entropylab.information.distributions import distribution, expected
from entropylab.information.entropy import entropy
from entropylab.information.validation import check_logits, check_order

# Nearer than this to order 1 the textbook formula is a quotient of two small numbers.
NEAR_ONE = 0.05


def renyi_entropy(logits: Tensor, order: float, *, check_finite: bool = True) -> Tensor:
    """``log(sum p^order) / (1 - order)`` of every row of logits.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; -inf marks a token that cannot occur.
    order : float
        At least 0. 0: logarithm of the number of possible tokens; 1: Shannon entropy; 2: collision entropy;
        ``inf``: surprisal of the likeliest token.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats, never growing with the order; float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError, ValueError
        If the logits or the order are not allowed; the message names them.
    """
    check_logits(logits)
    order = check_order(order, finite=False)
    if order == 1.0:
        return entropy(logits, check_finite=check_finite)
    p, log_p = distribution(logits, "logits", check_finite)
    if order == 0.0:
        invalid = log_p.isnan().any(-1)
        return (logits > -math.inf).sum(-1).to(log_p.dtype).log().masked_fill(invalid, math.nan)
    if math.isinf(order):
        return -log_p.amax(-1)
    if abs(order - 1.0) < NEAR_ONE:
        return torch.log1p(expected(p, torch.expm1((order - 1.0) * log_p.masked_fill(p == 0.0, 0.0)))) / (
            1.0 - order
        )
    return (order * log_p).logsumexp(-1) / (1.0 - order)
