"""How well a score separates two kinds of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def auroc(scores: ArrayLike, labels: ArrayLike, strata: ArrayLike | None = None) -> float:
    """Probability that a positive row has the higher score than a negative one; a tie counts one half.

    With strata, only pairs within one stratum count, each pair the same: the areas of the strata are weighted by
    their numbers of pairs. This is the Mann-Whitney statistic, van Elteren's with these weights.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Finite.
    labels : bool array_like, shape (n,)
        True for a positive row.
    strata : array_like, shape (n,), optional
        Groups within which rows are compared.

    Returns
    -------
    float
        From 0 to 1; 0.5 for a score that tells nothing.

    Raises
    ------
    ValueError
        If shapes do not agree, a score is not finite, or no positive row has a negative one to be compared with.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    groups = np.zeros(len(values)) if strata is None else np.asarray(strata)
    if values.ndim != 1 or positive.shape != values.shape or groups.shape != values.shape:
        raise ValueError(
            f"scores, labels, strata: got shapes {values.shape}, {positive.shape} and {groups.shape}, "
            "allowed is one (n,) for all"
        )
    if not np.isfinite(values).all():
        raise ValueError("scores: got a number that is not finite")
    if not np.isin(positive, (0, 1)).all():
        raise ValueError("labels: got a value that is neither True nor False")
    positive = positive.astype(bool)
    wins = pairs = 0.0
    for group in np.unique(groups):
        inside = groups == group
        ours = positive[inside]
        of_stratum = float(ours.sum()) * float((~ours).sum())
        if of_stratum:
            n = float(ours.sum())
            wins += float(rankdata(values[inside])[ours].sum()) - n * (n + 1) / 2
            pairs += of_stratum
    if not pairs:
        raise ValueError("labels: got no pair of a positive and a negative row within one stratum")
    return wins / pairs
