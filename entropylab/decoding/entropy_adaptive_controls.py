"""Controls for Entropy Adaptive Decoding: routings that use the large model as often, for another reason.

A mixture of a small and a large model lies between the two whatever decides. Whether entropy is a good reason to switch
shows only beside routings of the same usage: the same mask at other places, or the same switch fed with something else.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.decoding.entropy_adaptive import EntropySwitch, rolling_mean
from entropylab.information.validation import check_count


def matched_random_masks(
    mask: ArrayLike,
    lengths: ArrayLike,
    n: int,
    rng: np.random.Generator,
    how: str = "roll",
) -> NDArray[np.bool_]:
    """Random routings with the statistics of a given one.

    Parameters
    ----------
    mask : array_like of bool, shape (rows, tokens)
        True where the large model wrote.
    lengths : array_like of int, shape (rows,)
        Tokens of each text; what stands behind is ignored.
    n : int
        Number of draws.
    rng : numpy.random.Generator
        Source of the draws.
    how : {"roll", "permute_problems"}
        "roll": each row's mask is shifted by a random amount, around the end of its text, never by zero.
        "permute_problems": each row gets the mask of another row.

    Returns
    -------
    array of bool, shape (n, rows, tokens)
        Behind the end of the text that a mask comes from it starts again, because a new text may be longer.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit, or ``how`` is unknown.
    """
    check_count(n, "n")
    given, ends = _checked(mask, lengths, "mask")
    rows, tokens = given.shape
    columns = np.arange(tokens)
    draws = []
    for _ in range(n):
        if how == "roll":
            shift = 1 + (rng.random(rows) * np.maximum(ends - 1, 0)).astype(np.int64)
            draws.append(given[np.arange(rows)[:, None], (columns + shift[:, None]) % ends[:, None]])
        elif how == "permute_problems":
            order = rng.permutation(rows)
            other = np.empty(rows, dtype=np.int64)
            other[order] = np.roll(order, 1)  # one cycle through all rows: no row keeps its own
            draws.append(given[other[:, None], columns % ends[other][:, None]])
        else:
            raise ValueError(f"how: got {how!r}, allowed are 'roll' and 'permute_problems'")
    return np.stack(draws).astype(bool)


def masks_from_signal(
    signal: ArrayLike, lengths: ArrayLike, share: float, rule: EntropySwitch, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Routing by any signal in place of the entropy, through the same switch, at a given usage.

    The threshold is the one at which the pooled share of large-model tokens is the given one. Where it jumps over it,
    each row takes one of the two neighbouring thresholds at random, in the proportion that gives the share.

    Parameters
    ----------
    signal : array_like of float, shape (rows, tokens)
        Large where the large model should write.
    lengths : array_like of int, shape (rows,)
        Tokens of each text; the signal behind is ignored.
    share : float
        Wanted share of large-model tokens, 0 to 1.
    rule : EntropySwitch
        Window, dwell and variant; its threshold is not used.
    rng : numpy.random.Generator
        Chooses between neighbouring thresholds.

    Returns
    -------
    array of bool, shape (rows, tokens)
        Behind the end of the text that the signal comes from the mask starts again.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit, or the share is not a share.
    """
    values, ends = _checked(signal, lengths, "signal")
    values = values.astype(np.float64)
    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, allowed is 0 to 1")
    inside = np.arange(values.shape[1]) < ends[:, None]
    means = np.unique(rolling_mean(values, rule.window)[inside])
    candidates = np.concatenate([[-np.inf], np.quantile(means, np.linspace(0, 1, 101)), [np.inf]])
    masks = [replace(rule, threshold=float(tau)).trace(values) for tau in candidates]
    shares = np.array([mask[inside].mean() for mask in masks])
    # The share falls with the threshold, up to small ripples of the dwell: take the last crossing.
    above = int(np.flatnonzero(shares >= share)[-1]) if (shares >= share).any() else 0
    below = min(above + 1, len(masks) - 1)
    gap = shares[above] - shares[below]
    weight = np.clip((share - shares[below]) / gap, 0, 1) if gap > 0 else 1.0
    first = rng.permutation(len(values)) < round(weight * len(values))
    mask = np.where(first[:, None], masks[above], masks[below])
    return mask[np.arange(len(mask))[:, None], np.arange(mask.shape[1]) % ends[:, None]]


def shuffled_within(values: ArrayLike, lengths: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
    """Each row's values in random order, within the length of its text.

    Parameters
    ----------
    values : array_like of float, shape (rows, tokens)
        For example entropies.
    lengths : array_like of int, shape (rows,)
        Tokens of each text; what stands behind stays where it is.
    rng : numpy.random.Generator
        Source of the order.

    Returns
    -------
    array of float64, shape (rows, tokens)

    Raises
    ------
    ValueError
        If shapes or lengths do not fit.
    """
    given, ends = _checked(values, lengths, "values")
    shuffled = given.astype(np.float64)
    for row, end in zip(shuffled, ends, strict=True):
        row[:end] = rng.permutation(row[:end])
    return shuffled


def mean_by_position(values: ArrayLike, lengths: ArrayLike) -> NDArray[np.float64]:
    """Mean over rows at each position, of the rows that are that long; behind the longest, its last mean.

    Parameters
    ----------
    values : array_like of float, shape (rows, tokens)
        For example entropies.
    lengths : array_like of int, shape (rows,)
        Tokens of each text.

    Returns
    -------
    array of float64, shape (tokens,)

    Raises
    ------
    ValueError
        If shapes or lengths do not fit.
    """
    given, ends = _checked(values, lengths, "values")
    inside = np.arange(given.shape[1]) < ends[:, None]
    counts = inside.sum(0)
    means = np.where(inside, given, 0.0).sum(0) / np.maximum(counts, 1)
    means[counts == 0] = means[counts.nonzero()[0][-1]]
    return means


def _checked(values: ArrayLike, lengths: ArrayLike, name: str) -> tuple[NDArray, NDArray[np.int64]]:
    given, ends = np.asarray(values), np.asarray(lengths)
    if given.ndim != 2 or ends.shape != given.shape[:1]:
        raise ValueError(
            f"{name}, lengths: got shapes {given.shape} and {ends.shape}, allowed are (rows, tokens) and (rows,)"
        )
    if ends.size == 0 or ends.min() < 1 or ends.max() > given.shape[1]:
        raise ValueError(
            f"lengths: allowed are whole numbers from 1 to the {given.shape[1]} tokens of {name}"
        )
    return given, ends.astype(np.int64)
