"""A row's figures from its tiles, one after another: the state, and how a tile is folded into it.

The state of ``softmax(z / T)`` over the tokens seen so far is, with ``x = (z - peak) / T``,

    peak                     the greatest logit,
    rest   = sum e^x - 1     that is, the sum over all tokens but one of the greatest,
    first  = sum e^x x,
    spread = sum e^x (x - first / (1 + rest))^2,

in float64. Keeping the rest and not the sum is what makes the entropy of a confident row exact:
``H = log1p(rest) - first / (1 + rest)`` adds two numbers of one sign, and neither is rounded to a multiple of
1e-7. Tiles are summed in the dtype of the logits, relative to their own greatest logit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Fold, Statistics
from entropylab.kernels.cpu.compiling import exact, kernel
from entropylab.kernels.cpu.elementary import greatest, row_as_float, store
from entropylab.kernels.cpu.statistics import (
    NO_TARGETS,
    TILE,
    inverse,
    tile_gradient,
    tile_spread,
    tile_sums,
    working_form,
)
from entropylab.kernels.cpu.threads import over_rows


@kernel
def rest_of(weights: Any, size: int) -> Any:
    """The sum of the exponentials that :func:`tile_sums` left, without those of the greatest logit, which are 1."""
    zero = weights.dtype.type(0)
    one = weights.dtype.type(1)
    rest = zero
    for i in range(size):
        rest += zero if weights[i] == one else weights[i]
    return rest


@kernel
def place_of(tile: Any, value: Any) -> Any:
    """The first index at which a tile has a value that is in it; without a branch, so that it vectorises."""
    last = np.int32(tile.size - 1)
    place = last
    for i in range(tile.size):
        place = min(place, np.int32(i) if tile[i] == value else last)
    return place


@exact
def merged(high: Any, low: Any, temperature: float) -> Any:
    """The state of two disjoint sets of tokens; `high` has the greater peak, or the same."""
    peak, rest, first, spread = high
    peak_low, rest_low, first_low, spread_low = low
    if peak_low == -np.inf:
        return peak, rest + rest_low * 0.0, first, spread  # nothing, or NaN
    shift = (peak_low - peak) / temperature
    weight = math.exp(shift)
    if not weight > 0.0:
        return peak, rest + rest_low * 0.0, first, spread
    total = 1.0 + rest
    total_low = 1.0 + rest_low
    distance = first / total - (shift + first_low / total_low)
    part = weight * total_low
    spread += weight * spread_low + distance * distance * total * (part / (total + part))
    return peak, rest + part, first + weight * (first_low + shift * total_low), spread


@exact
def tile_state(tile: Any, scale: Any, weights: Any) -> Any:
    """The state of one tile."""
    zero = tile.dtype.type(0)
    reference = greatest(tile)
    # A tile of -inf only is summed relative to 0: its weights are 0, unless a NaN hides in it.
    origin = zero if reference == -np.inf else reference
    total, first = tile_sums(tile, origin, scale, weights)
    rest = rest_of(weights, tile.size)
    ties = (
        math.floor(np.float64(total) - np.float64(rest) + 0.5) if total >= zero else 0
    )  # a whole number but for rounding
    mean = first / total if total > zero else zero
    spread = tile_spread(tile, origin, scale, weights, mean)
    beside = np.float64(ties - 1) + np.float64(rest)
    # Nothing is kept of a tile of -inf but a NaN.
    beside = beside if reference > -np.inf else np.float64(rest) * 0.0
    return np.float64(reference), beside, np.float64(first), np.float64(spread)


@exact
def joined(state: Any, tile: Any, temperature: float) -> Any:
    """The state after one more tile; of two equal peaks the earlier stays."""
    if tile[0] > state[0]:
        return merged(tile, state, temperature)
    return merged(state, tile, temperature)


@exact
def fold_rows(
    start: int,
    stop: int,
    block: Any,
    brain: bool,
    temperature: float,
    scale: Any,
    column: int,
    peak: Any,
    rest: Any,
    first: Any,
    spread: Any,
    likeliest: Any,
) -> None:
    """Fold the rows from `start` to `stop` of a block whose first column is token `column`."""
    width = block.shape[1]
    buffer = np.empty(TILE, type(scale))
    weights = np.empty(TILE, type(scale))
    for n in range(start, stop):
        state = (peak[n], rest[n], first[n], spread[n])
        for place in range(0, width, TILE):
            tile = row_as_float(block[n, place : place + TILE], brain, buffer)
            found = tile_state(tile, scale, weights)
            if found[0] > state[0]:
                likeliest[n] = column + place + place_of(tile, greatest(tile))
            state = joined(state, found, temperature)
        peak[n], rest[n], first[n], spread[n] = state


@exact
def fold_backward_rows(
    start: int,
    stop: int,
    block: Any,
    brain: bool,
    scale: Any,
    column: int,
    peak: Any,
    rest: Any,
    first: Any,
    spread: Any,
    likeliest: Any,
    targets: Any,
    gradients: Any,
    out: Any,
) -> None:
    """The gradient of the rows from `start` to `stop` of a block; `gradients` is float64 [5, N]."""
    width = block.shape[1]
    dtype = type(scale)
    buffer = np.empty(TILE, dtype)
    gradient = np.empty(TILE, dtype)
    for n in range(start, stop):
        total = 1.0 + rest[n]
        mean = first[n] / total
        g_varentropy = gradients[1, n]
        g_max = gradients[3, n] / total
        c0 = gradients[2, n] + gradients[4, n] - g_varentropy * (spread[n] / total) - g_max
        c1 = 2.0 * g_varentropy - gradients[0, n]
        target = targets[n] - column if targets.size > 0 else -1
        top = likeliest[n] - column
        for place in range(0, width, TILE):
            tile = row_as_float(block[n, place : place + TILE], brain, buffer)
            size = tile.size
            # log p + H = x - E[x]: neither depends on how far the logits lie from zero.
            tile_gradient(
                tile,
                dtype(peak[n]),
                scale,
                dtype(1.0 / total),
                dtype(-mean),
                dtype(c0 * scale),
                dtype(c1 * scale),
                dtype(g_varentropy * scale),
                gradient,
            )
            if g_max != 0.0 and place <= top < place + size:
                gradient[top - place] += dtype(g_max * scale)
            if place <= target < place + size and tile[target - place] > -np.inf:
                gradient[target - place] -= dtype(gradients[4, n] * scale)
            store(gradient[:size], brain, out[n, place : place + size])


def fold(block: NDArray[Any], state: Fold, column: int, temperature: float = 1.0) -> None:
    """Fold a block of logits into the state of its rows, in place.

    Parameters
    ----------
    block : array [N, W], C-contiguous
        Logits of the tokens ``column`` to ``column + W - 1``: float32, float64, float16, or uint16 holding
        bfloat16 bits. NaN or +inf make the row's ``rest`` NaN.
    state : Fold of arrays [N]
        float64, and int64 for ``likeliest``; see :class:`entropylab.kernels.Fold` for its beginning.
    column : int
        Token of the first column. Blocks that begin at multiples of 2,048 give the same state, bit for bit,
        however many there are.
    temperature : float
        Divides the logits.
    """
    values, brain, dtype = working_form(block)
    scale = inverse(temperature, dtype)
    over_rows(fold_rows, *values.shape, values, brain, float(temperature), scale, column, *state)


def fold_backward(
    block: NDArray[Any],
    state: Fold,
    column: int,
    temperature: float,
    targets: NDArray[np.int64] | None,
    grad: Statistics,
    *,
    out: NDArray[Any],
) -> None:
    """Gradient of a weighted sum of the statistics with respect to one block of the logits.

    The formulas stand in :func:`entropylab.kernels.reference.statistics_backward`.

    Parameters
    ----------
    block, column, temperature
        As given to :func:`fold`.
    state : Fold of arrays [N]
        After all blocks were folded.
    targets : int64 array [N] or None
        Tokens whose surprisal was asked for.
    grad : Statistics
        Upstream gradients, arrays [N] or ``None``.
    out : array [N, W] of the dtype of `block`
        Where to write; it may be the block itself. A logit of -inf gets exactly 0.
    """
    values, brain, dtype = working_form(block)
    gradients = np.zeros((5, len(values)), np.float64)
    for field, upstream in zip(gradients, grad, strict=True):
        if upstream is not None:
            field[:] = upstream
    over_rows(
        fold_backward_rows,
        *values.shape,
        values,
        brain,
        inverse(temperature, dtype),
        column,
        *state,
        NO_TARGETS if targets is None else targets,
        gradients,
        out.view(values.dtype),
    )
