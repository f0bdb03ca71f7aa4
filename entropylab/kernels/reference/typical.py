"""Locally typical truncation, by sorting.

Meister, Pimentel, Wiher and Cotterell (2023), *Locally Typical Sampling*, TACL 11; the cut is that of
``transformers.TypicalLogitsWarper`` (5.23.0) in exact arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.reference.statistics import expectation, find_invalid_row, log_probabilities

Array = NDArray[np.float64]


def deviations(logits: NDArray[np.floating]) -> Array:
    """``d = |-log p - H|`` of every token: how far its surprisal lies from the entropy, in nats.

    It is computed as ``|z - sum p z|``, the same number since ``-log p = logsumexp - z`` and
    ``H = logsumexp - sum p z``. A token of logit -inf has ``d = +inf``.
    """
    z = np.asarray(logits, dtype=np.float64)
    p = np.exp(log_probabilities(z))
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = z - z.max(axis=-1, keepdims=True)
        return np.asarray(np.abs(shifted - expectation(p, shifted)[:, None]))


def typical_mask(logits: NDArray[np.floating], mass: float, min_tokens_to_keep: int = 1) -> NDArray[np.bool_]:
    """The kept set of every row, as a boolean array [N, V].

    Tokens are ordered by ``d``; the smallest prefix with cumulative probability at least `mass` is kept,
    and at least `min_tokens_to_keep` tokens, and every token whose ``d`` equals that of the last one kept.
    A token of logit -inf is never kept. ``mass >= 1`` keeps every other token.
    """
    z = np.asarray(logits, dtype=np.float64)
    possible = z > -np.inf
    if mass >= 1.0:
        return np.asarray(possible)
    d = deviations(z)
    order = np.argsort(d, axis=-1, kind="stable")
    sorted_d = np.take_along_axis(d, order, axis=-1)
    cumulative = np.take_along_axis(np.exp(log_probabilities(z)), order, axis=-1).cumsum(axis=-1)
    last = np.minimum((cumulative < mass).sum(axis=-1), z.shape[-1] - 1)
    last = np.maximum(last, min(min_tokens_to_keep, z.shape[-1]) - 1)
    cut = np.take_along_axis(sorted_d, last[:, None], axis=-1)
    return np.asarray(possible & (d <= cut))


def typical_filter(
    logits: NDArray[np.floating],
    mass: float,
    min_tokens_to_keep: int = 1,
    filter_value: float = -np.inf,
    *,
    out: NDArray[np.floating] | None = None,
) -> NDArray[np.floating]:
    """Logits with every token outside the locally typical set replaced by `filter_value`.

    Parameters
    ----------
    logits : array [N, V]
    mass : float
        Probability that the kept set must hold; ``mass >= 1`` returns the logits unchanged.
    min_tokens_to_keep : int
    filter_value : float
    out : array [N, V], optional

    Returns
    -------
    array [N, V] of the dtype of `logits`. A row with NaN or +inf, or of -inf only, is NaN throughout.
    """
    values = np.asarray(logits)
    result = np.empty_like(values) if out is None else out
    if mass >= 1.0:
        result[...] = values
        return result
    result[...] = np.where(
        typical_mask(values, mass, min_tokens_to_keep), values, values.dtype.type(filter_value)
    )
    result[invalid_rows(values)] = np.nan
    return result


def typical_sample(
    logits: NDArray[np.floating],
    mass: float,
    uniforms: NDArray[np.floating],
    min_tokens_to_keep: int = 1,
    *,
    out: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Draw one token per row from the renormalised locally typical set.

    The token is the first, in the order of the vocabulary, at which the cumulative probability of the kept
    tokens exceeds ``uniform * total``.

    Parameters
    ----------
    logits : array [N, V]
    mass : float
    uniforms : array [N] of numbers in [0, 1)
    min_tokens_to_keep : int
    out : int64 array [N], optional

    Returns
    -------
    int64 array [N]. A row with NaN or +inf, or of -inf only, gives -1.
    """
    values = np.asarray(logits)
    keep = typical_mask(values, mass, min_tokens_to_keep)
    p = np.where(keep, np.exp(log_probabilities(values)), 0.0)
    cumulative = p.cumsum(axis=-1)
    passed = keep & (cumulative > np.asarray(uniforms)[:, None] * cumulative[:, -1:])
    # Rounding may leave no token that passes: then the last one kept is meant.
    last = values.shape[-1] - 1 - keep[:, ::-1].argmax(axis=-1)
    tokens = np.where(passed.any(axis=-1), passed.argmax(axis=-1), last)
    tokens[invalid_rows(values)] = -1
    if out is None:
        return np.asarray(tokens, dtype=np.int64)
    out[...] = tokens
    return out


def invalid_rows(logits: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Boolean array [N]: which rows :func:`find_invalid_row` would find."""
    return np.array([find_invalid_row(row[None]) == 0 for row in logits], dtype=bool)
