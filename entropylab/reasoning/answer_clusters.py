"""Cluster sampled answers by meaning and measure how much they disagree (semantic entropy), in nats.

Semantic entropy: Kuhn et al. 2023, Farquhar et al. 2024. The estimators that are told apart here are those of Chen et
al. 2025 (SEED-GRPO, arXiv 2505.12346).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, xlogy

Estimator = Literal["count", "mass", "mean"]


def cluster_by_answer(answers: Sequence[Hashable | None]) -> NDArray[np.int64]:
    """Number the clusters of answers: equal answers share one, an answer of ``None`` is a cluster of its own.

    Parameters
    ----------
    answers : sequence of hashable, shape (G,)
        Parsed final answers.

    Returns
    -------
    int64 array (G,)
        Cluster numbers from 0, in the order of first appearance.
    """
    numbers: dict[Hashable, int] = {}
    found = []
    for place, answer in enumerate(answers):
        key = ("unparsed", place) if answer is None else ("answer", answer)
        found.append(numbers.setdefault(key, len(numbers)))
    return np.array(found, dtype=np.int64)


def cluster_sizes(clusters: ArrayLike) -> NDArray[np.int64]:
    """Answers in each cluster.

    Parameters
    ----------
    clusters : int array, shape (..., G)
        Cluster numbers from 0 to G - 1, as :func:`cluster_by_answer` gives them.

    Returns
    -------
    int64 array, shape (..., G)
        Place k holds the size of cluster k, 0 if there is none. The largest over G is the majority's share.

    Raises
    ------
    ValueError
        If a shape or a cluster number is not allowed.
    """
    return np.asarray(_members(_checked(clusters)).sum(-1), dtype=np.int64)


def _checked(clusters: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(clusters)
    if not ids.ndim or not ids.shape[-1] or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"clusters: got shape {ids.shape} of {ids.dtype}, allowed are integers (..., G)")
    groups = ids.shape[-1]
    if ids.size and (ids.min() < 0 or ids.max() >= groups):
        raise ValueError(
            f"clusters: got numbers from {ids.min()} to {ids.max()}, allowed are 0 to {groups - 1}"
        )
    return ids


def _members(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether answer g belongs to cluster k, (..., k, g)."""
    return np.asarray(ids[..., None, :] == np.arange(ids.shape[-1])[:, None])


def cluster_entropy(
    clusters: ArrayLike,
    *,
    estimator: Estimator = "count",
    log_likelihoods: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    normalised: bool = True,
) -> NDArray[np.float64]:
    """Semantic entropy of groups of answers.

    Parameters
    ----------
    clusters : int array, shape (..., G)
        Cluster numbers from 0 to G - 1, as :func:`cluster_by_answer` gives them.
    estimator : {"count", "mass", "mean"}
        "count": Shannon entropy of the shares of answers. "mass": Shannon entropy of the clusters' probability masses.
        "mean": minus the mean over clusters of the log mass (SEED-GRPO, Eq. 5), which is the log of the number of
        clusters plus the divergence of the masses from uniform, and so is not monotone in disagreement.
    log_likelihoods : float array, shape (..., G), optional
        Log-probability of each answer's text. Without it, every answer weighs 1 / G.
    lengths : float array, shape (..., G), optional
        Tokens of each text; the log-likelihoods are divided by them.
    normalised : bool
        Let the masses sum to 1. If ``False``, they are raw probabilities of texts ("mean" only).

    Returns
    -------
    float64 array, shape (...)
        Nats.

    Raises
    ------
    ValueError
        If a shape, a cluster number or the choice of estimator is not allowed.
    """
    ids = _checked(clusters)
    if estimator not in get_args(Estimator):
        raise ValueError(f"estimator: got {estimator!r}, allowed are {get_args(Estimator)}")
    if not normalised and (estimator != "mean" or log_likelihoods is None):
        raise ValueError("normalised: got False, allowed with estimator 'mean' and log_likelihoods only")
    if estimator == "count" and log_likelihoods is not None:
        raise ValueError("log_likelihoods: got values, allowed is None for the estimator 'count'")
    weights = np.zeros(ids.shape)
    if log_likelihoods is not None:
        weights = np.broadcast_to(np.asarray(log_likelihoods, dtype=np.float64), ids.shape)
    if lengths is not None:
        weights = weights / np.asarray(lengths, dtype=np.float64)
    if normalised:
        weights = weights - logsumexp(weights, axis=-1, keepdims=True)
    member = _members(ids)
    with np.errstate(divide="ignore"):
        log_mass = logsumexp(np.broadcast_to(weights[..., None, :], member.shape), b=member, axis=-1)
    there = member.any(-1)
    if estimator == "mean":
        return np.asarray(-np.where(there, log_mass, 0.0).sum(-1) / there.sum(-1))
    mass = np.exp(log_mass)
    return np.asarray(np.abs(xlogy(mass, mass).sum(-1)))
