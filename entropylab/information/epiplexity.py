"""Epiplexity from learning curves: what an observer paid for its knowledge (Finzi et al. 2026, equations 8 and 9).

Everything here is in bits and in total, for a whole data set. Losses are given in nats, as trainers log them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Description(NamedTuple):
    """Two-part description of a data set, bits: structure S, noise H."""

    structure: float
    noise: float

    @property
    def total(self) -> float:
        """Length of the whole description."""
        return self.structure + self.noise


def prequential_epiplexity(losses: ArrayLike, final_loss: float | ArrayLike, units: float) -> float:
    """Area of a training curve above the loss of the finished model (equation 8).

    Parameters
    ----------
    losses : array_like of float, shape (M,)
        Loss of each step *before* its update, nats a unit; one pass over the data.
    final_loss : float, or array_like of float, shape (M,)
        Loss of the finished model on held-out data, nats a unit; or exactly, on the batch of each step. An error
        d of it changes the result by ``d M units``.
    units : float
        Units (tokens, cells) of a step, above 0.

    Returns
    -------
    float
        Bits. It may come out below 0 where nothing is learned, by the error of the final loss.

    Raises
    ------
    ValueError
        If a loss is not finite, or the units are not above 0.

    Examples
    --------
    >>> round(prequential_epiplexity([3.0, 2.0, 1.0], 1.0, 10), 3)
    43.281
    """
    curve, end = np.asarray(losses, dtype=np.float64), np.asarray(final_loss, dtype=np.float64)
    if curve.ndim != 1 or not np.isfinite(curve).all():
        raise ValueError(f"losses: got shape {curve.shape}, allowed is one row of finite numbers")
    if end.shape not in ((), curve.shape) or not np.isfinite(end).all():
        raise ValueError(f"final_loss: got shape {end.shape}, allowed is a finite number, or one a step")
    if not units > 0:
        raise ValueError(f"units: got {units}, allowed are numbers above 0")
    return float((curve - end).sum() * units / math.log(2))


def requential_epiplexity(divergences: ArrayLike, *, overhead: bool = True) -> float:
    """Length of a code that sends a student what its teacher says (equation 9).

    Parameters
    ----------
    divergences : array_like of float, shape (M,)
        ``KL(teacher || student)`` of each message *before* the student learned from it, nats, summed over its units.
    overhead : bool
        With the cost of relative entropy coding, ``log2(1 + KL) + 4`` bits a message.

    Returns
    -------
    float
        Bits.

    Raises
    ------
    ValueError
        If a divergence is below 0 by more than rounding, or not finite.
    """
    kl = np.asarray(divergences, dtype=np.float64)
    if kl.ndim != 1 or not np.isfinite(kl).all() or (kl < -1e-6).any():
        raise ValueError("divergences: allowed is one row of finite numbers of at least 0")
    bits = np.maximum(kl, 0.0) / math.log(2)
    return float((bits + (np.log2(1.0 + bits) + 4.0 if overhead else 0.0)).sum())


def two_part(structure: float, loss: float, units: float) -> Description:
    """The description of a test set by a model: its code length and what it leaves.

    Parameters
    ----------
    structure : float
        Bits of the model, from one of the estimators.
    loss : float
        Loss of the finished model, nats a unit.
    units : float
        Units of the data set.

    Returns
    -------
    Description
        Bits.
    """
    return Description(float(structure), float(loss) * float(units) / math.log(2))
