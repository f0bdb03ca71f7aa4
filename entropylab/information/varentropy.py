"""Varentropy of next-token distributions: the variance of the surprisal (Kontoyiannis and Verdu 2014)."""

from __future__ import annotations

from torch import Tensor

from entropylab.information.token_statistics import fields_of


def varentropy(logits: Tensor, *, temperature: float = 1.0, check_finite: bool = True) -> Tensor:
    """``sum p (log p)^2 - H^2`` of every row of logits: how much the surprisal varies.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; -inf marks a token that cannot occur.
    temperature : float
        Divides the logits; above 0.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats squared; float32 (float64 for float64 logits), differentiable once.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropylab.information.token_statistics`.
    """
    return fields_of(logits, None, ("varentropy",), temperature, check_finite)[0]
