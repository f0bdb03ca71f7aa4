"""Sums, tail bounds and the anytime e-process of a ragged batch of sequences, in one pass over the tokens.

One thread reads a sequence from its first token to its last, with sums in float64. After each token the
logarithms of the G e-values are moved by one step; the mixture is only computed where it could pass its
running maximum, since it is at most the greatest term times G.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels import Concentration
from entropylab.kernels.cpu.compiling import exact, kernel
from entropylab.kernels.cpu.elementary import exp_bounded
from entropylab.kernels.cpu.threads import over_rows

# e^-40 is below the rounding of a sum that is at least 1.
NEGLIGIBLE = -40.0


@kernel
def log_sum(terms: Any, top: float, like: Any) -> float:
    """``ln sum exp(terms)``, given their maximum; the exponentials have the precision of `like`."""
    if not -np.inf < top < np.inf:  # an impossible token, or NaN
        return top
    total = like
    for g in range(terms.size):
        shifted = terms[g] - top
        total += exp_bounded(type(like)(NEGLIGIBLE if shifted < NEGLIGIBLE else shifted))
    return top + math.log(total)


@exact
def concentration_rows(
    start: int,
    stop: int,
    surprisal: Any,
    entropy: Any,
    varentropy: Any,
    cgf: Any,
    offsets: Any,
    lambdas: Any,
    log_weights: Any,
    log_threshold: float,
    variance_factor: float,
    length: Any,
    sums: Any,
    figures: Any,
    log_e: Any,
    stopping_time: Any,
) -> None:
    """The sequences from `start` to `stop`; `sums` is [3, B] and `figures` [6, B], in the order of the fields."""
    grid = lambdas.size
    terms = np.empty(grid, np.float64)
    spare = math.log(grid)
    zero = surprisal.dtype.type(0)
    for b in range(start, stop):
        first, last = offsets[b], offsets[b + 1]
        tokens = last - first
        for g in range(grid):
            terms[g] = log_weights[g]
        sum_s, sum_h, sum_v = 0.0, 0.0, 0.0
        mixture, supremum = 0.0, 0.0
        top = -np.inf
        reached = -1
        for n in range(first, last):
            # Numba's float(x) leaves a float32 as it is: the deviation would be rounded.
            s = np.float64(surprisal[n])
            h = np.float64(entropy[n])
            sum_s += s
            sum_h += h
            sum_v += np.float64(varentropy[n])
            deviation = s - h
            for g in range(grid):  # a loop of its own: LLVM vectorises it
                terms[g] += lambdas[g] * deviation - np.float64(cgf[n, g])
            top = -np.inf
            for g in range(grid):
                top = top if terms[g] <= top else terms[g]  # NaN wins
            if not top + spare <= supremum:
                mixture = log_sum(terms, top, zero)
                if not mixture <= supremum:
                    supremum = mixture
                    if reached < 0 and supremum >= log_threshold:
                        reached = n - first + 1
        if tokens > 0:
            mixture = log_sum(terms, top, zero)
        length[b] = tokens
        sums[0, b], sums[1, b], sums[2, b] = sum_s, sum_h, sum_v
        total = sum_h - sum_s
        if tokens == 0:
            figures[0, b], figures[1, b] = np.nan, np.nan
        else:
            figures[0, b] = total / tokens
            figures[1, b] = 0.0 if total == 0.0 else total / math.sqrt(sum_v)
        scale = max(tokens, 1) * variance_factor
        below = -total if total < 0.0 else total * 0.0
        above = total if total > 0.0 else total * 0.0
        unlikely = np.inf if total == -np.inf else below * (below / (scale + below))
        figures[2, b] = math.exp(-0.5 * unlikely)
        figures[3, b] = 1.0 if total == -np.inf else math.exp(-0.5 * above * (above / scale))
        for g in range(grid):
            log_e[b, g] = terms[g] - log_weights[g]
        figures[4, b] = mixture
        figures[5, b] = supremum
        stopping_time[b] = reached


def concentration(
    surprisal: NDArray[Any],
    entropy: NDArray[Any],
    varentropy: NDArray[Any],
    cgf: NDArray[Any],
    offsets: NDArray[np.int64],
    lambdas: NDArray[np.float64],
    log_weights: NDArray[np.float64],
    log_threshold: float,
    variance_factor: float,
) -> Concentration:
    """Sums, gap, tail bounds and the anytime e-process of every sequence of a ragged batch.

    Parameters
    ----------
    surprisal, entropy, varentropy : array [n] of float32 or float64
        Of each token, all sequences one after the other; nats. A surprisal of +inf is an impossible token.
    cgf : array [n, G], C-contiguous, of the same dtype
        ``psi(lambda)`` of each token's distribution.
    offsets : int64 array [B + 1]
        Sequence ``b`` has the tokens ``offsets[b]`` to ``offsets[b + 1] - 1``.
    lambdas, log_weights : float64 array [G]
        Grid of the mixture and the logarithms of its weights.
    log_threshold : float
        ``ln(1 / alpha)``.
    variance_factor : float
        ``M_K``, for the tail bounds.

    Returns
    -------
    Concentration of float64 arrays (int64 for ``length`` and ``stopping_time``). A sequence's figures do not
    depend on the other sequences, nor on the number of threads, bit for bit.
    """
    sequences = len(offsets) - 1
    length = np.empty(sequences, np.int64)
    sums = np.empty((3, sequences), np.float64)
    figures = np.empty((6, sequences), np.float64)
    log_e = np.empty((sequences, len(lambdas)), np.float64)
    stopping_time = np.empty(sequences, np.int64)
    over_rows(
        concentration_rows,
        sequences,
        -(-cgf.size // max(sequences, 1)),
        surprisal,
        entropy,
        varentropy,
        cgf,
        offsets,
        lambdas,
        log_weights,
        float(log_threshold),
        float(variance_factor),
        length,
        sums,
        figures,
        log_e,
        stopping_time,
    )
    return Concentration.of_rows(length, (*sums, *figures), log_e, stopping_time)
