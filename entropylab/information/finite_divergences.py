"""Divergences of finite distributions given as probabilities, where supports may differ.

The measures on logits (`kl_divergence` and its relatives) are for training. These take arrays of probabilities with
exact zeros, in float64, and every f-divergence of the chapter on Markov categories has one name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, rel_entr

from entropylab.sources.stochastic import check_rows

Array = NDArray[np.float64]
Divergence = Callable[[ArrayLike, ArrayLike], Array]


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    first, second = check_rows("p", p), check_rows("q", q)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(
            f"p, q: got {first.shape[-1]} and {second.shape[-1]} outcomes, allowed are equal numbers"
        )
    return first, second


def kl(p: ArrayLike, q: ArrayLike) -> Array:
    """Kullback-Leibler divergence ``sum p (ln p - ln q)``.

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)
        Distributions; the leading axes broadcast.

    Returns
    -------
    array of float64, shape (...)
        Nats; +inf where p allows what q does not.

    Raises
    ------
    ValueError
        If a row is not a distribution.
    """
    return np.asarray(rel_entr(*_pair(p, q)).sum(-1))


def reverse_kl(p: ArrayLike, q: ArrayLike) -> Array:
    """``kl(q, p)``; see `kl`.

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)

    Returns
    -------
    array of float64, shape (...)
        Nats.
    """
    return kl(q, p)


def total_variation(p: ArrayLike, q: ArrayLike) -> Array:
    """Half the sum of ``|p - q|``, between 0 and 1; arguments as in `kl`.

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)

    Returns
    -------
    array of float64, shape (...)
    """
    first, second = _pair(p, q)
    return np.asarray(abs(first - second).sum(-1) / 2)


def squared_hellinger(p: ArrayLike, q: ArrayLike) -> Array:
    """``sum (sqrt p - sqrt q)^2 = 2 (1 - BC)``, between 0 and 2; arguments as in `kl`.

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)

    Returns
    -------
    array of float64, shape (...)
    """
    first, second = _pair(p, q)
    return np.asarray(((np.sqrt(first) - np.sqrt(second)) ** 2).sum(-1))


def chi_squared(p: ArrayLike, q: ArrayLike) -> Array:
    """``sum (p - q)^2 / q``; +inf where p allows what q does not; arguments as in `kl`.

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)

    Returns
    -------
    array of float64, shape (...)
    """
    first, second = np.broadcast_arrays(*_pair(p, q))
    terms = np.divide((first - second) ** 2, second, where=second > 0, out=np.zeros(second.shape))
    return np.asarray(np.where((second == 0) & (first > 0), np.inf, terms).sum(-1))


def renyi(p: ArrayLike, q: ArrayLike, order: float = 2.0) -> Array:
    """Renyi divergence ``ln(sum p^a q^(1-a)) / (a - 1)`` (van Erven & Harremoes 2014).

    Parameters
    ----------
    p, q : array_like of float, shape (..., n)
        Distributions; the leading axes broadcast.
    order : float
        a, above 0 and finite; at 1 the Kullback-Leibler divergence.

    Returns
    -------
    array of float64, shape (...)
        Nats; +inf where the supports are disjoint, and for a above 1 where p allows what q does not.

    Raises
    ------
    ValueError
        If a row is not a distribution, or the order is not allowed.
    """
    if not (order > 0 and np.isfinite(order)):
        raise ValueError(f"order: got {order}, allowed are finite numbers above 0")
    if order == 1.0:
        return kl(p, q)
    first, second = np.broadcast_arrays(*_pair(p, q))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = order * np.log(first) + (1 - order) * np.log(second)
    terms = np.where(first == 0, -np.inf, terms)  # p^a = 0 counts nothing, whatever q is
    terms = np.where((first > 0) & (second == 0), np.inf if order > 1 else -np.inf, terms)
    return np.asarray(logsumexp(terms, axis=-1) / (order - 1))


DIVERGENCES: dict[str, Divergence] = {
    "kl": kl,
    "reverse_kl": reverse_kl,
    "total_variation": total_variation,
    "squared_hellinger": squared_hellinger,
    "chi_squared": chi_squared,
    "renyi2": renyi,
}


def named(divergence: str | Divergence) -> Divergence:
    """The divergence of a name, or the function itself.

    Parameters
    ----------
    divergence : str or callable
        A key of ``DIVERGENCES``, or a function of two arrays of distributions.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no such name.
    """
    if callable(divergence):
        return divergence
    if divergence not in DIVERGENCES:
        raise ValueError(f"divergence: got {divergence!r}, allowed are {list(DIVERGENCES)} or a function")
    return DIVERGENCES[divergence]
