"""Jensen-Shannon divergence (Lin 1991)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from entropylab.information.distributions import distribution, expected
from entropylab.information.validation import check_pair


def jensen_shannon_divergence(p_logits: Tensor, q_logits: Tensor, *, check_finite: bool = True) -> Tensor:
    """``(KL(p, m) + KL(q, m)) / 2`` with ``m = (p + q) / 2``: symmetric and bounded.

    Parameters
    ----------
    p_logits, q_logits : Tensor [..., V]
        Logits of the two distributions, of one shape; -inf marks a token that cannot occur.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats, between 0 and ``ln 2`` up to rounding; float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError
        If logits are not floating-point tensors.
    ValueError
        If the shapes or devices differ, or a row is not allowed; the message names it.
    """
    check_pair(p_logits, q_logits)
    p, log_p = distribution(p_logits, "p_logits", check_finite)
    q, log_q = distribution(q_logits, "q_logits", check_finite)
    # Where both are 0 the mixture is 0 too; its logarithm would have no gradient.
    absent = (p == 0.0) & (q == 0.0)
    log_p = log_p.masked_fill(absent, 0.0)
    log_q = log_q.masked_fill(absent, 0.0)
    log_mixture = torch.logaddexp(log_p, log_q) - math.log(2.0)
    return (expected(p, log_p - log_mixture) + expected(q, log_q - log_mixture)) / 2.0
