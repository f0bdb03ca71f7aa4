"""Discrete channels whose inputs may listen to earlier outputs (Massey 1990; Tatikonda & Mitter 2009).

A law over n steps is an array with one axis for each letter, in the order of time: x_1, y_1, x_2, y_2, ..., x_n, y_n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_count, check_rows

Array = NDArray[np.float64]


def joint_law(kernels: Sequence[ArrayLike]) -> Array:
    """Law of x_1, y_1, ..., x_n, y_n from the conditional law of each letter given all before it.

    Parameters
    ----------
    kernels : sequence of 2n arrays
        In the order of time; the last axis of each is the letter's own, the axes before it are those of all earlier
        letters, or of length one where the letter does not listen.

    Returns
    -------
    array of float64 with 2n axes

    Raises
    ------
    ValueError
        If a kernel is no conditional law, their number is odd or zero, or the axes do not fit.
    """
    if not kernels or len(kernels) % 2:
        raise ValueError(f"kernels: got {len(kernels)}, allowed is an even number, two for each step")
    law: Array = np.ones(())
    for place, kernel in enumerate(kernels):
        rows = check_rows(f"kernels[{place}]", kernel, ndim=place + 1)
        if any(have not in (1, want) for have, want in zip(rows.shape[:-1], law.shape, strict=True)):
            raise ValueError(
                f"kernels[{place}]: got leading axes {rows.shape[:-1]}, allowed are {law.shape}, or ones"
            )
        law = law[..., None] * rows
    return law


def random_channel(steps: int, symbols: int, *, feedback: bool = True, seed: int = 0) -> Array:
    """Law of a channel with random kernels, each row uniform over the simplex.

    Parameters
    ----------
    steps : int
        n, at least 1.
    symbols : int
        Letters of each alphabet, at least 1.
    feedback : bool
        Whether an input listens to earlier outputs; without, it listens to earlier inputs alone.
    seed : int

    Returns
    -------
    array of float64, shape (symbols,) * 2n
        Axes x_1, y_1, ..., x_n, y_n.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    check_count("steps", steps, 1)
    check_count("symbols", symbols, 1)
    generator = np.random.default_rng(seed)
    kernels = []
    for place in range(2 * steps):
        shape = [symbols] * place
        if place % 2 == 0 and not feedback:
            shape[1::2] = [1] * (place // 2)
        kernels.append(generator.dirichlet(np.ones(symbols), size=shape))
    return joint_law(kernels)


def reference_channel(strength: float = 1.0) -> Array:
    """Three uses of a binary channel, small enough to be checked by hand.

    x_1 is fair, and x_i tends to repeat x_{i-1} (probability .7). With feedback, m = P(x_i = 1) becomes .9 m after
    y_{i-1} = 0, and .1 m + .855 after y_{i-1} = 1. The output flips the input with probability .1, after y_{i-1} = 1
    with probability .2.

    Parameters
    ----------
    strength : float
        0 is no feedback, 1 the feedback above; between, the mean of the two.

    Returns
    -------
    array of float64, shape (2,) * 6

    Raises
    ------
    ValueError
        If the strength is not in 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: got {strength}, allowed are numbers from 0 to 1")
    own = np.array([0.3, 0.7])  # P(x_i = 1) after x_{i-1} = 0, 1
    heard = np.stack([0.9 * own, 0.1 * own + 0.855], 1)  # and after y_{i-1}
    one = (1 - strength) * own[:, None] + strength * heard
    flip = np.array([0.1, 0.2])
    inputs = np.stack([1 - one, one], -1)  # (x_{i-1}, y_{i-1}, x_i)
    # (y_{i-1}, x_i, y_i)
    outputs = np.stack([np.stack([1 - flip, flip], -1), np.stack([flip, 1 - flip], -1)], 1)
    return joint_law(
        [
            np.full(2, 0.5),
            outputs[0],
            inputs,
            outputs[None],
            inputs[None, None],
            outputs[None, None, None],
        ]
    )
