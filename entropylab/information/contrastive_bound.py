"""InfoNCE, the contrastive lower bound of mutual information (van den Oord, Li & Vinyals 2018), without sampling.

Bai 2025, "Forget BIT, It is All about TOKEN", asks for the code of a text that keeps most information about the next
token; contrastive training optimises this bound in its place.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_count, check_rows

Array = NDArray[np.float64]


def optimal_critic(joint: ArrayLike) -> Array:
    """The density ratio ``p(x, y) / (p(x) p(y))``.

    Parameters
    ----------
    joint : array_like of float, shape (X, Y)
        Probabilities with sum 1, every row and column with a positive one.

    Returns
    -------
    array of float64, shape (X, Y)

    Raises
    ------
    ValueError
        If the array is no such law.
    """
    law = _joint(joint)
    return np.asarray(law / (law.sum(1, keepdims=True) * law.sum(0)))


def info_nce(joint: ArrayLike, candidates: int, critic: ArrayLike | None = None) -> float:
    """Exact value of InfoNCE: ``E ln(K r(x, y_1) / sum_j r(x, y_j))``.

    (x, y_1) is drawn from the joint law, the K - 1 others from the law of y. The value is at most I(X; Y) and at
    most ln K.

    Parameters
    ----------
    joint : array_like of float, shape (X, Y)
    candidates : int
        K, at least 1; the work grows as the number of multisets of K - 1 letters.
    critic : array_like of float, shape (X, Y), optional
        r, finite and above 0 where the joint law is; default :func:`optimal_critic`.

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If the law, the number or the critic is not allowed.
    """
    law = _joint(joint)
    K = check_count("candidates", candidates, 1)
    r = optimal_critic(law) if critic is None else np.asarray(critic, dtype=np.float64)
    if r.shape != law.shape or not np.isfinite(r).all() or (r < 0).any() or (r[law > 0] <= 0).any():
        raise ValueError(
            f"critic: got shape {r.shape}, allowed are finite numbers of shape {law.shape}, at least 0, "
            "and above 0 where the joint law is"
        )
    letters = law.sum(0)
    draws = np.array(list(combinations_with_replacement(range(law.shape[1]), K - 1)), dtype=np.int64)
    counts = (draws[..., None] == np.arange(law.shape[1])).sum(1).reshape(-1, law.shape[1])
    factorials = np.array([math.factorial(n) for n in range(K)], dtype=np.float64)
    chance = factorials[K - 1] / factorials[counts].prod(1) * (letters**counts).prod(1)
    others = counts @ r.T  # (multisets, X): sum of the critic over the negatives
    can_occur = law > 0  # elsewhere the critic may be zero, and its logarithm counts nothing
    shares = np.divide(K * r, r + others[..., None], out=np.ones((len(others), *r.shape)), where=can_occur)
    return float(chance @ (law * np.log(shares)).sum((1, 2)))


def _joint(joint: ArrayLike) -> Array:
    law = np.asarray(joint, dtype=np.float64)
    if law.ndim != 2 or not law.size:
        raise ValueError(f"joint: got shape {law.shape}, allowed is (X, Y)")
    check_rows("joint", law.reshape(1, -1))
    if not (law.sum(0) > 0).all() or not (law.sum(1) > 0).all():
        raise ValueError("joint: got a row or column of zeros, allowed are letters that can occur")
    return law
