"""Runs of several arms, seed by seed: means of each run, and differences of two arms with the same seeds."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from entropylab.statistics import Interval, paired_t_interval


def run_means(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean of a column over each run.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a step, or a problem, with the columns ``arm`` and ``seed``.
    column : str

    Returns
    -------
    pandas.DataFrame
        A row a seed and a column an arm; NaN where there is no run.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    if missing := {"arm", "seed", column} - set(table.columns):
        raise ValueError(
            f"table: got no column {sorted(missing)}, allowed is one with arm, seed and {column}"
        )
    means: pd.DataFrame = table.groupby(["arm", "seed"], observed=True)[column].mean().unstack("arm")
    return means


def paired_difference(
    means: pd.DataFrame, first: str, second: str, seeds: Iterable[int], *, level: float = 0.9
) -> Interval:
    """Mean difference of two arms over the same seeds, with its t interval.

    Parameters
    ----------
    means : pandas.DataFrame
        Of :func:`run_means`.
    first, second : str
        Arms; the difference is the first minus the second.
    seeds : iterable of int
        At least two; each arm must have a run with each of them, so that no run is left out unseen.
    level : float
        Coverage.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        If an arm or a run is missing.
    """
    for arm in (first, second):
        if arm not in means.columns:
            raise ValueError(f"first, second: got {arm!r}, allowed are {sorted(map(str, means.columns))}")
    rows = means[[first, second]].reindex(list(seeds))
    if rows.isna().any(axis=None):
        gaps = [int(seed) for seed in rows.index[rows.isna().any(axis=1)]]
        raise ValueError(
            f"seeds: got {gaps}, without a run of {first!r} or {second!r}; allowed are seeds of both"
        )
    return paired_t_interval(rows[first] - rows[second], level=level)
