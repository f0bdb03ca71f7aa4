"""Which tokens of chains are uncertain, and what training does to that pattern: Wang et al. 2025, arXiv 2506.01939.

Section 3 (skew), Figure 3 (two temperatures), Table 1 (overlap of the most uncertain positions), Figure 4 (change by
entropy of the base policy).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from entropylab.information import entropy as entropy_of
from entropylab.models.generation import LogitsFilter


def top_places(entropy: ArrayLike, share: float = 0.2) -> NDArray[np.bool_]:
    """The ``floor(share * n)`` most uncertain of n tokens, ties broken by order.

    Parameters
    ----------
    entropy : array_like, shape (n,)
        At least ``1 / share`` tokens.
    share : float
        Above 0, at most 1.

    Returns
    -------
    bool array (n,)

    Raises
    ------
    ValueError
        If the shape or the share is not allowed, or no token is left.
    """
    values = np.asarray(entropy, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"entropy: got shape {values.shape}, allowed are finite numbers of shape (n,)")
    # 0.2 * 5 is 1 in floating point, but 0.29 * 100 is below 29.
    count = int(share * len(values) + 1e-9)
    if not 0 < share <= 1 or not count:
        raise ValueError(
            f"share: got {share} of {len(values)} tokens, allowed is above 0, and a token at least"
        )
    kept = np.zeros(len(values), dtype=bool)
    kept[np.argsort(-values, kind="stable")[:count]] = True
    return kept


def top_mass(entropy: ArrayLike, share: float = 0.2) -> float:
    """Share of all entropy that the most uncertain tokens hold; arguments as :func:`top_places`.

    Raises
    ------
    ValueError
        As :func:`top_places`, or if there is no entropy at all.
    """
    values = np.asarray(entropy, dtype=np.float64)
    kept = top_places(values, share)
    if not values.sum() > 0:
        raise ValueError(f"entropy: got a sum of {values.sum()}, allowed is above 0")
    return float(values[kept].sum() / values.sum())


def overlap(first: ArrayLike, second: ArrayLike, share: float = 0.2) -> float:
    """Share of the most uncertain places that two policies have in common, on the same tokens.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Entropies.
    share : float

    Returns
    -------
    float
        From 0 to 1; ``share`` is what chance gives.

    Raises
    ------
    ValueError
        If the shapes differ, or as :func:`top_places`.
    """
    a, b = top_places(first, share), top_places(second, share)
    if a.shape != b.shape:
        raise ValueError(f"first, second: got shapes {a.shape} and {b.shape}, allowed is one shape")
    return float((a & b).sum() / a.sum())


def bins_of(entropy: ArrayLike, bins: int) -> NDArray[np.int64]:
    """Number each token by its place in the order of entropies: bins of equal size, 0 the lowest, ties by order.

    Raises
    ------
    ValueError
        If there are fewer tokens than bins, or ``bins`` is below 1.
    """
    values = np.asarray(entropy, dtype=np.float64)
    if values.ndim != 1 or not 1 <= bins <= len(values):
        raise ValueError(f"bins: got {bins} for shape {values.shape}, allowed is 1 to n for shape (n,)")
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * bins // len(values)


def two_temperatures(threshold: float, *, high: float, low: float) -> LogitsFilter:
    """A filter for sampling: temperature ``high`` where the entropy is above the threshold, ``low`` elsewhere (Eq. 5).

    Parameters
    ----------
    threshold : float
        Nats.
    high, low : float
        Above 0.

    Returns
    -------
    callable
        From logits (n, V) to logits (n, V).

    Raises
    ------
    ValueError
        If a temperature is not above 0.
    """
    if not (high > 0 and low > 0):
        raise ValueError(f"high, low: got {high} and {low}, allowed is above 0")

    def heated(logits: Tensor) -> Tensor:
        forks = entropy_of(logits)[:, None] > threshold
        return logits / torch.where(forks, high, low).to(logits.dtype)

    return heated
