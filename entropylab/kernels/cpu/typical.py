"""Locally typical truncation of a row without sorting it.

The order of the tokens is that of ``d = |-log p - H| = |z - c|`` with ``c = sum p z``: a window around c in
the logits themselves. So only the width of the window has to be found:

1. exponentials of the whole row and c;
2. a histogram of d, on a logarithmic grid, that holds probabilities: it proposes a narrow ring of distances
in
   which the cumulative mass crosses its target;
3. one pass that sums the mass inside the ring exactly, and gathers the tokens in the ring;
4. the cut among those few, by splitting them again and again until all that remain have the same d.

Step 3 proves the proposal or refutes it (then all tokens are gathered), so the histogram may be inexact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cpu.compiling import exact, kernel
from entropylab.kernels.cpu.elementary import (
    bits_of,
    float_of,
    greatest,
    of_rank,
    rank_of,
    row_as_float,
    to_brain,
)
from entropylab.kernels.cpu.statistics import TILE, tile_sums, working_form
from entropylab.kernels.cpu.threads import over_rows

# The grid of d: 64 steps an octave from 2^-16 to 2^8 nats, as float32 bits without their lowest 17.
DROPPED = np.int32(17)
FIRST = np.int32((127 - 16) << 6)
OCTAVE = 64
BUCKETS = 24 * OCTAVE
# Histograms filled in turn, so that neighbours in the same bucket do not wait for each other.
LANES = 4
# Tokens that are summed and counted together before any of them is gathered.
BLOCK = 256
SPLITS = 256
FARTHEST = float(np.finfo(np.float64).max)


@exact
def exponentials(row: Any, weights: Any) -> Any:
    """Fill `weights` with ``exp(z - max z)``; return max z, their sum, and ``sum p (z - max z)``."""
    top = greatest(row)
    one = row.dtype.type(1)
    total = 0.0
    first = 0.0
    for begin in range(0, row.size, TILE):
        part_total, part_first = tile_sums(row[begin : begin + TILE], top, one, weights[begin : begin + TILE])
        total += part_total
        first += part_first
    return float(top), total, first / total


@exact
def farthest_inside(centre: float, radius: float, inside: Any, outside: Any, like: Any) -> Any:
    """The last float, in rank from `inside` towards `outside`, with ``|z - centre| <= radius``.

    The distance grows along the floats, so any search finds the same one. It lies within a few floats of
    ``centre +- radius``: from there in steps that double, then by bisection.
    """
    direction = np.int64(1) if outside > inside else np.int64(-1)
    guess = np.int64(rank_of(type(like)(centre + direction * radius)))
    guess = min(max(guess, min(inside, outside)), max(inside, outside))
    step = direction
    if abs(float(of_rank(guess, like)) - centre) <= radius:
        inside = guess
        probe = inside + step
        while min(inside, outside) < probe and probe < max(inside, outside):
            if not abs(float(of_rank(probe, like)) - centre) <= radius:
                outside = probe
                break
            inside = probe
            step += step
            probe = inside + step
    else:
        outside = guess
        probe = outside - step
        while min(inside, outside) < probe and probe < max(inside, outside):
            if abs(float(of_rank(probe, like)) - centre) <= radius:
                inside = probe
                break
            outside = probe
            step += step
            probe = outside - step
    while True:
        middle = (inside >> 1) + (outside >> 1) + (inside & outside & 1)  # the mean, without overflow
        if middle == inside or middle == outside:
            break
        if abs(float(of_rank(middle, like)) - centre) <= radius:
            inside = middle
        else:
            outside = middle
    # The mean rounds down: if that ended the search at `outside`, nothing lies between the two.
    return of_rank(inside, like)


@exact
def window(centre: float, radius: float, like: Any) -> Any:
    """The least and the greatest float z, of the dtype of `like`, with ``|z - centre| <= radius``.

    Found by bisection over the floats, so that a comparison with the two equals the test of the distance in
    float64 exactly. Without any such float the window is (+inf, -inf).
    """
    low = type(like)(np.inf)
    high = type(like)(-np.inf)
    middle = np.int64(rank_of(type(like)(centre)))
    if abs(float(of_rank(middle, like)) - centre) <= radius:
        low_rank = np.int64(rank_of(high))
        high_rank = np.int64(rank_of(low))
        low = farthest_inside(centre, radius, middle, low_rank, like)
        high = farthest_inside(centre, radius, middle, high_rank, like)
    return low, high


@exact
def cut_among(distances: Any, weights: Any, count: int, target: float, histogram: Any) -> Any:
    """The least distance within which the weights sum to `target`, or the greatest distance if none does.

    The first `count` entries are split into equal intervals of distance, those in the interval of the cut are
    moved to the front, and so on until only one distance is left. The arrays are overwritten.
    """
    below = 0.0
    while True:
        nearest = distances[0]
        farthest = distances[0]
        for i in range(1, count):
            nearest = min(nearest, distances[i])
            farthest = max(farthest, distances[i])
        if nearest == farthest:
            return nearest
        # The nearest falls into the first interval and the farthest into the last, so each split removes
        # some.
        span = farthest - nearest
        splits = min(SPLITS, 4 * count)
        histogram[:splits] = 0.0
        for i in range(count):
            histogram[int((distances[i] - nearest) / span * (splits - 1))] += weights[i]
        chosen = splits - 1
        for k in range(splits):
            if below + histogram[k] >= target and histogram[k] > 0.0:
                chosen = k
                break
            if k < splits - 1:
                below += histogram[k]
        kept = 0
        for i in range(count):
            if int((distances[i] - nearest) / span * (splits - 1)) == chosen:
                distances[kept] = distances[i]
                weights[kept] = weights[i]
                kept += 1
        count = kept


@kernel
def histogram_of_distances(row: Any, weights: Any, centre: Any, keys: Any, histogram: Any) -> None:
    """Add the weights into buckets of ``|z - centre|``; approximate, in float32."""
    histogram[:] = np.float32(0)
    for begin in range(0, row.size, TILE):
        tile = row[begin : begin + TILE]
        tile_weights = weights[begin : begin + TILE]
        for i in range(tile.size):
            key = np.int32(bits_of(np.float32(abs(tile[i] - centre))) >> DROPPED) - FIRST
            keys[i] = min(max(key, 0), BUCKETS - 1)
        whole = tile.size - tile.size % LANES
        for i in range(0, whole, LANES):
            for lane in range(LANES):
                histogram[lane * BUCKETS + keys[i + lane]] += np.float32(tile_weights[i + lane])
        for i in range(whole, tile.size):
            histogram[keys[i]] += np.float32(tile_weights[i])


@kernel
def fold_lanes(histogram: Any) -> None:
    """Add the other lanes of the histogram to the first."""
    for k in range(BUCKETS):
        total = np.float32(0)
        for lane in range(LANES):
            total += histogram[lane * BUCKETS + k]
        histogram[k] = total


@kernel
def total_of(masses: Any) -> Any:
    """Sum of some masses."""
    total = np.float32(0)
    for i in range(masses.size):
        total += masses[i]
    return total


@exact
def proposed_bucket(histogram: Any, target: float) -> int:
    """The bucket in which the cumulative mass reaches the target, or the last one."""
    fold_lanes(histogram)
    cumulative = 0.0
    for first in range(0, BUCKETS, OCTAVE):  # whole octaves first
        mass = float(total_of(histogram[first : first + OCTAVE]))
        if cumulative + mass < target:
            cumulative += mass
            continue
        for k in range(first, first + OCTAVE):
            cumulative += histogram[k]
            if cumulative >= target:
                return k
    return BUCKETS - 1


@exact
def edge(bucket: int) -> float:
    """Lower end of a bucket of distances, in nats; the first bucket begins at 0, the last has no end."""
    if bucket <= 0:
        return 0.0
    if bucket >= BUCKETS:
        return FARTHEST
    return float(float_of(np.int32((np.int32(bucket) + FIRST) << DROPPED)))


@kernel
def sum_inside(row: Any, weights: Any, low: Any, high: Any) -> Any:
    """Sum of the weights of the logits from `low` to `high`."""
    zero = row.dtype.type(0)
    total = zero
    for i in range(row.size):
        weight = weights[i]  # read before the test, or the loop is not vectorised
        total += weight if (row[i] >= low) & (row[i] <= high) else zero
    return total


@kernel
def count_inside(row: Any, low: Any, high: Any) -> Any:
    """Number of logits from `low` to `high`."""
    count = np.int32(0)
    for i in range(row.size):
        count += np.int32((row[i] >= low) & (row[i] <= high))
    return count


@kernel
def sum_and_count(row: Any, weights: Any, low_in: Any, high_in: Any, low_out: Any, high_out: Any) -> Any:
    """Sum of the weights in the inner window, and number of logits in the outer but not the inner one."""
    zero = row.dtype.type(0)
    total = zero
    count = np.int32(0)
    for i in range(row.size):
        weight = weights[i]
        inside = (row[i] >= low_in) & (row[i] <= high_in)
        total += weight if inside else zero
        count += np.int32((row[i] >= low_out) & (row[i] <= high_out)) - np.int32(inside)
    return total, count


@exact
def ring(
    row: Any, weights: Any, centre: float, inner: float, outer: float, distances: Any, ring_weights: Any
) -> Any:
    """Gather the tokens with ``inner < d <= outer``; return their number, their mass, and the mass within."""
    low_in, high_in = window(centre, inner, row.dtype.type(0))
    low_out, high_out = window(centre, outer, row.dtype.type(0))
    within = 0.0
    mass = 0.0
    count = 0
    for begin in range(0, row.size, BLOCK):
        block = row[begin : begin + BLOCK]
        block_weights = weights[begin : begin + BLOCK]
        block_within, block_count = sum_and_count(block, block_weights, low_in, high_in, low_out, high_out)
        within += block_within
        wanted = count + block_count
        i = 0
        while count < wanted and i < block.size:  # few blocks have any, and most of those one
            z = block[i]
            if z >= low_out and z <= high_out and not (z >= low_in and z <= high_in):
                distances[count] = abs(float(z) - centre)
                ring_weights[count] = block_weights[i]
                mass += block_weights[i]
                count += 1
            i += 1
    return count, mass, within


@exact
def cut_of(
    row: Any,
    weights: Any,
    total: float,
    centre: float,
    mass: float,
    min_tokens_to_keep: int,
    keys: Any,
    histogram: Any,
    distances: Any,
    ring_weights: Any,
    splits: Any,
) -> Any:
    """Greatest distance from the centre that the kept set of a row admits."""
    if mass >= 1.0:
        return FARTHEST
    target = mass * total
    rounded_centre = row.dtype.type(centre)
    histogram_of_distances(row, weights, rounded_centre, keys, histogram)
    bucket = proposed_bucket(histogram, target)
    # Distances in the histogram are off by the rounding of the centre and of the difference.
    slack = abs(float(rounded_centre) - centre)
    inner = edge(bucket) * (1.0 - 1e-6) - slack if bucket > 0 else -1.0
    outer = min(edge(bucket + 1) * (1.0 + 1e-6) + slack, FARTHEST)
    count, ring_mass, within = ring(row, weights, centre, inner, outer, distances, ring_weights)
    if not (within < target and within + ring_mass >= target):
        count, ring_mass, within = ring(row, weights, centre, -1.0, FARTHEST, distances, ring_weights)
    cut = cut_among(distances, ring_weights, count, target - within, splits)
    if min_tokens_to_keep > 1:
        low, high = window(centre, cut, row.dtype.type(0))
        if count_inside(row, low, high) < min_tokens_to_keep:
            count, ring_mass, within = ring(row, weights, centre, -1.0, FARTHEST, distances, ring_weights)
            ring_weights[:count] = 1.0
            cut = cut_among(distances, ring_weights, count, float(min_tokens_to_keep), splits)
    return cut


@exact
def keep_inside(row: Any, source: Any, low: Any, high: Any, filter_value: Any, destination: Any) -> None:
    """Copy `source` where the logit lies from `low` to `high`, else write the filter value."""
    for i in range(row.size):
        value = source[i]
        destination[i] = value if (row[i] >= low) & (row[i] <= high) else filter_value


@exact
def filter_rows(
    start: int,
    stop: int,
    logits: Any,
    brain: bool,
    like: Any,
    mass: float,
    min_tokens_to_keep: int,
    filter_value: Any,
    not_a_number: Any,
    out: Any,
) -> None:
    """Filter the rows from `start` to `stop`; `like` has the dtype computed in."""
    width = logits.shape[1]
    buffer = np.empty(width, like.dtype)
    weights = np.empty(width, like.dtype)
    keys = np.empty(TILE, np.int32)
    histogram = np.empty(LANES * BUCKETS, np.float32)
    distances = np.empty(width, np.float64)
    ring_weights = np.empty(width, np.float64)
    splits = np.empty(SPLITS, np.float64)
    for n in range(start, stop):
        row = row_as_float(logits[n], brain, buffer)
        top, total, first = exponentials(row, weights)
        if not (total > 0.0 and first <= 0.0):
            out[n, :] = not_a_number
            continue
        centre = top + first
        cut = cut_of(
            row,
            weights,
            total,
            centre,
            mass,
            min_tokens_to_keep,
            keys,
            histogram,
            distances,
            ring_weights,
            splits,
        )
        low, high = window(centre, cut, like.dtype.type(0))
        keep_inside(row, logits[n], low, high, filter_value, out[n])


@exact
def sample_rows(
    start: int,
    stop: int,
    logits: Any,
    brain: bool,
    like: Any,
    mass: float,
    uniforms: Any,
    min_tokens_to_keep: int,
    out: Any,
) -> None:
    """Draw a token from each of the rows from `start` to `stop`; `like` has the dtype computed in."""
    width = logits.shape[1]
    tiles = (width + TILE - 1) // TILE
    buffer = np.empty(width, like.dtype)
    weights = np.empty(width, like.dtype)
    keys = np.empty(TILE, np.int32)
    histogram = np.empty(LANES * BUCKETS, np.float32)
    distances = np.empty(width, np.float64)
    ring_weights = np.empty(width, np.float64)
    splits = np.empty(SPLITS, np.float64)
    sums = np.empty(tiles, np.float64)
    for n in range(start, stop):
        row = row_as_float(logits[n], brain, buffer)
        top, total, first = exponentials(row, weights)
        if not (total > 0.0 and first <= 0.0):
            out[n] = -1
            continue
        centre = top + first
        cut = cut_of(
            row,
            weights,
            total,
            centre,
            mass,
            min_tokens_to_keep,
            keys,
            histogram,
            distances,
            ring_weights,
            splits,
        )
        low, high = window(centre, cut, like.dtype.type(0))
        kept = 0.0
        for k in range(tiles):
            part = slice(k * TILE, (k + 1) * TILE)
            sums[k] = sum_inside(row[part], weights[part], low, high)
            kept += sums[k]
        target = uniforms[n] * kept
        cumulative = 0.0
        token = -1
        for k in range(tiles):
            if sums[k] > 0.0:
                # Summed one by one the mass of a tile may differ in the last digits: `token` is then its
                # last.
                if cumulative + sums[k] > target or token < 0:
                    inside = cumulative
                    for i in range(k * TILE, min((k + 1) * TILE, width)):
                        if row[i] >= low and row[i] <= high and weights[i] > 0.0:
                            token = i
                            inside += weights[i]
                            if inside > target:
                                break
                    if cumulative + sums[k] > target:
                        break
                cumulative += sums[k]
        out[n] = token


def typical_filter(
    logits: NDArray[Any],
    mass: float,
    min_tokens_to_keep: int = 1,
    filter_value: float = -np.inf,
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Logits with every token outside the locally typical set replaced by `filter_value`.

    The rule is that of :func:`entropylab.kernels.reference.typical_filter`.

    Parameters
    ----------
    logits : array [N, V], C-contiguous
        float32, float64, float16, or uint16 holding bfloat16 bits.
    mass : float
        Probability that the kept set must hold; ``mass >= 1`` returns the logits unchanged.
    min_tokens_to_keep : int
    filter_value : float
    out : array [N, V] of the dtype of `logits`, optional

    Returns
    -------
    array [N, V] of the dtype of `logits`. A row with NaN or +inf, or of -inf only, is NaN throughout.
    """
    result = np.empty_like(logits) if out is None else out
    if mass >= 1.0:
        result[...] = logits
        return result
    values, brain, dtype = working_form(logits)
    over_rows(
        filter_rows,
        *values.shape,
        values,
        brain,
        np.empty(0, dtype),
        float(mass),
        int(min_tokens_to_keep),
        stored_value(filter_value, logits.dtype),
        stored_value(np.nan, logits.dtype),
        result.view(values.dtype),
    )
    return result


def typical_sample(
    logits: NDArray[Any],
    mass: float,
    uniforms: NDArray[np.floating[Any]],
    min_tokens_to_keep: int = 1,
    *,
    out: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Draw one token per row from the renormalised locally typical set, without writing filtered logits.

    The token is the first, in the order of the vocabulary, at which the cumulative probability of the kept
    tokens exceeds ``uniform * total``.

    Parameters
    ----------
    logits : array [N, V], C-contiguous
        float32, float64, float16, or uint16 holding bfloat16 bits.
    mass : float
    uniforms : array [N] of numbers in [0, 1)
    min_tokens_to_keep : int
    out : int64 array [N], optional

    Returns
    -------
    int64 array [N]. A row with NaN or +inf, or of -inf only, gives -1.
    """
    values, brain, dtype = working_form(logits)
    result = np.empty(len(values), np.int64) if out is None else out
    over_rows(
        sample_rows,
        *values.shape,
        values,
        brain,
        np.empty(0, dtype),
        float(mass),
        np.asarray(uniforms, dtype=np.float64),
        int(min_tokens_to_keep),
        result,
    )
    return result


def stored_value(value: float, dtype: np.dtype[Any]) -> Any:
    """A number in the form in which an array of logits holds it: uint16 bits for 16-bit floats."""
    if dtype == np.float16:
        return np.float16(value).view(np.uint16)
    if dtype == np.uint16:
        return np.uint16(to_brain(np.float32(value)))
    return dtype.type(value)
