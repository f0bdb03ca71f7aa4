"""How repetitive and how varied a generated text is: the measures of the decoding papers, on token ids.

REP: Welleck et al. 2020 (rep/l), averaged over window lengths as in Meister et al. 2023. D: distinct n-grams.
Zipf: slope of log frequency on log rank (Zipf 1949). All depend on the tokenizer and on the length of the
text: compare them only within one tokenizer and one length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def repetition_rate(tokens: ArrayLike, windows: Sequence[int] = (16, 32, 128)) -> float:
    """Share of tokens that already stood among the previous ``l`` tokens, averaged over the windows ``l``.

    Parameters
    ----------
    tokens : array_like of int, shape (n,)
        One text.
    windows : sequence of int
        Window lengths ``l``, each at least 1.

    Returns
    -------
    float
        In [0, 1]; 0 for a text of fewer than two tokens.

    Raises
    ------
    ValueError
        If ``tokens`` is not a flat array of integers, or a window is below 1.
    """
    ids = _token_ids(tokens)
    if not windows or min(windows) < 1:
        raise ValueError(f"windows: got {tuple(windows)}, allowed are lengths of at least 1")
    if ids.size < 2:
        return 0.0
    distance = _distance_to_previous(ids)
    return float(np.mean([np.mean(distance <= window) for window in windows]))


def _distance_to_previous(ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Steps back to the same token's last occurrence, inf at its first."""
    order = np.argsort(ids, kind="stable")
    distance = np.full(ids.size, np.inf)
    same = ids[order[1:]] == ids[order[:-1]]
    distance[order[1:][same]] = (order[1:] - order[:-1])[same]
    return distance


def distinct_ngrams(tokens: ArrayLike, n: Sequence[int] = (1, 2, 3, 4)) -> float:
    """Share of n-grams that are unique, averaged over the orders ``n``.

    Parameters
    ----------
    tokens : array_like of int, shape (N,)
        One text, at least as long as the largest order.
    n : sequence of int
        Orders, each at least 1.

    Returns
    -------
    float
        In (0, 1]; 1 if no n-gram occurs twice.

    Raises
    ------
    ValueError
        If ``tokens`` is not a flat array of integers or shorter than the largest order, or an order is below
        1.
    """
    ids = _token_ids(tokens)
    if not n or min(n) < 1:
        raise ValueError(f"n: got {tuple(n)}, allowed are orders of at least 1")
    if ids.size < max(n):
        raise ValueError(
            f"tokens: got {ids.size} tokens, needed are at least {max(n)} for n-grams of that order"
        )
    shares = []
    for order in n:
        grams = np.lib.stride_tricks.sliding_window_view(ids, order)
        shares.append(len(np.unique(grams, axis=0)) / len(grams))
    return float(np.mean(shares))


def zipf_exponent(counts: ArrayLike, max_rank: int = 1000) -> float:
    """Exponent of Zipf's law: minus the slope of log frequency on log rank, by least squares.

    Parameters
    ----------
    counts : array_like, shape (V,)
        How often each type occurs; zeros are left out.
    max_rank : int
        Ranks beyond it are left out, since the tail of a small sample is flat by counting alone.

    Returns
    -------
    float
        About 1 for natural text.

    Raises
    ------
    ValueError
        If fewer than two types occur, a count is negative, or ``max_rank`` is below 2.
    """
    frequencies = np.asarray(counts, dtype=np.float64).ravel()
    if (frequencies < 0).any():
        raise ValueError(f"counts: got {frequencies.min()}, allowed are counts of at least 0")
    if max_rank < 2:
        raise ValueError(f"max_rank: got {max_rank}, allowed are integers of at least 2")
    ranked = np.sort(frequencies[frequencies > 0])[::-1][:max_rank]
    if ranked.size < 2:
        raise ValueError(f"counts: got {ranked.size} types that occur, needed are at least 2")
    slope, _ = np.polyfit(np.log(np.arange(1, ranked.size + 1)), np.log(ranked), 1)
    return float(-slope)


def _token_ids(tokens: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(tokens)
    if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
        raise ValueError(f"tokens: got shape {ids.shape} of {ids.dtype}, allowed is a flat array of integers")
    return ids.astype(np.int64)
