"""Rate against distortion, by the algorithm of Blahut and Arimoto (Blahut 1972; Arimoto 1972).

Bai 2025, "Forget BIT, It is All about TOKEN", describes pre-training by a directed rate-distortion function. For one
symbol, or for a prompt that is known before the answer starts, directed and mutual information agree, and this is the
classical function.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from entropylab.sources.stochastic import check_count, check_rows

Array = NDArray[np.float64]


class RatePoint(NamedTuple):
    """Points of a rate curve, one for each multiplier; S stands for the shape of the multipliers."""

    rate: Array
    """I(X; Y) of the kernel, nats, shape S."""
    cost: Array
    """Mean distortion, or mean reward, shape S."""
    kernel: Array
    """w(y | x), shape S + (X, Y)."""
    output: Array
    """Law of y that the kernel makes, shape S + (Y,)."""
    gap: Array
    """How far the Lagrangian ``rate + slope * distortion`` may still be above its minimum, shape S, nats."""


def rate_distortion(
    p_x: ArrayLike, distortion: ArrayLike, slope: ArrayLike, *, iterations: int = 5000
) -> RatePoint:
    """Points of the rate-distortion function ``R(D) = min I(X; Y)`` subject to ``E d <= D``.

    The best kernel is ``w(y|x)`` in proportion to ``q(y) exp(-slope d(x, y))`` with q its own output law. The
    iteration starts from a uniform q. Reproductions that the optimum does not use die out as a power, or slower: see
    ``gap``.

    Parameters
    ----------
    p_x : array_like of float, shape (X,)
    distortion : array_like of float, shape (X, Y)
        Finite.
    slope : array_like of float, shape S
        Multipliers of the distortion, at least 0: minus the slope of R at the point.
    iterations : int
        At least 1.

    Returns
    -------
    RatePoint

    Raises
    ------
    ValueError
        If a shape or number is not allowed.
    """
    p, d = check_rows("p_x", p_x, ndim=1), np.asarray(distortion, dtype=np.float64)
    check_table("distortion", d, p)
    s = np.asarray(slope, dtype=np.float64)
    if not (s >= 0).all() or not np.isfinite(s).all():
        raise ValueError(f"slope: got {slope!r}, allowed are finite numbers of at least 0")
    check_count("iterations", iterations, 1)
    # The best letter of each x has weight one, so that no row of weights is all zero.
    weights = np.exp(-s[..., None, None] * (d - d.min(1, keepdims=True)))
    q = np.full((*s.shape, d.shape[1], 1), 1 / d.shape[1])
    turned = weights.swapaxes(-1, -2)
    for _ in range(iterations):
        q = q * (turned @ (p[:, None] / (weights @ q)))
    kernel = weights * q.swapaxes(-1, -2)
    kernel /= kernel.sum(-1, keepdims=True)
    growth = (turned @ (p[:, None] / (weights @ q)))[..., 0]
    return RatePoint(
        rate=information(p, kernel),
        cost=np.asarray(np.einsum("x,...xy,xy->...", p, kernel, d)),
        kernel=kernel,
        output=p @ kernel,
        gap=np.asarray(np.log(growth.max(-1))),
    )


def information(p_x: ArrayLike, kernel: ArrayLike) -> Array:
    """Mutual information of an input law and a kernel.

    Parameters
    ----------
    p_x : array_like of float, shape (X,)
    kernel : array_like of float, shape (..., X, Y)

    Returns
    -------
    array of float64, shape (...)
        Nats.

    Raises
    ------
    ValueError
        If a row is not a distribution, or the shapes do not fit.
    """
    p, w = check_rows("p_x", p_x, ndim=1), check_rows("kernel", kernel)
    if w.ndim < 2 or w.shape[-2] != len(p):
        raise ValueError(f"kernel: got shape {w.shape}, allowed is (..., {len(p)}, Y)")
    return np.asarray(rel_entr(w, (p @ w)[..., None, :]).sum(-1) @ p)


def check_table(name: str, table: Array, p_x: Array) -> None:
    """Check a table of distortions or rewards.

    Parameters
    ----------
    name : str
        How an error calls it.
    table : array of float64, shape (X, Y)
    p_x : array of float64, shape (X,)

    Raises
    ------
    ValueError
        If the shape does not fit, or an entry is not finite.
    """
    if table.ndim != 2 or table.shape[0] != len(p_x) or not table.shape[1] or not np.isfinite(table).all():
        raise ValueError(
            f"{name}: got shape {table.shape}, allowed are finite numbers of shape ({len(p_x)}, Y)"
        )
