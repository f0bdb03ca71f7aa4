"""Tests and intervals for paired items: the same item under two conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float


def mcnemar_exact(
    first_only: int, second_only: int, *, alternative: Literal["two-sided", "greater", "less"] = "two-sided"
) -> float:
    """Exact McNemar test: do two conditions succeed equally often on the same items?

    Only items on which the two differ tell anything; under the null hypothesis each of them is a fair coin.

    Parameters
    ----------
    first_only, second_only : int
        Items on which only the first, or only the second condition succeeds.
    alternative : {"two-sided", "greater", "less"}
        "greater": the first condition succeeds more often.

    Returns
    -------
    float
        p value; 1 if the conditions never differ.

    Raises
    ------
    ValueError
        If a count is negative or not whole.
    """
    if any(count < 0 or int(count) != count for count in (first_only, second_only)):
        raise ValueError(f"first_only, second_only: got {first_only} and {second_only}, allowed are counts")
    total = int(first_only) + int(second_only)
    if not total:
        return 1.0
    return float(stats.binomtest(int(first_only), total, 0.5, alternative=alternative).pvalue)


def paired_bootstrap(
    differences: ArrayLike, *, draws: int = 10_000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean difference of paired items with its bootstrap interval (percentiles).

    Parameters
    ----------
    differences : array_like of float, shape (n,)
        One number an item.
    draws : int
        Bootstrap samples.
    level : float
        Coverage, between 0 and 1.
    seed : int
        Decides the samples.

    Returns
    -------
    Interval
        Mean, low and high end.

    Raises
    ------
    ValueError
        If the differences are no list of finite numbers, or ``draws`` or ``level`` is out of range.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"differences: got shape {values.shape}, allowed are finite numbers of shape (n,)")
    return bootstrap_items(
        len(values), lambda items: float(values[items].mean()), draws=draws, level=level, seed=seed
    )


def paired_t_interval(differences: ArrayLike, *, level: float = 0.9) -> Interval:
    """Mean difference of a few paired runs with its t interval; the bootstrap is too narrow for fewer than ten.

    Parameters
    ----------
    differences : array_like of float, shape (n,)
        One number a seed, at least two.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        Mean, low and high end; all the same if the differences are.

    Raises
    ------
    ValueError
        If there are fewer than two finite numbers, or ``level`` is out of range.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"differences: got shape {values.shape}, allowed are two or more finite numbers")
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}, allowed is a number between 0 and 1")
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half)


def bootstrap_items(
    items: int,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval (percentiles) of any statistic, where whole items are drawn, not rows.

    Parameters
    ----------
    items : int
        Number of items; each may stand for several rows, such as a triple of conditions.
    statistic : callable
        From an int64 array of item numbers, with repetitions, to a number.
    draws : int
        Bootstrap samples.
    level : float
        Coverage, between 0 and 1.
    seed : int
        Decides the samples.

    Returns
    -------
    Interval
        The statistic of all items, low and high end.

    Raises
    ------
    ValueError
        If ``items``, ``draws`` or ``level`` is out of range.
    """
    if items < 1 or draws < 1:
        raise ValueError(f"items, draws: got {items} and {draws}, allowed is 1 or more")
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}, allowed is a number between 0 and 1")
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.integers(items, size=items)) for _ in range(draws)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(np.arange(items))), float(low), float(high))


def bootstrap_clusters(
    clusters: ArrayLike,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval (percentiles) of a statistic of rows, where clusters of rows are drawn whole.

    Rows of one cluster, such as answers to one question, are not independent: to draw them one by one makes intervals
    too narrow.

    Parameters
    ----------
    clusters : array_like, shape (n,)
        The cluster of each row, n at least 1.
    statistic : callable
        From an int64 array of row numbers, with repetitions, to a number.
    draws, level, seed
        As in :func:`bootstrap_items`.

    Returns
    -------
    Interval
        The statistic of all rows, low and high end.

    Raises
    ------
    ValueError
        If ``clusters`` has another shape, or ``draws`` or ``level`` is out of range.
    """
    labels = np.asarray(clusters)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"clusters: got shape {labels.shape}, allowed is (n,), one row at least")
    numbers = np.unique(labels, return_inverse=True)[1]
    rows_of = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    return bootstrap_items(
        len(rows_of),
        lambda items: statistic(np.concatenate([rows_of[item] for item in items])),
        draws=draws,
        level=level,
        seed=seed,
    )
