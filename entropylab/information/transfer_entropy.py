"""Transfer entropy between sequences of symbols, from counts (Schreiber 2000).

What Granger causality is for Gaussian series: see `entropylab.information.granger_causality`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_count


def transfer_entropy(cause: ArrayLike, effect: ArrayLike, cause_lags: int = 1, effect_lags: int = 1) -> float:
    """Plug-in transfer entropy between two sequences of symbols (Schreiber 2000).

    Biased up: two unrelated sequences give about (number of free parameters) / (2 T) on average.

    Parameters
    ----------
    cause, effect : array_like of int, shape (T,)
        Symbols, any whole numbers.
    cause_lags, effect_lags : int
        How many past symbols of each are used, at least 1.

    Returns
    -------
    float
        ``I(Y_t; X_past | Y_past)`` of the observed counts, nats, at least 0.

    Raises
    ------
    ValueError
        If the sequences differ in length, are too short, or hold no whole numbers.
    """
    x, y = np.asarray(cause), np.asarray(effect)
    for name, values in (("cause", x), ("effect", y)):
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise ValueError(
                f"{name}: got {values.dtype} of shape {values.shape}, allowed are whole numbers of shape (T,)"
            )
    if x.shape != y.shape:
        raise ValueError(f"effect: got {len(y)} symbols, allowed are as many as in cause, {len(x)}")
    k, m = check_count("cause_lags", cause_lags, 1), check_count("effect_lags", effect_lags, 1)
    start = max(k, m)
    if len(y) <= start:
        raise ValueError(f"cause, effect: got {len(y)} symbols, allowed are more than {start}")
    now = y[start:]
    own = [y[start - lag : len(y) - lag] for lag in range(1, m + 1)]
    other = [x[start - lag : len(x) - lag] for lag in range(1, k + 1)]
    gain = _entropy([now, *own]) - _entropy(own) - _entropy([now, *own, *other]) + _entropy([*own, *other])
    return max(gain, 0.0)


def _entropy(columns: list[NDArray[Any]]) -> float:
    counts = np.unique(np.stack(columns), axis=1, return_counts=True)[1]
    p = counts / counts.sum()
    return -float((p * np.log(p)).sum())
