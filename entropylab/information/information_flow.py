"""The flow of information from a prompt into a text, token by token.

``S_k = sum_{i <= k} ln p(y_i | y^{i-1}, x) / p(y_i | y^{i-1})``. If the text follows the prompt, S is a
sub-martingale with mean I(X; Y^k), and exp(-S) has mean one, so that S seldom falls far (Ville 1939). Bai 2025,
"Forget BIT, It is All about TOKEN", takes the first fact as the law of inference. All of it rests on the marginal
p(y): it has to be the mixture over the same prompts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from entropylab.information.finite_divergences import kl
from entropylab.sources.stochastic import check_rows

Array = NDArray[np.float64]


def mixture_marginal(log_p: ArrayLike) -> Array:
    """Log-probability of each token when the prompt is not known, but one of M equally likely ones.

    ``p(y^k) = (1/M) sum_m p(y^k | x_m)`` for every k, from *cumulative* log-probabilities; averaging token by token
    would forget what the text has already told of the prompt.

    Parameters
    ----------
    log_p : array_like of float, shape (B, M, T)
        Log-probability of token t of text b given the tokens before it and prompt m, nats.

    Returns
    -------
    array of float64, shape (B, T)
        ``ln p(y_t | y^{t-1})``, nats.

    Raises
    ------
    ValueError
        If the shape is not allowed, a number is no log-probability, or no prompt allows a text.
    """
    logs = _log_probabilities("log_p", log_p)
    if logs.ndim != 3:
        raise ValueError(f"log_p: got shape {logs.shape}, allowed is (B, M, T)")
    whole = logsumexp(logs.cumsum(-1), axis=1) - math.log(logs.shape[1])
    if not np.isfinite(whole).all():
        raise ValueError(
            "log_p: got a text that no prompt allows; allowed are texts that one of them can write"
        )
    return np.diff(whole, axis=-1, prepend=0.0)


def information_flow(log_p_given: ArrayLike, log_p_marginal: ArrayLike) -> Array:
    """S_k along texts.

    Parameters
    ----------
    log_p_given, log_p_marginal : array_like of float, shape (..., T)
        Log-probability of each token with the prompt, and without it, nats.

    Returns
    -------
    array of float64, shape (..., T)
        S_1, ..., S_T, nats.

    Raises
    ------
    ValueError
        If the shapes differ, a number is no log-probability, or the marginal rules a token out.
    """
    given = _log_probabilities("log_p_given", log_p_given)
    marginal = _log_probabilities("log_p_marginal", log_p_marginal)
    if given.shape != marginal.shape:
        raise ValueError(f"log_p_marginal: got shape {marginal.shape}, allowed is {given.shape}")
    if not np.isfinite(marginal).all():
        raise ValueError("log_p_marginal: got -inf, allowed are finite numbers")
    return np.asarray((given - marginal).cumsum(-1))


def ville_exceedance(flow: ArrayLike, level: float) -> float:
    """Share of texts whose ``exp(-S_k)`` reaches ``1 / level`` for some k; at most `level` on average (Ville 1939).

    Parameters
    ----------
    flow : array_like of float, shape (B, T)
    level : float
        In (0, 1].

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shape or the level is not allowed.
    """
    paths = np.asarray(flow, dtype=np.float64)
    if paths.ndim != 2 or not paths.size:
        raise ValueError(f"flow: got shape {paths.shape}, allowed is (B, T), not empty")
    if not 0 < level <= 1:
        raise ValueError(f"level: got {level}, allowed are numbers in (0, 1]")
    return float((-paths >= -math.log(level)).any(1).mean())


class ExactFlow(NamedTuple):
    """Means of the flow by enumeration."""

    own: float
    """I(X; Y^k), nats: the mean of S_k if the text follows its prompt."""
    shuffled: float
    """Mean of S_k if the prompt is drawn afresh, nats; never above 0."""


def exact_flow(laws: ArrayLike) -> ExactFlow:
    """Mean flow of M equally likely prompts whose texts have known laws.

    Parameters
    ----------
    laws : array_like of float, shape (M, outcomes)
        Law of the text under each prompt.

    Returns
    -------
    ExactFlow
        ``shuffled`` is -inf if some prompt rules out what another one can write.

    Raises
    ------
    ValueError
        If a row is not a distribution.
    """
    rows = check_rows("laws", laws, ndim=2)
    mixture = rows.mean(0)
    return ExactFlow(own=float(kl(rows, mixture).mean()), shuffled=-float(kl(mixture, rows).mean()))


def _log_probabilities(name: str, values: ArrayLike) -> Array:
    logs = np.asarray(values, dtype=np.float64)
    if not logs.ndim or not logs.size or not (logs <= 1e-6).all():
        raise ValueError(
            f"{name}: got an array of shape {logs.shape} with greatest entry "
            f"{logs.max() if logs.size else 'none'}, allowed are log-probabilities, not empty"
        )
    return logs
