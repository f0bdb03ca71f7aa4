"""How much two representations of the same items agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def linear_cka(first: ArrayLike, second: ArrayLike) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019, equation 5).

    Parameters
    ----------
    first, second : array_like of float, shape (n, d) and (n, k)
        Row i of both stands for item i. The columns are centred here.

    Returns
    -------
    float
        Between 0 and 1; 1 if one is the other up to rotation, scale and shift. With few items it is well above 0 for
        unrelated ones, so compare it with permuted rows.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a representation is the same for all items.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 2:
        raise ValueError(f"first, second: got shapes {a.shape} and {b.shape}, allowed are (n, d) and (n, k)")
    a, b = a - a.mean(0), b - b.mean(0)
    own = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    if not own > 0:
        raise ValueError("first, second: got the same row for all items, allowed are rows that differ")
    return float(np.linalg.norm(a.T @ b) ** 2 / own)
