"""Where a row of tokens is cut for locally typical sampling, on the CPU, in four steps.

Tokens are kept in the order of their distance ``d = |-ln p - H|`` until they hold a mass. `prepare` computes the
distances, float32 [N, V], and the masses, int64 [N, V] in units of 2**-50: sums of integers do not depend on their
order, so that all steps agree to the last bit. Every step takes ``distance``, ``weight`` and a ``target`` in the same
unit, and returns the cut of each row, float32 [N]: the least distance within which the weights sum to the target, or
+inf if they never do. `keep` then says which tokens stay. A token of probability 0 has distance +inf and weight 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cpu.compiling import exact
from entropylab.kernels.reference.statistics import log_probabilities
from entropylab.kernels.reference.typical import deviations

Distances = NDArray[np.float32]
Weights = NDArray[np.int64]
UNIT = 2.0**-50
BINS = 256
REACH = 32.0  # nats: the first range of step 2; what lies further falls into its last bin


def prepare(logits: NDArray[np.floating]) -> tuple[Distances, Weights]:
    """Distances and integer masses of all tokens."""
    p = np.exp(log_probabilities(logits))
    return deviations(logits).astype(np.float32), np.rint(p / UNIT).astype(np.int64)


def target_of(mass: float) -> int:
    """A mass in (0, 1) in the unit of the weights."""
    return int(np.rint(mass / UNIT))


def keep(distance: Distances, cut: NDArray[Any]) -> NDArray[np.bool_]:
    """Which tokens stay: those within the cut, ties included, none of probability 0."""
    return np.asarray(np.isfinite(distance) & (distance <= cut[:, None]))


def sort(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 0: sort all, add up from the front, look where the target is reached."""
    order = np.argsort(distance, axis=-1, kind="stable")
    reached = np.take_along_axis(weight, order, axis=-1).cumsum(axis=-1) >= target
    last = np.take_along_axis(distance, np.take_along_axis(order, reached.argmax(-1)[:, None], -1), -1)[:, 0]
    return np.where(reached.any(axis=-1), last, np.float32(np.inf))


@exact
def bisection_row(distance: Any, weight: Any, target: int) -> Any:
    """Halve an interval (low, high] that holds the cut, until no float lies between its ends."""
    low, high = np.float32(-1.0), np.float32(REACH)
    while True:  # the first interval may be too short: double it
        total = 0
        for i in range(distance.size):
            total += weight[i] if distance[i] <= high else 0
        if total >= target:
            break
        if high == np.float32(np.inf):
            return high
        low, high = high, np.float32(high + high)
    while True:
        middle = np.float32(low + (high - low) * np.float32(0.5))
        if middle == low or middle == high:
            return high
        total = 0
        for i in range(distance.size):
            total += weight[i] if distance[i] <= middle else 0
        if total >= target:
            high = middle
        else:
            low = middle


@exact
def histogram_row(distance: Any, weight: Any, target: int) -> Any:
    """Sum the weights of [low, high] in 256 equal bins; go on in the bin of the cut, until it is one number."""
    sums = np.empty(BINS, np.int64)
    nearest = np.empty(BINS, np.float32)
    farthest = np.empty(BINS, np.float32)
    below = 0
    low, high = np.float32(0.0), np.float32(REACH)
    last = np.float32(np.finfo(np.float32).max)  # everything in the first pass
    while True:
        sums[:] = 0
        nearest[:] = np.float32(np.inf)
        farthest[:] = np.float32(-1.0)
        for i in range(distance.size):
            d = distance[i]
            if d >= low and d <= last:
                share = (d - low) / (high - low)  # a division: a tiny range has no finite inverse
                b = min(int(min(share, np.float32(1)) * np.float32(BINS)), BINS - 1)
                sums[b] += weight[i]
                nearest[b] = min(nearest[b], d)
                farthest[b] = max(farthest[b], d)
        chosen = 0
        while chosen < BINS and below + sums[chosen] < target:
            below += sums[chosen]
            chosen += 1
        if chosen == BINS:
            return np.float32(np.inf)
        # The bin's own extremes, rather than its edges: no rounding can put a token into two bins or none.
        low, high = nearest[chosen], farthest[chosen]
        last = high
        if low == high:
            return high


@exact
def radix_row(key: Any, weight: Any, target: int) -> Any:
    """The bits of the cut, eight at a time from the front: of numbers >= 0 they order as the numbers do."""
    sums = np.empty(BINS, np.int64)
    below, prefix = 0, 0
    for shift in (24, 16, 8, 0):
        sums[:] = 0
        for i in range(key.size):
            k = np.int64(key[i])
            if (k >> (shift + 8)) == prefix:
                sums[(k >> shift) & 255] += weight[i]
        digit = 0
        while digit < BINS and below + sums[digit] < target:
            below += sums[digit]
            digit += 1
        if digit == BINS:
            return -1
        prefix = (prefix << 8) | digit
    return prefix


def bisection(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 1: the cut as the answer of a guessing game; a pass over the row for each guess."""
    return np.array([bisection_row(distance[n], weight[n], target) for n in range(len(distance))], np.float32)


def histogram(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 2: 256 guesses in one pass."""
    return np.array([histogram_row(distance[n], weight[n], target) for n in range(len(distance))], np.float32)


def radix(distance: Distances, weight: Weights, target: int) -> NDArray[Any]:
    """Step 3: the same on the bits of the distance: four passes, whatever the numbers are."""
    keys = distance.view(np.int32)
    found = np.array([radix_row(keys[n], weight[n], target) for n in range(len(distance))], np.int32)
    return np.where(found < 0, np.float32(np.inf), found.view(np.float32))


STEPS = {step.__name__: step for step in (sort, bisection, histogram, radix)}
# Steps that NumPy does on whole arrays: they cannot be watched number by number.
WHOLE_ARRAYS = {"sort"}
