"""A ragged batch of sequences tested against its model, on the CPU, in four steps.

A token has a surprisal s, the entropy H of its distribution, and ``psi(lambda)`` for each of the G lambdas of a grid
(see the chapter on concentration tests). A sequence of them grows G e-values, whose logarithms are

    x_g = sum (lambda_g (s - H) - psi(lambda_g))

and their mean, the mixture. Wanted are, for each sequence, the sums of s and of H, the greatest logarithm of the
mixture after any token (at least 0, its value before the first), and how many tokens were read when it first reached
a threshold (-1: never).

Every step takes ``cgf`` [n, G], ``surprisal`` [n] and ``entropy`` [n], float32, all sequences one after the other;
``offsets`` int64 [B + 1]: sequence b has the tokens ``offsets[b]`` to ``offsets[b + 1] - 1``; ``lambdas`` [G] and
``log_threshold``. It returns four arrays [B].
"""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cpu.compiling import exact

Tokens = NDArray[np.float32]
Offsets = NDArray[np.int64]
Figures = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64]]


def log_mean_exp(x: NDArray[Any]) -> NDArray[Any]:
    """``ln mean exp`` over the last axis."""
    top = x.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(x - top).mean(axis=-1)))


def loop(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 0: one sequence after the other, each by NumPy."""
    sequences = len(offsets) - 1
    sum_s, sum_h, supremum = np.zeros(sequences), np.zeros(sequences), np.zeros(sequences)
    stopped = np.full(sequences, -1)
    for b in range(sequences):
        tokens = slice(offsets[b], offsets[b + 1])
        s, h = surprisal[tokens].astype(float), entropy[tokens].astype(float)
        sum_s[b], sum_h[b] = s.sum(), h.sum()
        mixture = log_mean_exp((np.outer(s - h, lambdas) - cgf[tokens]).cumsum(axis=0))
        supremum[b] = max(0.0, mixture.max(initial=0.0))
        reached = mixture >= log_threshold
        if reached.any():
            stopped[b] = reached.argmax() + 1
    return sum_s, sum_h, supremum, stopped


def padded(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 1: a rectangle as long as the longest sequence, filled up with tokens that change nothing."""
    length = np.diff(offsets)
    inside = np.arange(length.max(initial=0)) < length[:, None]
    s, h = np.zeros(inside.shape), np.zeros(inside.shape)
    steps = np.zeros((*inside.shape, len(lambdas)))
    s[inside], h[inside] = surprisal, entropy
    steps[inside] = np.outer(surprisal.astype(float) - entropy, lambdas) - cgf
    mixture = log_mean_exp(steps.cumsum(axis=1))
    reached = (mixture >= log_threshold) & inside
    stopped = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1 if inside.size else 0, -1)
    return s.sum(axis=1), h.sum(axis=1), mixture.max(axis=1, initial=0.0), stopped


@exact
def ragged_sequences(
    cgf: Any, surprisal: Any, entropy: Any, offsets: Any, lambdas: Any, log_threshold: float, lazy: bool,
    sum_s: Any, sum_h: Any, supremum: Any, stopped: Any,
) -> None:  # fmt: skip
    """Read a sequence from its first token to its last; everything that is kept fits into registers and G numbers."""
    grid = lambdas.size
    x = np.empty(grid, np.float64)
    for b in range(offsets.size - 1):
        first, last = offsets[b], offsets[b + 1]
        x[:] = 0.0
        total_s, total_h, best = 0.0, 0.0, 0.0
        reached = -1
        for n in range(first, last):
            s, h = np.float64(surprisal[n]), np.float64(entropy[n])
            total_s += s
            total_h += h
            top = -np.inf
            psi = cgf[n]
            for g in range(grid):
                x[g] += lambdas[g] * (s - h) - np.float64(psi[g])
                top = max(top, x[g])
            # A mean is at most its greatest term: where that is no new maximum, there is nothing to compute.
            if lazy and top <= best:
                continue
            total = 0.0
            for g in range(grid):
                total += exp(x[g] - top)
            mixture = top + log(total / grid)
            best = max(best, mixture)
            if reached < 0 and mixture >= log_threshold:
                reached = n - first + 1
        sum_s[b], sum_h[b], supremum[b], stopped[b] = total_s, total_h, best, reached


def _ragged(
    cgf: Any,
    surprisal: Any,
    entropy: Any,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
    lazy: bool,
) -> Figures:
    sequences = len(offsets) - 1
    sum_s, sum_h, supremum = np.empty(sequences), np.empty(sequences), np.empty(sequences)
    stopped = np.empty(sequences, np.int64)
    ragged_sequences(
        cgf, surprisal, entropy, offsets, np.asarray(lambdas, float), float(log_threshold), lazy,
        sum_s, sum_h, supremum, stopped,
    )  # fmt: skip
    return sum_s, sum_h, supremum, stopped


def ragged(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 2: one pass over the tokens as they lie, no padding and no array of the size of the input."""
    return _ragged(cgf, surprisal, entropy, offsets, lambdas, log_threshold, False)


def lazy(
    cgf: Tokens,
    surprisal: Tokens,
    entropy: Tokens,
    offsets: Offsets,
    lambdas: NDArray[Any],
    log_threshold: float,
) -> Figures:
    """Step 3: exponentials only where the mixture could pass its maximum so far."""
    return _ragged(cgf, surprisal, entropy, offsets, lambdas, log_threshold, True)


STEPS = {step.__name__: step for step in (loop, padded, ragged, lazy)}
# Steps that NumPy does on whole arrays: they cannot be watched number by number.
WHOLE_ARRAYS = {"loop", "padded"}
