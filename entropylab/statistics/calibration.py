"""Is a model right as often as it says? Guo et al. 2017, "On calibration of modern neural networks", section 2."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, n_bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighted by the bins' sizes.

    Parameters
    ----------
    confidence : array_like of float, shape (n,)
        Probability that the model gives its most likely answer, 0 to 1.
    correct : array_like of bool, shape (n,)
        Whether that answer was the true one.
    n_bins : int
        Number of bins on (0, 1]; a confidence on an edge falls into the bin below it.

    Returns
    -------
    float
        Expected calibration error, 0 to 1.

    Raises
    ------
    ValueError
        If the arrays are empty, have different shapes or more than one axis, or a confidence is not a probability.

    Notes
    -----
    Guo et al. 2017, equation 3.
    """
    probability, hit = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if probability.ndim != 1 or probability.shape != hit.shape or not probability.size:
        raise ValueError(
            f"confidence, correct: got shapes {probability.shape} and {hit.shape}, allowed are two equal shapes (n,) "
            "with n of 1 or more"
        )
    if not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("confidence: got a number outside 0 to 1")
    if n_bins < 1:
        raise ValueError(f"n_bins: got {n_bins}, allowed is 1 or more")
    bins = np.clip(np.ceil(probability * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, weights=probability - hit, minlength=n_bins)
    return float(np.abs(gaps).sum() / probability.size)
