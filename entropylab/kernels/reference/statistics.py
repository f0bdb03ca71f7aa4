"""Entropy statistics of rows of logits and their gradient, written as the formulas are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Statistics

Array = NDArray[np.float64]


def log_probabilities(logits: NDArray[np.floating], temperature: float = 1.0) -> Array:
    """``log softmax(logits / temperature)`` of every row; ``-inf`` where the logit is ``-inf``.

    A row with NaN or +inf, or with nothing but -inf, becomes NaN throughout.

    Parameters
    ----------
    logits : array [N, V]
    temperature : float

    Returns
    -------
    array [N, V], float64, nats
    """
    scaled = np.asarray(logits, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shifted = (scaled - scaled.max(axis=-1, keepdims=True)) / temperature
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def expectation(probabilities: Array, values: Array) -> Array:
    """Row sums of ``p * value`` where a token of probability zero contributes nothing."""
    possible = np.where(probabilities == 0.0, 0.0, values)
    return np.asarray((probabilities * possible).sum(axis=-1))


def statistics(
    logits: NDArray[np.floating],
    targets: NDArray[np.int64] | None = None,
    temperature: float = 1.0,
    *,
    out: Statistics | None = None,
) -> Statistics:
    """Entropy, varentropy, log-sum-exp, greatest probability and surprisal of every row.

    Parameters
    ----------
    logits : array [N, V]
        Any floating dtype; computed in float64.
    targets : int64 array [N], optional
        Token whose surprisal is wanted, one per row.
    temperature : float
        Divides the logits.
    out : Statistics, optional
        Arrays [N] to write into.

    Returns
    -------
    Statistics of float64 arrays [N], nats. A row with NaN or +inf, or of -inf only, is NaN.
    """
    logits = np.asarray(logits, dtype=np.float64)
    log_p = log_probabilities(logits, temperature)
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        entropy = -expectation(p, log_p)
        deviation = log_p + entropy[:, None]
        varentropy = expectation(p, deviation * deviation)
        peak = logits.argmax(axis=-1)
        rows = np.arange(len(logits))
        log_peak = log_p[rows, peak]
        result = Statistics(
            entropy=entropy + 0.0,
            varentropy=varentropy,
            logsumexp=logits[rows, peak] / temperature - log_peak,
            max_probability=np.exp(log_peak),
            surprisal=None if targets is None else 0.0 - log_p[rows, targets],
        )
    if out is None:
        return result
    for given, computed in zip(out, result, strict=True):
        if given is not None and computed is not None:
            given[...] = computed
    return out


def statistics_backward(
    logits: NDArray[np.floating],
    targets: NDArray[np.int64] | None,
    temperature: float,
    entropy: Array,
    varentropy: Array,
    logsumexp: Array,
    max_probability: Array,
    grad: Statistics,
    *,
    out: Array | None = None,
) -> Array:
    """Gradient of a weighted sum of the statistics with respect to the logits.

    With ``a = log p + H`` the derivatives with respect to ``logits / temperature`` are::

        dH   = -p a                     d logsumexp = p
        d nu = p (a^2 + 2 a - nu)       d surprisal = p - [i == target]
        d max_probability = p_max ([i == argmax] - p)        (first argmax among ties)

    Parameters
    ----------
    logits, targets, temperature
        As given to :func:`statistics`.
    entropy, varentropy, logsumexp, max_probability : array [N]
        As returned by it.
    grad : Statistics
        Upstream gradients, arrays [N] or ``None``.
    out : array [N, V], optional

    Returns
    -------
    array [N, V], float64. A logit of -inf gets exactly 0.
    """
    logits = np.asarray(logits, dtype=np.float64)
    rows = np.arange(len(logits))

    def upstream(value: Array | None) -> Array:
        return np.zeros(len(logits)) if value is None else np.asarray(value, dtype=np.float64)

    g_entropy, g_varentropy, g_logsumexp, g_max, g_surprisal = (upstream(g) for g in grad)
    log_p = log_probabilities(logits, temperature)
    p = np.exp(log_p)
    a = np.where(p == 0.0, 0.0, log_p + np.asarray(entropy)[:, None])
    constant = g_logsumexp + g_surprisal - g_varentropy * varentropy - g_max * max_probability
    result = p * (
        constant[:, None] + (2.0 * g_varentropy - g_entropy)[:, None] * a + g_varentropy[:, None] * a * a
    )
    result[rows, logits.argmax(axis=-1)] += g_max * max_probability
    if targets is not None:
        result[rows, targets] -= g_surprisal
    result = np.where(np.isneginf(logits), 0.0, result / temperature)
    if out is None:
        return result
    out[...] = result
    return out


def find_invalid_row(logits: NDArray[np.floating]) -> int:
    """Find the first row that is no distribution: with NaN or +inf, or with nothing but -inf.

    Parameters
    ----------
    logits : array [N, V]

    Returns
    -------
    int
        Its index, or -1 if there is none.
    """
    values = np.asarray(logits)
    bad = np.isnan(values).any(axis=-1) | np.isposinf(values).any(axis=-1) | np.isneginf(values).all(axis=-1)
    return int(bad.argmax()) if bad.any() else -1
