"""Entropy and mutual information of a divergence (Perrone 2023; Zhang 2025, definition 2.5 and proposition 4.2).

The entropy of a kernel at x is the divergence between two copies of one outcome and two independent outcomes. For the
Kullback-Leibler divergence it is Shannon's entropy of the row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.information.finite_divergences import Divergence, named
from entropylab.sources.stochastic import check_rows


def categorical_entropy(p: ArrayLike, divergence: str | Divergence = "kl") -> NDArray[np.float64]:
    """``D(sum_y p(y) delta_(y, y) || p x p)`` of each distribution.

    Parameters
    ----------
    p : array_like of float, shape (..., n)
        Distributions along the last axis: rows of a kernel. Each one is taken to n^2 pairs.
    divergence : str or callable
        A key of ``DIVERGENCES``, or a function of two arrays of distributions.

    Returns
    -------
    array of float64, shape (...)
        With "kl" Shannon's entropy, nats; "total_variation" ``1 - sum p^2``; "squared_hellinger"
        ``2 (1 - sum p^1.5)``; "chi_squared" the size of the support minus one; "renyi2" its logarithm; "reverse_kl"
        +inf unless p is a point mass.

    Raises
    ------
    ValueError
        If a row is not a distribution, or the divergence is unknown.

    Examples
    --------
    >>> float(categorical_entropy([0.5, 0.5], "chi_squared"))
    1.0
    """
    laws = check_rows("p", p)
    size = laws.shape[-1]
    pairs = (*laws.shape[:-1], size * size)
    both = laws[..., :, None] * np.eye(size)
    independent = laws[..., :, None] * laws[..., None, :]
    return named(divergence)(both.reshape(pairs), independent.reshape(pairs))


def categorical_mutual_information(
    joint: ArrayLike, divergence: str | Divergence = "kl"
) -> NDArray[np.float64]:
    """``D(p_XY || p_X x p_Y)`` of each joint law.

    Parameters
    ----------
    joint : array_like of float, shape (..., |X|, |Y|)
        The last two axes together sum to one.
    divergence : str or callable
        A key of ``DIVERGENCES``, or a function of two arrays of distributions.

    Returns
    -------
    array of float64, shape (...)
        With "kl" the mutual information, nats.

    Raises
    ------
    ValueError
        If a joint law does not sum to one, or the divergence is unknown.
    """
    laws = np.asarray(joint, dtype=np.float64)
    if laws.ndim < 2:
        raise ValueError(f"joint: got shape {laws.shape}, allowed is (..., |X|, |Y|)")
    pairs = (*laws.shape[:-2], laws.shape[-2] * laws.shape[-1])
    check_rows("joint", laws.reshape(pairs))
    independent = laws.sum(-1)[..., :, None] * laws.sum(-2)[..., None, :]
    return named(divergence)(laws.reshape(pairs), independent.reshape(pairs))
