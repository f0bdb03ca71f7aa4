"""Whitened representations of least negative log-likelihood, and the spectral objective (Zhang 2025, theorem 7.6).

A table H has one row for each context. It is whitened: its columns have mean zero, and its covariance (normalised by
the number of contexts) is the identity. The head is fixed: logits ``s G h`` with prototypes G and a scale s.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class WhitenedFit(NamedTuple):
    """The best of several fits, and how far apart their objectives are."""

    hidden: Tensor
    nll: float
    spread: float


def whiten(table: Tensor) -> Tensor:
    """Centre the columns and make their covariance the identity.

    Through the Cholesky factor of the covariance and not its square root: the gradient then exists also where two
    eigenvalues are equal, and the tables that can be reached are the same.

    Parameters
    ----------
    table : Tensor [N, d]
        N of at least d + 1, columns linearly independent after centring.

    Returns
    -------
    Tensor [N, d]
        Columns of mean 0, ``H' H / N`` the identity.

    Raises
    ------
    ValueError
        If the table has too few rows.
    """
    if table.ndim != 2 or len(table) <= table.shape[1]:
        raise ValueError(f"table: got shape {tuple(table.shape)}, allowed is [N, d] with N above d")
    centred = table - table.mean(0)
    factor = torch.linalg.cholesky(centred.T @ centred / len(table))
    white: Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False)
    return white.T


def mean_prototypes(laws: Tensor, prototypes: Tensor) -> Tensor:
    """``E_{w ~ p_x} g(w)`` of each context, centred over contexts.

    Parameters
    ----------
    laws : Tensor [N, V]
        Next-token distributions of the contexts.
    prototypes : Tensor [V, d]
        G, one row for each token.

    Returns
    -------
    Tensor [N, d]
    """
    means = laws @ prototypes
    return means - means.mean(0)


def table_nll(hidden: Tensor, laws: Tensor, prototypes: Tensor, *, scale: float = 1.0) -> Tensor:
    """Mean cross-entropy over contexts of the head ``softmax(s G h)`` under the true laws.

    Parameters
    ----------
    hidden : Tensor [N, d]
    laws : Tensor [N, V]
    prototypes : Tensor [V, d]
    scale : float
        s.

    Returns
    -------
    Tensor []
        Nats.
    """
    return -(laws * (scale * hidden @ prototypes.T).log_softmax(-1)).sum(-1).mean()


def spectral_objective(hidden: Tensor, laws: Tensor, prototypes: Tensor) -> Tensor:
    """``J = |H' Gc / N|^2`` (Frobenius), the mean of ``<h_x, h_y> <g_x, g_y>`` over pairs of contexts.

    Parameters
    ----------
    hidden : Tensor [N, d]
        Whitened.
    laws : Tensor [N, V]
    prototypes : Tensor [V, d]

    Returns
    -------
    Tensor []
        It does not change when H is rotated.
    """
    centred = mean_prototypes(laws, prototypes)
    return ((hidden.T @ centred / len(hidden)) ** 2).sum()


def fit_whitened(
    laws: Tensor, prototypes: Tensor, *, scale: float, starts: int = 3, seed: int = 0
) -> WhitenedFit:
    """Whitened table of least NLL at a scale, by L-BFGS from random starts.

    Minimised is ``(NLL - ln V) / s``. For small s the gradient of the NLL itself is of the order of s, and the search
    would stop where it began.

    Parameters
    ----------
    laws : Tensor [N, V]
        Float64.
    prototypes : Tensor [V, d]
        Float64.
    scale : float
        s, above 0.
    starts : int
        Random starts; the lowest is kept.
    seed : int
        Seed of the starts.

    Returns
    -------
    WhitenedFit
        The table, its NLL in nats, and largest minus smallest ``(NLL - ln V) / s`` of the starts.

    Raises
    ------
    ValueError
        If a number is out of range, or the tensors are not float64 or do not fit.
    """
    if not scale > 0:
        raise ValueError(f"scale: got {scale}, allowed is above 0")
    if starts < 1:
        raise ValueError(f"starts: got {starts}, allowed is 1 or more")
    if laws.dtype != torch.float64 or prototypes.dtype != torch.float64:
        raise ValueError(
            f"laws, prototypes: got {laws.dtype} and {prototypes.dtype}, allowed is torch.float64"
        )
    if laws.ndim != 2 or prototypes.ndim != 2 or laws.shape[1] != len(prototypes):
        raise ValueError(
            f"laws, prototypes: got shapes {tuple(laws.shape)} and {tuple(prototypes.shape)}, "
            "allowed are [N, V] and [V, d]"
        )
    generator = torch.Generator().manual_seed(seed)
    size = (len(laws), prototypes.shape[1])
    fits = [
        _descend(torch.randn(size, generator=generator, dtype=torch.float64), laws, prototypes, scale)
        for _ in range(starts)
    ]
    found = [value for _, value in fits]
    best, value = min(fits, key=lambda fit: fit[1])
    return WhitenedFit(best, value * scale + math.log(laws.shape[1]), max(found) - min(found))


def _descend(start: Tensor, laws: Tensor, prototypes: Tensor, scale: float) -> tuple[Tensor, float]:
    """One run: the whitened table and its objective."""
    table = start.requires_grad_()
    search = torch.optim.LBFGS(
        [table],
        max_iter=1000,
        history_size=30,
        tolerance_grad=1e-11,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        nll = table_nll(whiten(table), laws, prototypes, scale=scale)
        return (nll - math.log(laws.shape[1])) / scale

    def closure() -> Tensor:
        search.zero_grad()
        value = objective()
        value.backward()
        return value

    search.step(closure)
    with torch.no_grad():
        return whiten(table), float(objective())
