"""A row's figures from its blocks, one after another: the state, the rule by which two merge, the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Fold, Statistics

Array = NDArray[np.float64]


def block_state(block: NDArray[np.floating], column: int, temperature: float = 1.0) -> Fold:
    """The state of one block of logits.

    Parameters
    ----------
    block : array [N, W]
    column : int
        Token of the first column.
    temperature : float

    Returns
    -------
    Fold of float64 arrays [N]. A block of -inf only gives the empty state.
    """
    logits = np.asarray(block, dtype=np.float64)
    rows = np.arange(len(logits))
    likeliest = logits.argmax(-1)
    peak = logits[rows, likeliest]
    with np.errstate(invalid="ignore"):
        x = (logits - np.where(np.isneginf(peak), 0.0, peak)[:, None]) / temperature
        e = np.exp(x)
        e_others = e.copy()
        e_others[rows, likeliest] = 0.0
        rest = np.where(np.isneginf(peak), -1.0 + 0.0 * e.sum(-1), e_others.sum(-1))
        rest = np.where(np.isfinite(peak) | np.isneginf(peak), rest, np.nan)
        finite = np.where(e == 0.0, 0.0, x)
        first = (e * finite).sum(-1)
        total = 1.0 + rest
        mean = np.divide(first, total, out=np.zeros_like(first), where=total != 0.0)
        spread = (e * (finite - mean[:, None]) ** 2).sum(-1)
    return Fold(peak, rest, first, spread, likeliest + column)


def merge(a: Fold, b: Fold, temperature: float = 1.0) -> Fold:
    """The state of two disjoint sets of tokens from the states of each; associative.

    With the greater peak marked by a prime, ``d = (peak - peak') / T`` and ``k = e^d``::

        rest'' = rest' + k (1 + rest)        first'' = first' + k (first + d (1 + rest))

    and the spread by the law of total variance. Of two equal peaks the first stays.

    Parameters
    ----------
    a, b : Fold of arrays [N]
    temperature : float

    Returns
    -------
    Fold
    """
    swap = b.peak > a.peak
    high = Fold(*(np.where(swap, y, x) for x, y in zip(a, b, strict=True)))
    low = Fold(*(np.where(swap, x, y) for x, y in zip(a, b, strict=True)))
    empty = np.isneginf(low.peak)
    with np.errstate(invalid="ignore", over="ignore"):
        d = np.where(empty, 0.0, (low.peak - high.peak) / temperature)
        k = np.where(empty, 0.0, np.exp(d))
        d = np.where(k == 0.0, 0.0, d)
        total, part = 1.0 + high.rest, k * (1.0 + low.rest)
        mean = np.divide(high.first, total, out=np.zeros_like(total), where=total != 0.0)
        mean_low = d + np.divide(
            low.first, 1.0 + low.rest, out=np.zeros_like(total), where=1.0 + low.rest != 0.0
        )
        joint = np.divide(total * part, total + part, out=np.zeros_like(total), where=part != 0.0)
        return Fold(
            high.peak,
            high.rest + part + 0.0 * low.rest,  # NaN stays
            high.first + k * (low.first + d * (1.0 + low.rest)),
            high.spread + k * low.spread + (mean - mean_low) ** 2 * joint,
            high.likeliest,
        )


def fold(block: NDArray[np.floating], state: Fold, column: int, temperature: float = 1.0) -> None:
    """Fold a block of logits into the state of its rows, in place.

    Parameters
    ----------
    block : array [N, W]
        Logits of the tokens ``column`` to ``column + W - 1``.
    state : Fold of arrays [N]
        See :class:`entropylab.kernels.Fold` for its beginning.
    column : int
    temperature : float
        Divides the logits.
    """
    merged = merge(state, block_state(block, column, temperature), temperature)
    for field, value in zip(state, merged, strict=True):
        field[...] = value


def fold_backward(
    block: NDArray[np.floating],
    state: Fold,
    column: int,
    temperature: float,
    targets: NDArray[np.int64] | None,
    grad: Statistics,
    *,
    out: Any,
) -> None:
    """Gradient of a weighted sum of the statistics with respect to one block of the logits.

    The formulas stand in :func:`entropylab.kernels.reference.statistics_backward`.

    Parameters
    ----------
    block, column, temperature
        As given to :func:`fold`.
    state : Fold of arrays [N]
        After all blocks were folded.
    targets : int64 array [N] or None
    grad : Statistics
        Upstream gradients, arrays [N] or ``None``.
    out : array [N, W]
        Where to write; it may be the block itself. A logit of -inf gets exactly 0.
    """
    logits = np.asarray(block, dtype=np.float64)
    width = logits.shape[1]
    total = 1.0 + state.rest
    h, nu, lse, top, s = (
        np.zeros(len(logits)) if g is None else np.asarray(g, dtype=np.float64) for g in grad
    )
    x = (logits - state.peak[:, None]) / temperature
    p = np.exp(x) / total[:, None]
    a = np.where(p == 0.0, 0.0, x - (state.first / total)[:, None])
    constant = lse + s - nu * state.spread / total - top / total
    result = p * (constant[:, None] + (2.0 * nu - h)[:, None] * a + nu[:, None] * a * a)

    def add(tokens: NDArray[np.int64], values: Array) -> None:
        rows = np.flatnonzero((tokens >= column) & (tokens < column + width))
        result[rows, tokens[rows] - column] += values[rows]

    add(state.likeliest, top / total)
    if targets is not None:
        add(targets, -s)
    out[...] = np.where(np.isneginf(logits), 0.0, result / temperature)
