"""What a hidden state knows about tokens after the next one (Zhang 2025, equations 4.1 and 4.2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.information.categorical_entropy import categorical_mutual_information


class Surplus(NamedTuple):
    """Information of a hidden state about a block of tokens, nats; ``total = next + surplus``."""

    total: float
    next: float
    surplus: float


def information_surplus(joint: ArrayLike) -> Surplus:
    """Exact information of a hidden state H about the next K tokens, from their joint law.

    Parameters
    ----------
    joint : array_like of float, shape (|H|, V, ..., V)
        Law of H, W_t, ..., W_{t+K-1}, with K of at least 1. H must be computed from the tokens before W_t.

    Returns
    -------
    Surplus
        ``I(H; W_t..W_{t+K-1})``, ``I(H; W_t)`` and ``I(H; W_{t+1}..W_{t+K-1} | W_t)``, each computed on its own and not
        as the difference of the other two.

    Raises
    ------
    ValueError
        If the array is not a joint law of H and at least one token.
    """
    law = np.asarray(joint, dtype=np.float64)
    if law.ndim < 2 or not law.size:
        raise ValueError(f"joint: got shape {law.shape}, allowed is (|H|, V, ..., V)")
    states, symbols = law.shape[:2]
    future = law.reshape(states, symbols, -1)
    total = categorical_mutual_information(law.reshape(states, -1))
    following = categorical_mutual_information(future.sum(-1))
    weights = future.sum((0, 2))
    seen = weights > 0
    given = np.moveaxis(future[:, seen], 1, 0) / weights[seen, None, None]
    surplus = weights[seen] @ categorical_mutual_information(given)
    return Surplus(float(total), float(following), float(surplus))


def stationary_surplus(block_entropies: ArrayLike, entropy_rate: ArrayLike) -> NDArray[np.float64]:
    """Surplus of a sufficient statistic of the whole past of a stationary source: ``H_K - H_1 - (K - 1) h``.

    It is zero for every K exactly if the source is a Markov chain of order one (or has no memory).

    Parameters
    ----------
    block_entropies : array_like of float, shape (n,)
        ``H_1, ..., H_n``, nats.
    entropy_rate : array_like of float
        h, or several values of it such as bounds, nats.

    Returns
    -------
    array of float64, shape (..., n)
        Surplus for K = 1, ..., n; the first is 0. An upper bound of h gives a lower bound.

    Raises
    ------
    ValueError
        If there is no list of block entropies.
    """
    blocks = np.asarray(block_entropies, dtype=np.float64)
    if blocks.ndim != 1 or not blocks.size:
        raise ValueError(f"block_entropies: got shape {blocks.shape}, allowed is (n,)")
    rate = np.asarray(entropy_rate, dtype=np.float64)
    return np.asarray(blocks - blocks[0] - np.arange(len(blocks)) * rate[..., None])
