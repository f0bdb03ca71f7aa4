"""How much better a predictor explains reading times: regressions over words, closed form.

Liu, Skrjanec and Demberg 2024, section 3, fit mixed models to single readings and divide the gain in log-likelihood by
their number. Here the unit is a word's mean over its readers, and the fit is weighted least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LAGS = (0, 1, 2)


def lagged(values: ArrayLike, groups: ArrayLike, lags: Sequence[int]) -> Floats:
    """The values of earlier rows of the same group; 0 where a lag leaves the group.

    Parameters
    ----------
    values : array_like, shape (n,)
        Rows of a group stand together, in order.
    groups : array_like, shape (n,)
        For example the story of each word.
    lags : sequence of int
        1 is the row before, -1 the row after.

    Returns
    -------
    array of float64, shape (n, number of lags)

    Raises
    ------
    ValueError
        If the shapes differ, or a group's rows do not stand together.
    """
    series, labels = _grouped(values, groups)
    result = np.zeros((len(series), len(lags)))
    for column, lag in enumerate(lags):
        source = np.arange(len(series)) - lag
        inside = (source >= 0) & (source < len(series))
        inside[inside] = labels[source[inside]] == labels[inside]
        result[inside, column] = series[source[inside]]
    return result


def rolled_by_half(values: ArrayLike, groups: ArrayLike) -> Floats:
    """The values of each group moved on by half the group, in a circle: same numbers, at the wrong words.

    Parameters
    ----------
    values, groups : array_like, shape (n,)
        As in :func:`lagged`.

    Returns
    -------
    array of float64, shape (n,)
    """
    series, labels = _grouped(values, groups)
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    return np.concatenate([np.roll(part, len(part) // 2) for part in np.split(series, starts[1:])])


def delta_log_likelihood(
    y: ArrayLike, base: ArrayLike, extra: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Gain in log-likelihood by further predictors, a row: ``0.5 ln(RSS_base / RSS_full)``.

    Parameters
    ----------
    y : array_like, shape (n,)
        Response.
    base : array_like, shape (n, p)
        Predictors of the smaller model, with a constant if one is wanted.
    extra : array_like, shape (n, q)
        What the larger model has in addition.
    weights : array_like, shape (n,), optional
        A row's variance is the common one over its weight.

    Returns
    -------
    float
        Nats a row, at least 0; variances are those of maximum likelihood.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, a weight is not above 0, or the base leaves no residual.
    """
    return Regression(y, base, weights).delta(extra)


class Regression:
    """A weighted regression whose base predictors stay, while others are tried.

    Parameters
    ----------
    y, base, weights
        As in :func:`delta_log_likelihood`, whose errors it raises too.
    """

    def __init__(self, y: ArrayLike, base: ArrayLike, weights: ArrayLike | None = None) -> None:
        response, predictors = _finite("y", y, 1), _finite("base", base, 2)
        weight = np.ones(len(response)) if weights is None else _finite("weights", weights, 1)
        if not len(response) == len(predictors) == len(weight):
            raise ValueError(
                f"y, base, weights: got {len(response)}, {len(predictors)} and {len(weight)} rows, allowed are equal "
                "numbers"
            )
        if np.any(weight <= 0):
            raise ValueError(f"weights: got {weight.min()}, allowed are numbers above 0")
        self._root = np.sqrt(weight)
        # An orthonormal basis of what the base can say; columns that repeat others are dropped.
        left, size, _ = np.linalg.svd(_scaled(predictors) * self._root[:, None], full_matrices=False)
        self._basis = left[:, size > size[0] * 1e-10]
        self._residual = self._without_base((response * self._root)[:, None])[:, 0]
        self._rss = float(self._residual @ self._residual)
        if self._rss <= 1e-24 * float(response**2 @ weight):
            raise ValueError("base: it explains y exactly, so there is nothing to gain")

    def delta(self, extra: ArrayLike) -> float:
        """Gain in nats a row by further predictors, shape (n, q)."""
        predictors = _finite("extra", extra, 2)
        if len(predictors) != len(self._root):
            raise ValueError(f"extra: got {len(predictors)} rows, allowed are {len(self._root)}")
        given = _scaled(predictors) * self._root[:, None]
        columns = self._without_base(given)
        # What the base already says leaves rounding behind, which must not be fitted.
        columns[:, np.linalg.norm(columns, axis=0) <= 1e-9 * np.linalg.norm(given, axis=0)] = 0.0
        coefficients, *_ = np.linalg.lstsq(columns, self._residual, rcond=1e-9)
        rest = self._residual - columns @ coefficients
        return 0.5 * float(np.log(self._rss / (rest @ rest)))

    def _without_base(self, columns: Floats) -> Floats:
        return columns - self._basis @ (self._basis.T @ columns)


class ReadingTimes:
    """The words of the stories whose reading times are explained, and how well a predictor of words does it.

    The response is the log of the geometric mean reading time, weighted by the number of readers. The base has, for
    the word and the one before, log count, length and their product; the position in the story; and the story.
    Kept are *plain* words (letters and inner apostrophes, no punctuation) at position 3 and later, after plain words.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a word, in reading order: ``story``, ``position``, ``readers``, ``geometric_mean_ms``, ``characters``,
        ``log_count``, ``plain``.
    plain_before : int
        How many words before a kept one must be plain too, 0 to 2. The predictors reach two words back; the paper's
        filter, 1, leaves punctuation at the word before that one.
    without : sequence of int
        Stories to leave out.

    Raises
    ------
    ValueError
        If a column is missing, ``plain_before`` is out of range, or no word is left.
    """

    def __init__(self, table: pd.DataFrame, *, plain_before: int = 1, without: Sequence[int] = ()) -> None:
        if plain_before not in (0, 1, 2):
            raise ValueError(f"plain_before: got {plain_before}, allowed are 0, 1 and 2")
        needed = {
            "story",
            "position",
            "readers",
            "geometric_mean_ms",
            "characters",
            "log_count",
            "plain",
        }
        if missing := needed - set(table.columns):
            raise ValueError(f"table: columns {', '.join(sorted(missing))} are missing")
        self._all_stories = table["story"].to_numpy()
        plain = lagged(table["plain"], self._all_stories, range(plain_before + 1)) == 1
        kept = plain.all(axis=1) & (table["position"].to_numpy() >= 3)
        self.rows = np.flatnonzero(kept & ~np.isin(self._all_stories, without))
        if not self.rows.size:
            raise ValueError("table: no plain word after plain words, at position 3 or later, is left")
        self.story = self._all_stories[self.rows]
        self.weights = table["readers"].to_numpy(dtype=np.float64)[self.rows]
        self.y = np.log(table["geometric_mean_ms"].to_numpy(dtype=np.float64)[self.rows])
        frequency, length = (_standard(table[name]) for name in ("log_count", "characters"))
        columns = [self._lagged(x, (0, 1)) for x in (frequency, length, frequency * length)]
        self.base = np.column_stack([*columns, table["position"].to_numpy(dtype=np.float64)[self.rows]])

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _regression(self) -> Regression:
        stories = (self.story[:, None] == np.unique(self.story)).astype(np.float64)
        return Regression(self.y, np.column_stack([self.base, stories]), self.weights)

    def delta(self, *predictors: ArrayLike) -> float:
        """Gain in log-likelihood over the base, in sample, nats a word.

        Parameters
        ----------
        *predictors : array_like, each of shape (n,)
            One number for each word of the table, kept or not; each enters at lags 0, 1 and 2.

        Returns
        -------
        float
        """
        return self._regression.delta(self._extra(predictors))

    def held_out(self, *predictors: ArrayLike) -> Floats:
        """Mean log-likelihood of each story's words under a fit to the other stories, nats a word.

        Parameters
        ----------
        *predictors : array_like, each of shape (n,)
            As in :meth:`delta`; none gives the base.

        Returns
        -------
        array of float64, shape (number of stories,)
        """
        columns = np.column_stack([self.base, *([self._extra(predictors)] if predictors else [])])
        return held_out_log_likelihood(self.y, columns, self.story, self.weights)

    def _extra(self, predictors: tuple[ArrayLike, ...]) -> Floats:
        return np.column_stack([self._lagged(x, LAGS) for x in predictors])

    def _lagged(self, values: ArrayLike, lags: Sequence[int]) -> Floats:
        return lagged(values, self._all_stories, lags)[self.rows]


def held_out_log_likelihood(
    y: ArrayLike, predictors: ArrayLike, groups: ArrayLike, weights: ArrayLike
) -> Floats:
    """Gaussian log-likelihood of each group under a weighted regression on the other groups.

    The level of a group that was not seen cannot be known, so response and predictors are first centred in each group
    by their weighted mean. A word's variance is that of the training fit over its weight.

    Parameters
    ----------
    y : array_like, shape (n,)
    predictors : array_like, shape (n, p)
        Without a constant, and without columns that are constant in every group.
    groups : array_like, shape (n,)
        At least two groups.
    weights : array_like, shape (n,)
        Above 0.

    Returns
    -------
    array of float64, shape (number of groups,)
        Mean over a group's rows, nats; groups in ascending order.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, a weight is not above 0, or there is one group only.
    """
    response, columns, weight = (
        _finite("y", y, 1),
        _finite("predictors", predictors, 2),
        _finite("weights", weights, 1),
    )
    labels = np.asarray(groups)
    if not len(response) == len(columns) == len(weight) == len(labels):
        raise ValueError(
            f"y, predictors, groups, weights: got {len(response)}, {len(columns)}, {len(labels)} and {len(weight)} "
            "rows, allowed are equal numbers"
        )
    if np.any(weight <= 0):
        raise ValueError(f"weights: got {weight.min()}, allowed are numbers above 0")
    names = np.unique(labels)
    if len(names) < 2:
        raise ValueError(f"groups: got {len(names)} group, allowed are at least two")
    data = np.column_stack([response, _scaled(columns)])
    for name in names:
        rows = labels == name
        data[rows] -= np.average(data[rows], axis=0, weights=weight[rows])
    root = np.sqrt(weight)
    scaled = data * root[:, None]
    result = np.empty(len(names))
    for place, name in enumerate(names):
        test = labels == name
        x, z = scaled[~test, 1:], scaled[~test, 0]
        coefficients, *_ = np.linalg.lstsq(x, z, rcond=1e-9)
        variance = np.mean((z - x @ coefficients) ** 2)
        squares = (scaled[test, 0] - scaled[test, 1:] @ coefficients) ** 2
        result[place] = np.mean(-0.5 * (np.log(2 * np.pi * variance / weight[test]) + squares / variance))
    return result


def matched_pairs(
    chosen: ArrayLike, features: ArrayLike, *, caliper: float = 0.5
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each chosen row with the nearest row that was not chosen, each of those used once at most.

    Greedy, in table order; the distance is the sum of the absolute differences of the standardised features.

    Parameters
    ----------
    chosen : array_like of bool, shape (n,)
    features : array_like, shape (n, k)
        For example length and log frequency.
    caliper : float
        Largest allowed distance; a chosen row without a partner so near is left out.

    Returns
    -------
    chosen_rows, partners : arrays of int, shape (number of pairs,)

    Raises
    ------
    ValueError
        If shapes do not fit, a feature is not finite or constant, or the caliper is not above 0.
    """
    mask, values = np.asarray(chosen, dtype=bool), _finite("features", features, 2)
    if mask.shape != (len(values),):
        raise ValueError(f"chosen: got shape {mask.shape}, allowed is ({len(values)},)")
    if not caliper > 0:
        raise ValueError(f"caliper: got {caliper}, allowed are numbers above 0")
    spread = values.std(axis=0)
    if np.any(spread == 0):
        raise ValueError("features: one of them has the same value in every row")
    standard = (values - values.mean(axis=0)) / spread
    candidates = np.flatnonzero(~mask)
    free = np.ones(len(candidates), dtype=bool)
    pairs: list[tuple[int, int]] = []
    for row in np.flatnonzero(mask):
        distance = np.abs(standard[candidates] - standard[row]).sum(axis=1)
        distance[~free] = np.inf
        if not distance.size or distance.min() > caliper:
            continue
        nearest = int(distance.argmin())
        free[nearest] = False
        pairs.append((int(row), int(candidates[nearest])))
    ours, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return ours, theirs


def best_temperature(temperatures: ArrayLike, values: ArrayLike) -> float:
    """Where a curve over temperatures peaks: a parabola in ln T through the best point and its two neighbours.

    Parameters
    ----------
    temperatures : array_like, shape (K,)
        Ascending, above 0.
    values : array_like, shape (K,)

    Returns
    -------
    float
        The end of the grid itself if the best point is an end.

    Raises
    ------
    ValueError
        If the shapes differ or are empty, or the temperatures are not ascending and above 0.
    """
    grid, curve = _finite("temperatures", temperatures, 1), _finite("values", values, 1)
    if not len(grid) or grid.shape != curve.shape:
        raise ValueError(
            f"values: got shape {curve.shape}, allowed is that of the temperatures, {grid.shape}, not empty"
        )
    if grid[0] <= 0 or np.any(np.diff(grid) <= 0):
        raise ValueError("temperatures: allowed are ascending numbers above 0")
    best = int(curve.argmax())
    if best in (0, len(grid) - 1):
        return float(grid[best])
    x, y = np.log(grid[best - 1 : best + 2]), curve[best - 1 : best + 2]
    second, first, _ = np.polyfit(x - x[1], y, 2)
    return float(np.exp(x[1] - first / (2 * second))) if second < 0 else float(grid[best])


def _standard(column: pd.Series) -> Floats:
    values = column.to_numpy(dtype=np.float64)
    return (values - values.mean()) / values.std()


def _scaled(columns: Floats) -> Floats:
    """Columns of size 1, so that none is lost to rounding beside a larger one; what they can say stays the same."""
    size = np.sqrt(np.mean(columns**2, axis=0))
    return columns / np.where(size > 0, size, 1.0)


def _finite(name: str, values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        raise ValueError(f"{name}: got shape {array.shape}, allowed are {dimensions} dimension(s)")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: got a number that is NaN or infinite")
    return array


def _grouped(values: ArrayLike, groups: ArrayLike) -> tuple[Floats, NDArray[np.generic]]:
    series, labels = np.asarray(values, dtype=np.float64), np.asarray(groups)
    if series.ndim != 1 or series.shape != labels.shape or not series.size:
        raise ValueError(
            f"values, groups: got shapes {series.shape} and {labels.shape}, allowed are two equal shapes (n,), n > 0"
        )
    if 1 + np.count_nonzero(labels[1:] != labels[:-1]) != len(np.unique(labels)):
        raise ValueError("groups: the rows of a group do not stand together")
    return series, labels
