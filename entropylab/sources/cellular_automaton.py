"""Elementary cellular automata: deterministic maps of rows of bits (Wolfram 1983).

A step adds no entropy: that of ``F(X)`` is at most that of X, and equal to it for reversible rules such as 15.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_count


def evolve(rows: ArrayLike, rule: int, steps: int = 1) -> NDArray[np.uint8]:
    """Apply a rule to each cell of periodic rows, several times.

    Parameters
    ----------
    rows : array_like of int, shape (..., n)
        Cells, 0 or 1, n at least 1.
    rule : int
        0 to 255, in Wolfram's numbering: the new cell is bit ``4 left + 2 self + right`` of it, left = cell i - 1.
    steps : int
        0 or more.

    Returns
    -------
    array of uint8, shape (..., n)

    Raises
    ------
    ValueError
        If a cell is not 0 or 1, or a number is out of range.

    Examples
    --------
    >>> "".join(map(str, evolve([0, 0, 0, 1, 0, 0, 0, 0], 110)))
    '00110000'
    """
    cells = np.asarray(rows)
    if cells.ndim < 1 or not cells.shape[-1] or not np.isin(cells, (0, 1)).all():
        raise ValueError(f"rows: got shape {cells.shape}, allowed are rows of 0 and 1, not empty")
    if isinstance(rule, bool) or not 0 <= int(rule) <= 255:
        raise ValueError(f"rule: got {rule}, allowed are 0 to 255")
    check_count("steps", steps, 0)
    table = (int(rule) >> np.arange(8) & 1).astype(np.uint8)
    now = cells.astype(np.uint8)
    for _ in range(steps):
        now = table[4 * np.roll(now, 1, -1) + 2 * now + np.roll(now, -1, -1)]
    return now


def random_rows(
    count: int, cells: int, rule: int, *, burn_in: int = 0, seed: int | list[int] = 0
) -> NDArray[np.uint8]:
    """Rows of fair bits, moved on by some steps of the rule, as the data of an experiment.

    Parameters
    ----------
    count, cells : int
        At least 1.
    rule : int
        0 to 255.
    burn_in : int
        Steps before the rows are taken.
    seed : int or list of int

    Returns
    -------
    array of uint8, shape (count, cells)

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    check_count("count", count, 1)
    check_count("cells", cells, 1)
    fair = np.random.default_rng(seed).integers(0, 2, (count, cells), dtype=np.uint8)
    return evolve(fair, rule, burn_in)
