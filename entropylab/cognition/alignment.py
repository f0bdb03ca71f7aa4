"""To which word does a reading time belong? A check of a table of self-paced reading, and its repair.

The Natural Stories corpus announced on 2025-05-12 that its reading times had been filed one position off, and corrected
the table of single readings. Its table of word means, which this project uses, was last written in 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray

from entropylab.cognition.reading_times import lagged

TIMES = ("readers", "mean_ms", "geometric_mean_ms")


def realigned(table: pd.DataFrame, *, shift: int = 1) -> pd.DataFrame:
    """Move reading times to later words of the same story: the time of word z is what is filed at word z - shift.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a word, in reading order, with ``story`` and some of ``readers``, ``mean_ms``, ``geometric_mean_ms``.
    shift : int
        Number of words; negative moves to earlier words.

    Returns
    -------
    pandas.DataFrame
        A copy. A word to which no time moves has NaN; times never cross the border of a story.

    Raises
    ------
    ValueError
        If the table has no ``story`` or no times.
    """
    columns = [name for name in TIMES if name in table]
    if "story" not in table or not columns:
        raise ValueError(f"table: needs the column story and some of {', '.join(TIMES)}")
    moved = table.groupby("story", sort=False)[columns].shift(shift)
    return table.assign(**{name: moved[name] for name in columns})


def lag_profile(
    table: pd.DataFrame, predictors: Mapping[str, ArrayLike], lags: Sequence[int]
) -> pd.DataFrame:
    """t values of word properties at several lags, in one regression of log reading time.

    Weighted by the number of readers, with position and story as further predictors; on plain words whose lags
    stay in the story.

    Parameters
    ----------
    table : pandas.DataFrame
        As :class:`entropylab.cognition.ReadingTimes` takes it.
    predictors : mapping of str to array_like of shape (n,)
        Properties of each word of the table.
    lags : sequence of int
        0 is the word itself, 1 the word before, -1 the next word.

    Returns
    -------
    pandas.DataFrame
        A row a lag, a column a predictor; ``.attrs`` has the number of words, ``n``, and ``r_squared``.

    Raises
    ------
    ValueError
        If no word is left, or shapes do not fit.
    """
    if not predictors or not lags:
        raise ValueError("predictors, lags: got none, allowed is at least one")
    stories = table["story"].to_numpy()
    inside = np.all(lagged(np.ones(len(table)), stories, lags) == 1, axis=1)
    fit = _fit(table, predictors, lags, inside & table["plain"].to_numpy(dtype=bool))
    t_values = fit.tvalues[: len(predictors) * len(lags)].reshape(len(predictors), len(lags)).T
    profile = pd.DataFrame(t_values, index=pd.Index(lags, name="lag"), columns=list(predictors))
    profile.attrs = {"n": int(fit.nobs), "r_squared": float(fit.rsquared)}
    return profile


def shift_fits(
    table: pd.DataFrame, predictors: Mapping[str, ArrayLike], shifts: Sequence[int], *, past: int = 3
) -> dict[int, float]:
    """How well the same reading times are explained if they belong to the word ``shift`` rows later.

    For each shift, the predictors are the properties of that word and of ``past`` words before it; the rows and the
    number of predictors are the same for all shifts, so the shares can be compared. A reader cannot respond to a word
    that was not shown yet: a shift that is too small lacks the word itself.

    Parameters
    ----------
    table, predictors
        As in :func:`lag_profile`; the times of the table as filed.
    shifts : sequence of int
        1 says that the time filed at a row belongs to the next word.
    past : int
        Number of earlier words.

    Returns
    -------
    dict of int to float
        Shift to the explained share of the weighted variance, R squared.

    Raises
    ------
    ValueError
        As :func:`lag_profile`.
    """
    if not predictors or not shifts:
        raise ValueError("predictors, shifts: got none, allowed is at least one")
    stories = table["story"].to_numpy()
    lags = {shift: [lag - shift for lag in range(past + 1)] for shift in shifts}
    every = sorted({lag for group in lags.values() for lag in group})
    rows = np.all(lagged(np.ones(len(table)), stories, every) == 1, axis=1) & table["plain"].to_numpy(
        dtype=bool
    )
    return {shift: float(_fit(table, predictors, lags[shift], rows).rsquared) for shift in shifts}


def _fit(
    table: pd.DataFrame, predictors: Mapping[str, ArrayLike], lags: Sequence[int], rows: NDArray[np.bool_]
) -> sm.regression.linear_model.RegressionResultsWrapper:
    stories = table["story"].to_numpy()
    rows = rows & table["geometric_mean_ms"].notna().to_numpy()
    if not rows.any():
        raise ValueError("table: no plain word whose lags stay in the story has a reading time")
    columns = [lagged(values, stories, lags)[rows] for values in predictors.values()]
    position = table["position"].to_numpy(dtype=np.float64)[rows]
    dummies = (stories[rows, None] == np.unique(stories[rows])).astype(np.float64)
    y = np.log(table["geometric_mean_ms"].to_numpy(dtype=np.float64)[rows])
    weights = table["readers"].to_numpy(dtype=np.float64)[rows]
    return sm.WLS(y, np.column_stack([*columns, position, dummies]), weights=weights, hasconst=True).fit()
