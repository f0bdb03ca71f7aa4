"""Logits as ordinal utilities, and training as preference learning.

After Bojun and Yuan 2023, "Utility-probability duality of neural networks" (abstract). The identities are worked out
in the chapter: a step of maximum likelihood compares the observed alternative with challengers that the model itself
draws, and from equal utilities the expected steps have the right order at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

Floats = NDArray[np.float64]


class OrderAgreement(NamedTuple):
    """How far utilities agree with the order of a law, each of shape (...)."""

    top_choice: NDArray[np.bool_]
    kendall_tau: Floats
    exact: NDArray[np.bool_]


def pairwise_update(utilities: ArrayLike, observed: ArrayLike, rate: float) -> Floats:
    """One step of gradient descent on the surprisal of what was observed, as duels against the model's own draws.

    ``u + rate * sum_j p_j (e_y - e_j)``: the observed y meets each challenger j with the probability that the model
    gives it, and the utility gap of the two grows by ``rate``. This equals ``u + rate * (e_y - p)``, the usual step.

    Parameters
    ----------
    utilities : array_like of float, shape (..., V)
        u, finite; p is their softmax.
    observed : array_like of int, shape (...)
        y, 0 to V - 1.
    rate : float
        Learning rate, at least 0.

    Returns
    -------
    ndarray of float64, shape (..., V)
        The new utilities; their sum is the old one.

    Raises
    ------
    ValueError
        If a shape, an alternative or the rate is not allowed.
    """
    u, step = _utilities(utilities), _rate(rate)
    y = np.asarray(observed)
    if y.shape != u.shape[:-1] or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(
            f"observed: got {y.dtype} of shape {y.shape}, allowed are integers of shape {u.shape[:-1]}"
        )
    if y.size and not (y.min() >= 0 and y.max() < u.shape[-1]):
        raise ValueError(f"observed: got {y.min()} to {y.max()}, allowed is 0 to {u.shape[-1] - 1}")
    p, one_hot = softmax(u, axis=-1), np.eye(u.shape[-1])
    duels = one_hot[y][..., None, :] - one_hot  # e_y - e_j in row j
    return np.asarray(u + step * (p[..., None] * duels).sum(-2))


def expected_step(utilities: ArrayLike, law: ArrayLike, rate: float) -> Floats:
    """The mean step of :func:`pairwise_update` when y is drawn from a law: ``u + rate * (P - p)``.

    Parameters
    ----------
    utilities : array_like of float, shape (..., V)
        u, finite.
    law : array_like of float, shape (..., V)
        P, rows that sum to 1.
    rate : float
        Learning rate, at least 0. From equal utilities and with a rate of at most 2, after every step u and P have the
        same order.

    Returns
    -------
    ndarray of float64, shape (..., V)
        The new utilities.

    Raises
    ------
    ValueError
        If shapes differ, the law is none, or the rate is not allowed.
    """
    u, step = _utilities(utilities), _rate(rate)
    target = _law(law, u.shape)
    return np.asarray(u + step * (target - softmax(u, axis=-1)))


def stochastic_trajectory(
    law: ArrayLike, rate: float, checkpoints: Sequence[int], *, seed: int | np.random.Generator
) -> Floats:
    """Utilities of a table of contexts, trained from 0 on single observations, at given numbers of steps.

    Parameters
    ----------
    law : array_like of float, shape (contexts, V)
        A row is the law of a context. At each step every row observes one draw: one uniform number a row, in one call
        of the generator, inverts its cumulative probabilities.
    rate : float
        Learning rate, at least 0.
    checkpoints : sequence of int
        Numbers of steps, increasing, at least 0.
    seed : int or numpy.random.Generator
        Of the draws.

    Returns
    -------
    ndarray of float64, shape (checkpoints, contexts, V)
        The utilities after so many steps.

    Raises
    ------
    ValueError
        If the law is none, the rate is not allowed, or the checkpoints do not increase.
    """
    target, step_size = np.asarray(law, dtype=np.float64), _rate(rate)
    if target.ndim != 2:
        raise ValueError(f"law: got shape {target.shape}, allowed is (contexts, V)")
    target = _law(target, target.shape)
    marks = list(checkpoints)
    if not marks or marks[0] < 0 or any(b <= a for a, b in zip(marks, marks[1:], strict=False)):
        raise ValueError(f"checkpoints: got {marks}, allowed are increasing whole numbers of at least 0")
    generator = np.random.default_rng(seed)
    cumulative, rows = target.cumsum(1), np.arange(len(target))
    u = np.zeros_like(target)
    kept: list[Floats] = []
    for step in range(marks[-1] + 1):
        if step == marks[len(kept)]:
            kept.append(u.copy())
        below = (cumulative < generator.random(len(target))[:, None]).sum(1)
        observed = np.minimum(below, target.shape[1] - 1)  # a row may sum to a little less than 1
        u -= step_size * softmax(u, axis=1)
        u[rows, observed] += step_size
    return np.stack(kept)


def order_agreement(utilities: ArrayLike, law: ArrayLike) -> OrderAgreement:
    """Compare the order of utilities with that of a law; nothing but the order counts.

    Parameters
    ----------
    utilities, law : array_like of float, shape (..., V)
        V of 2 or more. The law may be any numbers whose order is the true one.

    Returns
    -------
    OrderAgreement
        ``top_choice``: whether the largest utility is that of the likeliest alternative; ``kendall_tau``: mean
        agreement over pairs, -1 to 1 (tau-a: a tie counts 0); ``exact``: whether no pair is in another order, ties
        included.

    Raises
    ------
    ValueError
        If shapes differ, or V is below 2.
    """
    u, target = _utilities(utilities), np.asarray(law, dtype=np.float64)
    if u.shape != target.shape or u.shape[-1] < 2:
        raise ValueError(
            f"utilities, law: got shapes {u.shape} and {target.shape}, allowed are two equal (..., V)"
        )
    first, second = np.triu_indices(u.shape[-1], 1)
    ours, theirs = (np.sign(values[..., first] - values[..., second]) for values in (u, target))
    return OrderAgreement(
        u.argmax(-1) == target.argmax(-1), (ours * theirs).mean(-1), np.asarray((ours == theirs).all(-1))
    )


def _utilities(utilities: Any) -> Floats:
    u = np.asarray(utilities, dtype=np.float64)
    if u.ndim == 0 or not u.shape[-1] or not np.isfinite(u).all():
        raise ValueError(
            f"utilities: got shape {u.shape}, allowed are finite numbers of shape (..., V), V at least 1"
        )
    return u


def _rate(rate: float) -> float:
    if not 0 <= rate < float("inf"):
        raise ValueError(f"rate: got {rate}, allowed are finite numbers of at least 0")
    return float(rate)


def _law(law: ArrayLike, shape: tuple[int, ...]) -> Floats:
    target = np.asarray(law, dtype=np.float64)
    if target.shape != shape:
        raise ValueError(f"law: got shape {target.shape}, allowed is that of the utilities, {shape}")
    if not ((target >= 0).all() and (abs(target.sum(-1) - 1) < 1e-9).all()):
        raise ValueError("law: a row is not a distribution; allowed are numbers of at least 0 that sum to 1")
    return target
