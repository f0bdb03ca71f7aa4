"""Checks that the sources share: probability rows, symbols and counts, with errors that name the argument."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE = 1e-9


def check_rows(name: str, values: ArrayLike, *, ndim: int | None = None) -> NDArray[np.float64]:
    """Probability rows as a float64 array.

    Parameters
    ----------
    name : str
        How an error calls the argument.
    values : array_like of float, shape (..., V)
        The last axis of each row sums to one.
    ndim : int, optional
        How many axes there must be.

    Returns
    -------
    array of float64
        A copy of the values.

    Raises
    ------
    ValueError
        If the array is empty, has another number of axes, or a row is not a distribution (to within 1e-9).
    """
    rows = np.array(values, dtype=np.float64)
    if not rows.size or rows.ndim < 1 or (ndim is not None and rows.ndim != ndim):
        wanted = "one axis or more" if ndim is None else f"{ndim} axes"
        raise ValueError(f"{name}: got shape {rows.shape}, allowed are arrays with {wanted}, not empty")
    flat = rows.reshape(-1, rows.shape[-1])
    bad = np.flatnonzero(~((flat >= 0).all(1) & (abs(flat.sum(1) - 1) < TOLERANCE)))
    if bad.size:
        raise ValueError(f"{name}: row {bad[0]} is not a distribution: {flat[bad[0]]}")
    return rows


def check_symbols(name: str, values: ArrayLike, symbols: int, *, ndim: int) -> NDArray[np.int64]:
    """Symbol numbers as a contiguous int64 array.

    Parameters
    ----------
    name : str
        How an error calls the argument.
    values : array_like of int
    symbols : int
        V; allowed are 0 to V - 1.
    ndim : int
        How many axes there must be.

    Returns
    -------
    array of int64

    Raises
    ------
    ValueError
        If a value is no symbol, or the number of axes is another.
    """
    found = np.asarray(values)
    if found.ndim != ndim or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise ValueError(
            f"{name}: got shape {found.shape} of {found.dtype}, allowed are whole numbers with {ndim} axes"
        )
    if found.size and not (found.min() >= 0 and found.max() < symbols):
        raise ValueError(f"{name}: got {found.min()} to {found.max()}, allowed are 0 to {symbols - 1}")
    return np.ascontiguousarray(found, dtype=np.int64)


def check_count(name: str, value: int, least: int) -> int:
    """A whole number that is not too small.

    Parameters
    ----------
    name : str
        How an error calls the argument.
    value, least : int

    Returns
    -------
    int
        The value.

    Raises
    ------
    ValueError
        If the value is below the least one, or not whole.
    """
    if int(value) != value or value < least:
        raise ValueError(f"{name}: got {value}, allowed are whole numbers of {least} or more")
    return int(value)
