"""Concentration of surprisal around entropy: sums, bounds and e-values of sequences, as the formulas are.

Radvand, Abdolmaleki, Mostagir and Tewari (2025), *Zero-Shot Statistical Tests for LLM-Generated Text Detection
using Finite Sample Concentration Inequalities*. The bounds on the tails and the e-process are derived in the
book's chapter ``concentration_tests``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Concentration

Array = NDArray[np.float64]


def concentration(
    surprisal: NDArray[np.floating],
    entropy: NDArray[np.floating],
    varentropy: NDArray[np.floating],
    cgf: NDArray[np.floating],
    offsets: NDArray[np.int64],
    lambdas: NDArray[np.float64],
    log_weights: NDArray[np.float64],
    log_threshold: float,
    variance_factor: float,
) -> Concentration:
    """Sums, gap, tail bounds and the anytime e-process of every sequence of a ragged batch.

    Parameters
    ----------
    surprisal, entropy, varentropy : array [n]
        Of each token, all sequences one after the other; nats. A surprisal of +inf is a token that the model
        holds for impossible.
    cgf : array [n, G]
        ``psi(lambda)`` of each token's distribution, for each lambda of the grid.
    offsets : int64 array [B + 1]
        Sequence ``b`` has the tokens ``offsets[b]`` to ``offsets[b + 1] - 1``; it may have none.
    lambdas : float64 array [G]
        Below 1 and not 0.
    log_weights : float64 array [G]
        Logarithms of the weights of the mixture, which sum to 1.
    log_threshold : float
        ``ln(1 / alpha)``, above 0.
    variance_factor : float
        ``M_K``, the largest varentropy that a distribution on the vocabulary can have, for the tail bounds.

    Returns
    -------
    Concentration of float64 arrays. After an impossible token the mixture is +inf; NaN makes a sequence NaN.
    """
    sequences, grid = len(offsets) - 1, len(lambdas)
    length = np.diff(offsets)
    sums = np.empty((3, sequences))
    log_e = np.empty((sequences, grid))
    mixture = np.empty(sequences)
    supremum = np.empty(sequences)
    stopping_time = np.full(sequences, -1, np.int64)
    for b in range(sequences):
        tokens = slice(offsets[b], offsets[b + 1])
        s, h, v = (np.asarray(x[tokens], np.float64) for x in (surprisal, entropy, varentropy))
        sums[:, b] = s.sum(), h.sum(), v.sum()
        with np.errstate(invalid="ignore"):
            steps = np.outer(s - h, lambdas) - np.asarray(cgf[tokens], np.float64)
            paths = np.vstack([np.zeros(grid), steps.cumsum(axis=0)])  # row m: after m tokens
            mixtures = log_mean(paths, log_weights)
        log_e[b] = paths[-1]
        mixture[b] = mixtures[-1]
        supremum[b] = mixtures.max()
        reached = mixtures >= log_threshold
        if reached.any():
            stopping_time[b] = reached.argmax()
    deviation = sums[1] - sums[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = deviation / length
        standardised = np.where((deviation == 0.0) & (length > 0), 0.0, deviation / np.sqrt(sums[2]))
    p_unlikely, p_likely = gap_tail_bounds(deviation, length, variance_factor)
    return Concentration(
        length=length,
        surprisal=sums[0],
        entropy=sums[1],
        varentropy=sums[2],
        gap=gap,
        standardised=standardised,
        p_unlikely=p_unlikely,
        p_likely=p_likely,
        log_e=log_e,
        log_mixture=mixture,
        log_supremum=supremum,
        stopping_time=stopping_time,
    )


def log_mean(log_values: Array, log_weights: Array) -> Array:
    """``ln sum_g w_g exp(x_g)`` over the last axis; +inf where an ``x_g`` is +inf."""
    terms = log_values + log_weights
    top = terms.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # inf - inf, in the branch not taken
        shifted = np.where(np.isinf(top), np.where(terms == top, 0.0, -np.inf), terms - top)
    return np.asarray(top[..., 0] + np.log(np.exp(shifted).sum(axis=-1)))


def gap_tail_bounds(
    deviation: Array, length: NDArray[np.int64], variance_factor: float
) -> tuple[Array, Array]:
    """Bounds on the tails of ``sum (H - s)`` under the model: as far below 0, and above 0, as `deviation`.

    With ``t = |deviation| / N`` they are ``exp(-N t^2 / (2 (M + t)))`` below and ``exp(-N t^2 / (2 M))``
    above 0; on the other side of 0 nothing is claimed: 1.

    Parameters
    ----------
    deviation : array [B]
        ``sum (H - s)`` of each sequence.
    length : array [B]
    variance_factor : float

    Returns
    -------
    p_unlikely, p_likely : arrays [B]
    """
    below = np.maximum(-deviation, 0.0)
    above = np.maximum(deviation, 0.0)
    tokens = np.maximum(length, 1)
    with np.errstate(invalid="ignore"):
        # In this order an infinite deviation gives 0: x / (M + x / N) tends to N.
        unlikely = np.where(np.isinf(below), np.inf, below * (below / (tokens * variance_factor + below)))
        likely = above * (above / (tokens * variance_factor))
    return np.exp(-0.5 * unlikely), np.exp(-0.5 * likely)
