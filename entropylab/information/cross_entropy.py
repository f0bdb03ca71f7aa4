"""Cross-entropy of one next-token distribution under another (Shannon 1948)."""

from __future__ import annotations

from torch import Tensor

from entropylab.information.distributions import distribution, expected
from entropylab.information.validation import check_pair


def cross_entropy(p_logits: Tensor, q_logits: Tensor, *, check_finite: bool = True) -> Tensor:
    """``-sum p log q``: the mean surprisal that q assigns to tokens drawn from p.

    Parameters
    ----------
    p_logits, q_logits : Tensor [..., V]
        Logits of the two distributions, of one shape; -inf marks a token that cannot occur.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats, +inf where p allows a token that q does not; float32 (float64 for float64 logits),
        differentiable.

    Raises
    ------
    TypeError
        If logits are not floating-point tensors.
    ValueError
        If the shapes or devices differ, or a row is not allowed; the message names it.
    """
    check_pair(p_logits, q_logits)
    p, _ = distribution(p_logits, "p_logits", check_finite)
    _, log_q = distribution(q_logits, "q_logits", check_finite)
    return -expected(p, log_q)
