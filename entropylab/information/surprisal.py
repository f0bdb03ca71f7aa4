"""Surprisal of tokens under next-token distributions (Shannon 1948): how unexpected each one was."""

from __future__ import annotations

from torch import Tensor

from entropylab.information.token_statistics import fields_of


def surprisal(
    logits: Tensor, targets: Tensor, *, temperature: float = 1.0, check_finite: bool = True
) -> Tensor:
    """``-log p[target]`` of every row of logits.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; -inf marks a token that cannot occur.
    targets : integer Tensor [...]
        One token of 0 .. V - 1 for each row.
    temperature : float
        Divides the logits; above 0.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats, +inf for a target that cannot occur; float32 (float64 for float64 logits), differentiable
        once.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropylab.information.token_statistics`.
    """
    return fields_of(logits, targets, ("surprisal",), temperature, check_finite)[0]
