"""Which of two, or several, known models wrote a text: likelihood ratios in total nats, with error bounds.

Radvand et al. (2025) for the tests; the bounds by Bhattacharyya coefficients (results T6 and T7 of the book's
chapter ``concentration_tests``) need no bounded log-ratios. Totals, not means per token: a mean per token of one
tokenizer cannot be compared with that of another.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from entropylab.information.token_statistics import result_dtype
from entropylab.information.validation import check_pair, refuse_invalid


class LikelihoodRatioTest(NamedTuple):
    """Outcome of the test of A against B for each text.

    Attributes
    ----------
    log_ratio : array
        ``ln q(y) - ln p(y)``, nats. Its exponential is an e-value against "A wrote it".
    is_b : bool array
        The decision.
    p_value : array
        ``min(1, exp(-log_ratio))``: a bound on the probability, under A, of such a ratio.
    """

    log_ratio: Any
    is_b: Any
    p_value: Any


def likelihood_ratio_test(
    nll_a: ArrayLike, nll_b: ArrayLike, *, alpha: float | None = None
) -> LikelihoodRatioTest:
    """Decide between two known models by the likelihood ratio (T6).

    Parameters
    ----------
    nll_a, nll_b : float or array [...]
        Total surprisal of each text under A and under B, nats.
    alpha : float, optional
        Decide B when ``log_ratio >= ln(1 / alpha)``: type I error at most alpha. By default B is decided when the
        ratio is at least 0, ties included, which treats both alike.

    Returns
    -------
    LikelihoodRatioTest of arrays [...].

    Raises
    ------
    ValueError
        If a total is NaN, both are infinite, or alpha is not in (0, 1).
    """
    a, b = _totals(nll_a, "nll_a"), _totals(nll_b, "nll_b")
    if np.any(np.isinf(a) & np.isinf(b)):
        raise ValueError("nll_a, nll_b: got +inf in both, allowed are texts that one model can write")
    if alpha is not None and not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha}, allowed are numbers between 0 and 1")
    log_ratio = a - b
    threshold = 0.0 if alpha is None else -math.log(alpha)
    return LikelihoodRatioTest(log_ratio, log_ratio >= threshold, np.exp(-np.maximum(log_ratio, 0.0)))


def attribute(nll: ArrayLike) -> NDArray[np.int64]:
    """The candidate with the smallest total surprisal, for each text.

    Parameters
    ----------
    nll : array [M, ...]
        Total surprisal of each text under each of M candidates, nats. Not the mean per token.

    Returns
    -------
    int64 array [...]
        Index of the candidate; the first one of equals.

    Raises
    ------
    ValueError
        If there is no candidate, or a total is NaN.
    """
    totals = _totals(nll, "nll")
    if totals.ndim == 0 or not len(totals):
        raise ValueError(f"nll: got shape {totals.shape}, allowed is (M, ...) with at least one candidate")
    return np.asarray(totals.argmin(0))


def attribute_sets(nll_a: ArrayLike, nll_b: ArrayLike) -> NDArray[np.bool_]:
    """Decide between two sets of models: B where its best member is strictly better than A's best (T7).

    Parameters
    ----------
    nll_a, nll_b : array [I, ...], array [J, ...]
        Total surprisal of each text under each member, nats.

    Returns
    -------
    bool array [...]
        Where the set B is decided.

    Raises
    ------
    ValueError
        If a set is empty, or a total is NaN.
    """
    best = []
    for name, nll in (("nll_a", nll_a), ("nll_b", nll_b)):
        totals = _totals(nll, name)
        if totals.ndim == 0 or not len(totals):
            raise ValueError(f"{name}: got shape {totals.shape}, allowed is at least one member")
        best.append(totals.min(0))
    return np.asarray(best[1] < best[0])


def reject_all_members(log_suprema: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Reject "some member of the set wrote it" where every member's own anytime test rejects (T7).

    No correction is needed: if a member wrote the text, that member's test has to fail too.

    Parameters
    ----------
    log_suprema : array [M, ...]
        ``log_supremum`` of the e-process under each member.
    alpha : float
        In (0, 1).

    Returns
    -------
    bool array [...]

    Raises
    ------
    ValueError
        If the set is empty, a number is NaN, or alpha is out of range.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha}, allowed are numbers between 0 and 1")
    suprema = _totals(log_suprema, "log_suprema")
    if suprema.ndim == 0 or not len(suprema):
        raise ValueError(f"log_suprema: got shape {suprema.shape}, allowed is at least one member")
    return np.asarray(suprema.min(0) >= -math.log(alpha))


def bhattacharyya_coefficient(p_logits: Tensor, q_logits: Tensor, *, check_finite: bool = True) -> Tensor:
    """``rho = sum_v sqrt(p(v) q(v))`` of each row: 1 for equal distributions, 0 for disjoint ones.

    Parameters
    ----------
    p_logits, q_logits : Tensor [..., V]
        One shape, dtype and device. -inf is a token that cannot occur.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError, ValueError
        If the tensors do not fit, or a row is invalid.
    """
    check_pair(p_logits, q_logits)
    log_p, log_q = (z.to(result_dtype(z)).log_softmax(-1) for z in (p_logits, q_logits))
    if check_finite:
        for name, z, log in (("p_logits", p_logits, log_p), ("q_logits", q_logits, log_q)):
            refuse_invalid(z, log.detach().isnan().any(-1), name)
    return (0.5 * (log_p + log_q)).exp().sum(-1)


def bhattacharyya_error_bound(rho: ArrayLike, tokens: ArrayLike, rivals: int = 1) -> Any:
    """Bound ``rivals * rho^N`` on each error of the likelihood-ratio rule (T6; T7 with several rivals).

    Parameters
    ----------
    rho : float or array
        The largest coefficient of any context, in [0, 1].
    tokens : int or array
        N, at least 0.
    rivals : int
        Models in the other set.

    Returns
    -------
    float or array
        At most 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    coefficient, count = np.asarray(rho, np.float64), np.asarray(tokens)
    if not ((coefficient >= 0) & (coefficient <= 1)).all():
        raise ValueError(f"rho: got {rho!r}, allowed are numbers from 0 to 1")
    if not (count >= 0).all():
        raise ValueError(f"tokens: got {tokens!r}, allowed is 0 or more")
    if rivals < 1:
        raise ValueError(f"rivals: got {rivals}, allowed is 1 or more")
    bound = np.minimum(1.0, rivals * coefficient**count)
    return float(bound) if bound.ndim == 0 else bound


def _totals(values: ArrayLike, name: str) -> NDArray[np.float64]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    totals = np.asarray(values, np.float64)
    if np.isnan(totals).any():
        raise ValueError(f"{name}: got NaN, allowed are numbers and +inf")
    return totals
