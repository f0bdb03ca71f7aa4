"""Code lengths of bits under Krichevsky-Trofimov predictors of a given order (Krichevsky & Trofimov 1981).

The predictor of order k counts what followed each context of k bits, and gives a bit the probability
``(count + 1/2) / (total + 1)``. It stands for an observer whose memory is ``2^k`` contexts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.kernels.cpu.compiling import exact

MAX_ORDER = 24


class KTCode(NamedTuple):
    """A sequence under one predictor.

    Attributes
    ----------
    bits : array of float64, shape (n,)
        Code length of each symbol before it was counted, bits.
    counts : array of int64, shape (2^k, 2)
        What followed each context, at the end.
    total : float
        Sum of `bits`: the prequential code.
    plug_in : float
        Code length with the final counts throughout, bits: what is left to a reader who has learned all.
    structure : float
        ``total - plug_in``: what was paid for learning.
    """

    bits: NDArray[np.float64]
    counts: NDArray[np.int64]
    total: float
    plug_in: float
    structure: float


@exact
def _code(x: NDArray[np.uint8], mask: int, counts: NDArray[np.int64], bits: NDArray[np.float64]) -> None:
    context = 0
    for i in range(x.size):
        seen = counts[context]
        bits[i] = math.log2((seen[0] + seen[1] + 1.0) / (seen[x[i]] + 0.5))
        seen[x[i]] += 1
        context = (2 * context + x[i]) & mask


def kt_code(x: ArrayLike, order: int) -> KTCode:
    """Code a sequence of bits with the predictor of an order.

    Parameters
    ----------
    x : array_like of int, shape (n,)
        0 and 1. The context before the first bit is all zeros.
    order : int
        k, 0 to 24.

    Returns
    -------
    KTCode

    Raises
    ------
    ValueError
        If the sequence is not of bits, or the order is out of range.

    Examples
    --------
    >>> round(kt_code([0, 1, 1, 0, 1, 0, 0, 1], 0).total, 6)
    9.870717
    """
    sequence = np.asarray(x)
    if sequence.ndim != 1 or not np.isin(sequence, (0, 1)).all():
        raise ValueError(f"x: got shape {sequence.shape}, allowed is one row of 0 and 1")
    if not 0 <= order <= MAX_ORDER:
        raise ValueError(f"order: got {order}, allowed are 0 to {MAX_ORDER}")
    sequence = np.ascontiguousarray(sequence, dtype=np.uint8)
    counts, bits = np.zeros((1 << order, 2), np.int64), np.empty(sequence.size)
    _code(sequence, (1 << order) - 1, counts, bits)
    estimates = (counts + 0.5) / (counts.sum(1, keepdims=True) + 1.0)
    total, plug_in = float(bits.sum()), float(-(counts * np.log2(estimates)).sum())
    return KTCode(bits, counts, total, plug_in, total - plug_in)


def least_description(x: ArrayLike, max_order: int) -> tuple[int, KTCode]:
    """The observer with the shortest code among those that a memory allows: order and code.

    Parameters
    ----------
    x : array_like of int, shape (n,)
    max_order : int
        Largest order that is allowed: the bound on the observer. Of equal codes the smaller order wins.

    Returns
    -------
    order : int
    code : KTCode
        Its ``structure`` is the epiplexity of the sequence for this family, its ``plug_in`` the bounded entropy.

    Raises
    ------
    ValueError
        As :func:`kt_code`.
    """
    codes = [kt_code(x, order) for order in range(max_order + 1)]
    best = min(range(len(codes)), key=lambda k: codes[k].total)
    return best, codes[best]
