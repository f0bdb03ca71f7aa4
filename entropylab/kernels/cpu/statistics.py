"""All entropy statistics of a row in one pass, and their gradient in another.

A row is cut into fixed tiles that fit into the first-level cache. Within a tile, exponentials are taken
relative to the greatest logit of the tile and summed in the precision of the input; the tiles are combined in
order, in float64. Every term of ``H = ln S - E[x]`` with ``x = z - max <= 0`` is then non-negative, so
nothing cancels; the varentropy is summed around the tile's own mean for the same reason.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Statistics
from entropylab.kernels.cpu.compiling import exact, kernel
from entropylab.kernels.cpu.elementary import exp_bounded, floor_of, greatest, row_as_float, store
from entropylab.kernels.cpu.threads import over_rows

TILE = 2048


@kernel
def tile_sums(tile: Any, reference: Any, scale: Any, weights: Any) -> Any:
    """``sum e`` and ``sum e x`` with ``x = (z - reference) scale`` and ``e = exp(x)``, kept in `weights`."""
    zero = tile.dtype.type(0)
    floor = floor_of(zero)
    total = zero
    first = zero
    for i in range(tile.size):
        x = (tile[i] - reference) * scale
        bounded = floor if x < floor else x  # NaN passes
        e = exp_bounded(bounded)
        e = zero if x < floor else e  # a masked token contributes nothing at all
        weights[i] = e
        total += e
        first += e * bounded
    return total, first


@kernel
def tile_spread(tile: Any, reference: Any, scale: Any, weights: Any, mean: Any) -> Any:
    """``sum e (x - mean)^2`` with the weights that :func:`tile_sums` left behind."""
    zero = tile.dtype.type(0)
    floor = floor_of(zero)
    spread = zero
    for i in range(tile.size):
        x = (tile[i] - reference) * scale
        bounded = floor if x < floor else x
        deviation = bounded - mean
        spread += weights[i] * (deviation * deviation)
    return spread


@exact
def statistics_rows(
    start: int,
    stop: int,
    logits: Any,
    brain: bool,
    targets: Any,
    temperature: float,
    scale: Any,
    entropy: Any,
    varentropy: Any,
    logsumexp: Any,
    max_probability: Any,
    surprisal: Any,
) -> None:
    """The statistics of the rows from `start` to `stop`; the arguments are those of :func:`statistics`.

    `scale` is the inverse temperature in the dtype of the outputs, which is the dtype computed in.
    """
    width = logits.shape[1]
    tiles = (width + TILE - 1) // TILE
    buffer = np.empty(TILE, entropy.dtype)
    weights = np.empty(TILE, entropy.dtype)
    zero = entropy.dtype.type(0)
    references = np.empty(tiles, np.float64)
    totals = np.empty(tiles, np.float64)
    firsts = np.empty(tiles, np.float64)
    means = np.empty(tiles, np.float64)
    spreads = np.empty(tiles, np.float64)
    for n in range(start, stop):
        top = -np.inf
        for k in range(tiles):
            tile = row_as_float(logits[n, k * TILE : (k + 1) * TILE], brain, buffer)
            reference = greatest(tile)
            # A tile of -inf only is summed relative to 0: its weights are 0, unless a NaN hides in it.
            origin = zero if reference == -np.inf else reference
            total, first = tile_sums(tile, origin, scale, weights)
            mean = first / total if total > zero else zero
            references[k] = reference
            totals[k] = total
            firsts[k] = first
            means[k] = mean
            spreads[k] = tile_spread(tile, origin, scale, weights, mean)
            top = max(top, references[k])
        total_64 = 0.0
        first_64 = 0.0
        for k in range(tiles):
            if references[k] == -np.inf:
                total_64 += firsts[k]  # 0, or NaN
                continue
            shift = (references[k] - top) / temperature
            weight = math.exp(shift)
            total_64 += weight * totals[k]
            first_64 += weight * (firsts[k] + shift * totals[k]) if weight > 0.0 else firsts[k] * 0.0
        if not (total_64 > 0.0 and first_64 <= 0.0):  # NaN or +inf somewhere, or -inf everywhere
            entropy[n] = np.nan
            varentropy[n] = np.nan
            logsumexp[n] = np.nan
            max_probability[n] = np.nan
            if targets.size > 0:
                surprisal[n] = np.nan
            continue
        centre = first_64 / total_64
        spread_64 = 0.0
        for k in range(tiles):
            if references[k] > -np.inf:
                shift = (references[k] - top) / temperature
                weight = math.exp(shift)
                if weight > 0.0:
                    distance = means[k] + shift - centre
                    spread_64 += weight * (spreads[k] + totals[k] * distance * distance)
        log_total = math.log(total_64)
        entropy[n] = log_total - centre
        varentropy[n] = spread_64 / total_64
        logsumexp[n] = top / temperature + log_total
        max_probability[n] = 1.0 / total_64
        if targets.size > 0:
            target = row_as_float(logits[n, targets[n] : targets[n] + 1], brain, buffer)[0]
            surprisal[n] = (top - target) / temperature + log_total


@kernel
def tile_gradient(
    tile: Any, reference: Any, scale: Any, peak: Any, offset: Any, c0: Any, c1: Any, c2: Any, gradient: Any
) -> None:
    """``p (c0 + c1 a + c2 a^2)`` with ``p = peak exp(x)`` and ``a = log p + H = x + offset``."""
    zero = tile.dtype.type(0)
    floor = floor_of(zero)
    for i in range(tile.size):
        x = (tile[i] - reference) * scale
        bounded = floor if x < floor else x
        p = peak * exp_bounded(bounded)
        a = bounded + offset
        value = p * (c0 + a * (c1 + a * c2))
        gradient[i] = zero if x < floor else value


@exact
def backward_rows(
    start: int,
    stop: int,
    logits: Any,
    brain: bool,
    targets: Any,
    scale: Any,
    entropy: Any,
    varentropy: Any,
    max_probability: Any,
    gradients: Any,
    out: Any,
) -> None:
    """The gradient of the rows from `start` to `stop`; `gradients` is float64 [5, N] in field order."""
    width = logits.shape[1]
    dtype = entropy.dtype.type
    buffer = np.empty(width, entropy.dtype)
    gradient = np.empty(width, entropy.dtype)
    for n in range(start, stop):
        row = row_as_float(logits[n], brain, buffer)
        reference = greatest(row)
        peak = float(max_probability[n])
        g_varentropy = gradients[1, n]
        c0 = gradients[2, n] + gradients[4, n] - g_varentropy * varentropy[n] - gradients[3, n] * peak
        c1 = 2.0 * g_varentropy - gradients[0, n]
        # log p of the likeliest token, and with it every log p, is free of the magnitude of the logits.
        offset = math.log(peak) + entropy[n]
        tile_gradient(
            row,
            reference,
            scale,
            dtype(peak),
            dtype(offset),
            dtype(c0 * scale),
            dtype(c1 * scale),
            dtype(g_varentropy * scale),
            gradient,
        )
        if gradients[3, n] != 0.0:
            likeliest = 0
            while row[likeliest] != reference and likeliest < width - 1:
                likeliest += 1
            gradient[likeliest] += dtype(gradients[3, n] * peak * scale)
        if targets.size > 0 and row[targets[n]] > -np.inf:
            gradient[targets[n]] -= dtype(gradients[4, n] * scale)
        store(gradient, brain, out[n])


@kernel
def first_invalid(logits: Any, brain: bool, like: Any) -> int:
    """First row with NaN or +inf, or with -inf only; -1 if none. `like` has the dtype computed in."""
    buffer = np.empty(logits.shape[1], like.dtype)
    for n in range(logits.shape[0]):
        row = row_as_float(logits[n], brain, buffer)
        bad = 0
        finite = 0
        for i in range(row.size):
            bad += 0 if row[i] < np.inf else 1
            finite += 1 if row[i] > -np.inf else 0
        if bad > 0 or finite == 0:
            return n
    return -1


def working_form(logits: NDArray[Any]) -> tuple[NDArray[Any], bool, type[np.floating[Any]]]:
    """An array that Numba can read, whether it holds bfloat16 bits, and the dtype to compute in.

    Parameters
    ----------
    logits : array [N, V] of float32, float64, float16, or uint16 (bfloat16 bits)
    """
    if logits.dtype == np.float16:
        return logits.view(np.uint16), False, np.float32
    if logits.dtype == np.uint16:
        return logits, True, np.float32
    return logits, False, np.float64 if logits.dtype == np.float64 else np.float32


def inverse(temperature: float, dtype: type[np.floating[Any]]) -> Any:
    """``1 / temperature`` in a dtype, kept finite so that it times 0 is 0."""
    return dtype(min(1.0 / temperature, float(np.finfo(dtype).max)))


NO_TARGETS = np.empty(0, np.int64)


def statistics(
    logits: NDArray[Any],
    targets: NDArray[np.int64] | None = None,
    temperature: float = 1.0,
    *,
    out: Statistics | None = None,
) -> Statistics:
    """Entropy, varentropy, log-sum-exp, greatest probability and surprisal of every row.

    Parameters
    ----------
    logits : array [N, V], C-contiguous
        float32, float64, float16, or uint16 holding bfloat16 bits.
    targets : int64 array [N], optional
    temperature : float
        Divides the logits.
    out : Statistics, optional
        Arrays [N] to write into, float64 for float64 logits, else float32.

    Returns
    -------
    Statistics of arrays [N], float32 (float64 for float64 logits), nats. A row with NaN or +inf, or of -inf
    only, is NaN. A row's figures do not depend on the other rows, bit for bit.
    """
    values, brain, dtype = working_form(logits)
    rows, width = values.shape
    if out is None:
        out = Statistics(
            np.empty(rows, dtype),
            np.empty(rows, dtype),
            np.empty(rows, dtype),
            np.empty(rows, dtype),
            None if targets is None else np.empty(rows, dtype),
        )
    surprisal = np.empty(0, dtype) if out.surprisal is None else out.surprisal
    over_rows(
        statistics_rows,
        rows,
        width,
        values,
        brain,
        NO_TARGETS if targets is None else targets,
        float(temperature),
        inverse(temperature, dtype),
        *out[:4],
        surprisal,
    )
    return out


def statistics_backward(
    logits: NDArray[Any],
    targets: NDArray[np.int64] | None,
    temperature: float,
    entropy: NDArray[Any],
    varentropy: NDArray[Any],
    logsumexp: NDArray[Any],
    max_probability: NDArray[Any],
    grad: Statistics,
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Gradient of a weighted sum of the statistics with respect to the logits.

    The formulas stand in :func:`entropylab.kernels.reference.statistics_backward`.

    Parameters
    ----------
    logits, targets, temperature
        As given to :func:`statistics`.
    entropy, varentropy, logsumexp, max_probability : array [N]
        As returned by it.
    grad : Statistics
        Upstream gradients, arrays [N] or ``None``.
    out : array [N, V] of the dtype of `logits`, optional

    Returns
    -------
    array [N, V] of the dtype of `logits`. A logit of -inf gets exactly 0.
    """
    values, brain, dtype = working_form(logits)
    rows, width = values.shape
    gradients = np.zeros((5, rows), np.float64)
    for field, upstream in zip(gradients, grad, strict=True):
        if upstream is not None:
            field[:] = upstream
    result = np.empty_like(logits) if out is None else out
    over_rows(
        backward_rows,
        rows,
        width,
        values,
        brain,
        NO_TARGETS if targets is None else targets,
        inverse(temperature, dtype),
        entropy,
        varentropy,
        max_probability,
        gradients,
        result.view(values.dtype),
    )
    return result


def find_invalid_row(logits: NDArray[Any]) -> int:
    """Find the first row that is no distribution: with NaN or +inf, or with nothing but -inf.

    Parameters
    ----------
    logits : array [N, V]
        C-contiguous; float32, float64, float16, or uint16 holding bfloat16 bits.

    Returns
    -------
    int
        Its index, or -1 if there is none.
    """
    values, brain, dtype = working_form(logits)
    return int(first_invalid(values, brain, np.empty(0, dtype)))
