"""What the measures of two distributions share: probabilities and log-probabilities of checked logits."""

from __future__ import annotations

from torch import Tensor

from entropylab.information.token_statistics import result_dtype
from entropylab.information.validation import refuse_invalid


def distribution(logits: Tensor, name: str, check_finite: bool) -> tuple[Tensor, Tensor]:
    """Probabilities and log-probabilities of rows of logits, in float32 or better.

    Parameters
    ----------
    logits : Tensor [..., V]
    name : str
        How an error calls the logits.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf.

    Returns
    -------
    p, log_p : Tensor [..., V]
    """
    log_p = logits.to(result_dtype(logits)).log_softmax(-1)
    if check_finite:
        refuse_invalid(logits, log_p.detach().isnan().any(-1), name)
    return log_p.exp(), log_p


def expected(p: Tensor, values: Tensor) -> Tensor:
    """``sum p * value`` over the last dimension; a token with p = 0 adds nothing, gradients included."""
    return (p * values.masked_fill(p == 0.0, 0.0)).sum(-1)
