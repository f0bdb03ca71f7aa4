"""The entropy of each row of logits on the CPU, in six steps.

Every step takes ``logits``, float32 [N, V], and returns the entropies of ``softmax(logits)``, [N], in nats. With the
greatest logit m of a row and ``x = z - m``, all but the first keep

    s = sum e^x,    t = sum e^x x,    and end with  H = ln s - t / s.
"""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cpu.compiling import exact, kernel
from entropylab.kernels.cpu.elementary import exp_bounded, floor_of, greatest
from entropylab.kernels.cpu.threads import over_rows

Rows = NDArray[np.float32]
TILE = 2048  # 8 KiB of float32: a quarter of a usual first-level cache


def formula(logits: Rows) -> NDArray[Any]:
    """Step 0: ``-sum p ln p`` as it stands in the book. Overflows above 88, and makes NaN of a masked token."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        e = np.exp(logits)
        p = e / e.sum(axis=-1, keepdims=True)
        return np.asarray(-(p * np.log(p)).sum(axis=-1))


@exact
def three_passes_rows(start: int, stop: int, logits: Any, entropy: Any) -> None:
    """Three loops over a row: the maximum, the sum of exponentials, the entropy."""
    for n in range(start, stop):
        row = logits[n]
        m = row[0]
        for i in range(1, row.size):
            m = max(m, row[i])
        s = 0.0
        for i in range(row.size):
            s += exp(row[i] - m)
        log_s = log(s)
        h = 0.0
        for i in range(row.size):
            log_p = row[i] - m - log_s
            p = exp(log_p)
            if p > 0.0:  # 0 ln 0 = 0
                h -= p * log_p
        entropy[n] = h


@exact
def online_rows(start: int, stop: int, logits: Any, entropy: Any) -> None:
    """One loop: when the maximum grows by d, all that was summed shrinks by e^-d and its x move by -d."""
    for n in range(start, stop):
        row = logits[n]
        m, s, t = -np.inf, 0.0, 0.0
        for i in range(row.size):
            z = row[i]
            if z == -np.inf:
                continue
            top = max(m, z)
            x = z - top
            e = exp(x)
            d = m - top
            shrink = exp(d)
            # In front of the first token d is -inf, and 0 times it would be NaN.
            t = (shrink * (t + d * s) if s > 0.0 else 0.0) + e * x
            s = shrink * s + e
            m = top
        entropy[n] = log(s) - t / s


@exact
def merge(m: float, s: float, t: float, m_tile: float, s_tile: float, t_tile: float) -> Any:
    """The sums of two sets of tokens from the sums of each: the rule behind all later steps."""
    top = max(m, m_tile)
    total, first = 0.0, 0.0
    if s > 0.0:
        d = m - top
        shrink = exp(d)
        total += shrink * s
        first += shrink * (t + d * s) if shrink > 0.0 else 0.0
    if s_tile > 0.0:
        d = m_tile - top
        shrink = exp(d)
        total += shrink * s_tile
        first += shrink * (t_tile + d * s_tile) if shrink > 0.0 else 0.0
    return top, total, first


@exact
def scalar_sums(tile: Any, m: Any) -> Any:
    """``sum e^x`` and ``sum e^x x`` with the library's exponential, which is a call for each number."""
    s, t = 0.0, 0.0
    for i in range(tile.size):
        x = tile[i] - m
        e = exp(x)
        if e > 0.0:
            s += e
            t += e * x
    return s, t


@exact
def tiles_rows(start: int, stop: int, logits: Any, entropy: Any) -> None:
    """A tile is read from memory once, and from the cache a second time; one exponential an element."""
    for n in range(start, stop):
        row = logits[n]
        m, s, t = -np.inf, 0.0, 0.0
        for begin in range(0, row.size, TILE):
            tile = row[begin : begin + TILE]
            top = greatest(tile)
            if top > -np.inf:
                s_tile, t_tile = scalar_sums(tile, top)
                m, s, t = merge(m, s, t, float(top), float(s_tile), float(t_tile))
        entropy[n] = log(s) - t / s


@kernel
def vector_sums(tile: Any, m: Any) -> Any:
    """The same sums without a branch and without a call: eight numbers at a time where the processor can."""
    zero = tile.dtype.type(0)
    floor = floor_of(zero)
    s, t = zero, zero
    for i in range(tile.size):
        x = tile[i] - m
        bounded = floor if x < floor else x
        e = exp_bounded(bounded)
        e = zero if x < floor else e
        s += e
        t += e * bounded
    return s, t


@exact
def polynomial_rows(start: int, stop: int, logits: Any, entropy: Any) -> None:
    """As `tiles_rows`, with `vector_sums` in each tile."""
    for n in range(start, stop):
        row = logits[n]
        m, s, t = -np.inf, 0.0, 0.0
        for begin in range(0, row.size, TILE):
            tile = row[begin : begin + TILE]
            top = greatest(tile)
            if top > -np.inf:
                s_tile, t_tile = vector_sums(tile, top)
                m, s, t = merge(m, s, t, float(top), float(s_tile), float(t_tile))
        entropy[n] = log(s) - t / s


def _alone(rows: Any, logits: Rows) -> NDArray[Any]:
    entropy = np.empty(len(logits), np.float32)
    rows(0, len(logits), logits, entropy)
    return entropy


def three_passes(logits: Rows) -> NDArray[Any]:
    """Step 1: subtract the greatest logit, so that nothing overflows."""
    return _alone(three_passes_rows, logits)


def online(logits: Rows) -> NDArray[Any]:
    """Step 2: one pass; two exponentials an element."""
    return _alone(online_rows, logits)


def tiles(logits: Rows) -> NDArray[Any]:
    """Step 3: one read from memory and one exponential an element."""
    return _alone(tiles_rows, logits)


def polynomial(logits: Rows) -> NDArray[Any]:
    """Step 4: the exponential is a polynomial, which the compiler vectorises."""
    return _alone(polynomial_rows, logits)


def threads(logits: Rows) -> NDArray[Any]:
    """Step 5: rows over threads; a row is summed by one thread, so its last bit does not depend on their number."""
    entropy = np.empty(len(logits), np.float32)
    over_rows(polynomial_rows, len(logits), logits.shape[1], logits, entropy)
    return entropy


STEPS = {step.__name__: step for step in (formula, three_passes, online, tiles, polynomial, threads)}
# Steps that NumPy does on whole arrays: they cannot be watched number by number.
WHOLE_ARRAYS = {"formula"}
