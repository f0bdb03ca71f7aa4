"""Attention as a Boltzmann distribution, and retrieval as descent of an energy (Ramsauer et al. 2021).

Bai 2025, "Forget BIT, It is All about TOKEN", writes attention and the Transformer as energy-based models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp, softmax

from entropylab.sources.stochastic import check_rows

Array = NDArray[np.float64]


def attention_weights(scores: ArrayLike, temperature: float = 1.0) -> Array:
    """``softmax(scores / temperature)``: the weights of least free energy.

    Parameters
    ----------
    scores : array_like of float, shape (..., n)
        Finite.
    temperature : float
        Above 0.

    Returns
    -------
    array of float64, shape (..., n)

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    return np.asarray(softmax(_finite("scores", scores) / _positive("temperature", temperature), axis=-1))


def attention_free_energy(weights: ArrayLike, scores: ArrayLike, temperature: float = 1.0) -> Array:
    """``F(b) = -<b, scores> + T sum b ln b``; its minimum is ``-T logsumexp(scores / T)``.

    What b is above the minimum is ``T KL(b || softmax(scores / T))``.

    Parameters
    ----------
    weights : array_like of float, shape (..., n)
        b, distributions.
    scores : array_like of float, shape (..., n)
        Finite; minus the energies.
    temperature : float
        T, above 0.

    Returns
    -------
    array of float64, shape (...)
        In units of the scores.

    Raises
    ------
    ValueError
        If a row is not a distribution, a number is not allowed, or the lengths differ.
    """
    b, e = check_rows("weights", weights), _finite("scores", scores)
    if b.shape[-1] != e.shape[-1]:
        raise ValueError(f"scores: got {e.shape[-1]} of them, allowed are as many as weights, {b.shape[-1]}")
    return np.asarray(-(b * e).sum(-1) - _positive("temperature", temperature) * entr(b).sum(-1))


def hopfield_energy(patterns: ArrayLike, states: ArrayLike, beta: float) -> Array:
    """``E = -logsumexp(beta X s) / beta + |s|^2 / 2`` of a modern Hopfield network.

    Parameters
    ----------
    patterns : array_like of float, shape (P, d)
        X, one stored pattern a row.
    states : array_like of float, shape (..., d)
    beta : float
        Inverse temperature, above 0.

    Returns
    -------
    array of float64, shape (...)
        Up to a constant that does not depend on the state.

    Raises
    ------
    ValueError
        If a number is not allowed, or the dimensions differ.
    """
    X, s = _memory(patterns, states)
    b = _positive("beta", beta)
    return np.asarray(-logsumexp(b * (s @ X.T), axis=-1) / b + (s**2).sum(-1) / 2)


def hopfield_update(patterns: ArrayLike, states: ArrayLike, beta: float) -> Array:
    """One step of retrieval, ``X' softmax(beta X s)``: attention with the patterns as keys and values.

    Never raises `hopfield_energy`.

    Parameters
    ----------
    patterns : array_like of float, shape (P, d)
    states : array_like of float, shape (..., d)
    beta : float
        Above 0.

    Returns
    -------
    array of float64, shape (..., d)

    Raises
    ------
    ValueError
        If a number is not allowed, or the dimensions differ.
    """
    X, s = _memory(patterns, states)
    return np.asarray(attention_weights(s @ X.T, 1 / _positive("beta", beta)) @ X)


def _memory(patterns: ArrayLike, states: ArrayLike) -> tuple[Array, Array]:
    X, s = _finite("patterns", patterns), _finite("states", states)
    if X.ndim != 2 or s.shape[-1] != X.shape[1]:
        raise ValueError(
            f"patterns, states: got shapes {X.shape} and {s.shape}, allowed are (P, d) and (..., d)"
        )
    return X, s


def _finite(name: str, values: ArrayLike) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if not found.ndim or not found.size or not np.isfinite(found).all():
        raise ValueError(
            f"{name}: got an array of shape {found.shape}, allowed are finite numbers, not empty"
        )
    return found


def _positive(name: str, value: Any) -> float:
    if not 0 < value < np.inf:
        raise ValueError(f"{name}: got {value}, allowed are finite numbers above 0")
    return float(value)
