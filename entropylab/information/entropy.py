"""Shannon entropy of next-token distributions (Shannon 1948)."""

from __future__ import annotations

from torch import Tensor

from entropylab.information.token_statistics import fields_of


def entropy(logits: Tensor, *, temperature: float = 1.0, check_finite: bool = True) -> Tensor:
    """``H = -sum p log p`` of every row of logits, with ``0 log 0 = 0``.

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
        In nats, between 0 and ``ln V``; float32 (float64 for float64 logits), differentiable once.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropylab.information.token_statistics`.
    """
    return fields_of(logits, None, ("entropy",), temperature, check_finite)[0]
