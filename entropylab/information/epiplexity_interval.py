"""How sure the area of a training curve is: blocks of steps and held-out data, drawn again."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class EpiplexityInterval(NamedTuple):
    """Mean structure of the runs and its interval, bits."""

    structure: float
    low: float
    high: float


def prequential_interval(
    losses: ArrayLike,
    held_out: ArrayLike,
    units: float,
    *,
    block: int = 10,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> EpiplexityInterval:
    """Bootstrap interval of the mean of :func:`prequential_epiplexity` over runs.

    A curve falls, so its steps cannot change places. Each block of steps is drawn among the runs at the same place, one
    fewer than there are, which makes the variance of their mean the usual estimate; the held-out windows of each run
    are drawn among themselves, and their mean is the final loss.

    Parameters
    ----------
    losses : array_like of float, shape (R, M)
        Loss of each step before its update, nats a unit, of R runs (2 or more) with other data and other weights.
    held_out : array_like of float, shape (R, W)
        Loss of each held-out window of the finished model, nats a unit; W at least 2.
    units : float
        Units of a step.
    block : int
        Steps of a block, 1 to M: longer than the curve remembers. The last block may be shorter.
    draws : int
    level : float
        Coverage, between 0 and 1.
    seed : int

    Returns
    -------
    EpiplexityInterval

    Raises
    ------
    ValueError
        If a shape, a size or the level is out of range.
    """
    curves, ends = np.asarray(losses, dtype=np.float64), np.asarray(held_out, dtype=np.float64)
    if curves.ndim != 2 or ends.ndim != 2 or len(curves) != len(ends) or len(curves) < 2 or ends.shape[1] < 2:
        raise ValueError(
            f"losses, held_out: got shapes {curves.shape} and {ends.shape}, allowed are (R, M) and (R, W), "
            "R and W above 1"
        )
    if not np.isfinite(curves).all() or not np.isfinite(ends).all():
        raise ValueError("losses, held_out: allowed are finite numbers")
    runs, steps = curves.shape
    if not 1 <= block <= steps or draws < 1 or not 0 < level < 1 or not units > 0:
        raise ValueError(
            f"block, draws, level, units: got {block}, {draws}, {level}, {units}, allowed are 1 to {steps}, 1 or more, "
            "between 0 and 1, above 0"
        )
    sums = np.add.reduceat(curves, np.arange(0, steps, block), axis=1)
    generator = np.random.default_rng(seed)
    area = np.empty(draws)
    for i in range(draws):
        chosen = generator.integers(runs, size=(runs - 1, sums.shape[1]))
        again = np.take_along_axis(ends, generator.integers(ends.shape[1], size=ends.shape), 1)
        area[i] = np.take_along_axis(sums, chosen, 0).mean(0).sum() - steps * again.mean()
    scale = units / math.log(2)
    middle = float((curves.sum(1) - steps * ends.mean(1)).mean() * scale)
    low, high = np.quantile(area * scale, [(1 - level) / 2, (1 + level) / 2])
    return EpiplexityInterval(middle, float(low), float(high))
