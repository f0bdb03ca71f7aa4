"""Surprisal of tokens at several temperatures (Liu, Skrjanec and Demberg 2024, section 3).

Dividing logits by T mixes a token's surprisal with the Renyi entropy of its context:
``s_T = s_1 / T + (1 - 1/T) H_(1/T)``, an identity that holds for every distribution.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from entropylab.information.token_statistics import token_statistics


def temperature_scaled_surprisal(
    logits: Tensor, targets: Tensor, temperatures: Iterable[float], *, check_finite: bool = True
) -> Tensor:
    """``-log softmax(logits / T)[target]`` of every row of logits, for each temperature T.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; -inf marks a token that cannot occur.
    targets : integer Tensor [...]
        One token of 0 .. V - 1 for each row.
    temperatures : iterable of float
        K finite numbers above 0.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [K, ...]
        In nats, +inf for a target that cannot occur; float32 (float64 for float64 logits), differentiable once.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If there is no temperature, or one is not allowed; and as
        :func:`entropylab.information.token_statistics`.

    Examples
    --------
    >>> import torch
    >>> temperature_scaled_surprisal(torch.tensor([3.0, 1.0, 0.0, -2.0]), torch.tensor(1), [1, 2.5])
    tensor([2.1755, 1.4344])
    """
    if isinstance(temperatures, (str, bytes)) or not isinstance(temperatures, Iterable):
        raise TypeError(
            f"temperatures: got {type(temperatures).__name__}, allowed are several numbers above 0"
        )
    grid = list(temperatures)
    if not grid:
        raise ValueError("temperatures: got none, allowed is at least one number above 0")
    rows = [
        token_statistics(logits, targets, temperature=temperature, check_finite=check_finite).surprisal
        for temperature in grid
    ]
    return torch.stack(rows)
