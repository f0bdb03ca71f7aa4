"""The Fisher metric of a softmax head, pulled back to the hidden state (Zhang 2025, equations 6.2 to 6.4)."""

from __future__ import annotations

import torch
from torch import Tensor


def fisher_pullback(weight: Tensor, hidden: Tensor) -> Tensor:
    """``W' (diag p - p p') W`` with p the softmax of the logits ``W h``.

    For a small step v, ``KL(p_{h+v} || p_h) = v' g v / 2 + O(|v|^3)`` (theorem 6.1). The rank is at most
    ``min(d, V - 1)``.

    Parameters
    ----------
    weight : Tensor [V, d]
        Output matrix; a bias does not change the form, so shift ``hidden`` or leave it out.
    hidden : Tensor [..., d]
        Hidden states, of the same dtype.

    Returns
    -------
    Tensor [..., d, d]
        Symmetric and positive semi-definite, in nats per squared unit of h. One state at a time needs V d numbers.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    if weight.ndim != 2 or hidden.ndim < 1 or hidden.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"weight, hidden: got shapes {tuple(weight.shape)} and {tuple(hidden.shape)}, "
            "allowed are [V, d] and [..., d]"
        )
    flat = hidden.reshape(-1, hidden.shape[-1])
    metrics = [_metric(weight, state) for state in flat]
    if not metrics:
        return hidden.new_empty((*hidden.shape, hidden.shape[-1]))
    return torch.stack(metrics).reshape(*hidden.shape, hidden.shape[-1])


def _metric(weight: Tensor, state: Tensor) -> Tensor:
    """As a product of a matrix with itself: no eigenvalue is negative by more than rounding."""
    p = (weight @ state).softmax(0)
    scores = p.sqrt()[:, None] * (weight - p @ weight)
    return scores.T @ scores


def fisher_pullback_spectrum(weight: Tensor, hidden: Tensor) -> Tensor:
    """Eigenvalues of :func:`fisher_pullback`, largest first.

    Parameters
    ----------
    weight : Tensor [V, d]
    hidden : Tensor [..., d]

    Returns
    -------
    Tensor [..., d]

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    values: Tensor = torch.linalg.eigvalsh(fisher_pullback(weight, hidden))
    return values.flip(-1)
