"""How many patterns a memory holds: perceptrons (Cover 1965), classical and modern Hopfield networks.

Counterparts that can be computed of the capacity in Bai 2025, "Forget BIT, It is All about TOKEN". The figures
depend on what counts as retrieved; how they grow with the size of the network does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.stats import binom

from entropylab.information.attention_energy import hopfield_update
from entropylab.sources.stochastic import check_count

Array = NDArray[np.float64]

QUERIES = 400


def cover_probability(patterns: int, dimension: int) -> float:
    """Probability that a perceptron without threshold separates random patterns with random labels (Cover 1965).

    ``2^(1-P) sum_{k < N} C(P - 1, k)``, for patterns in general position; one half at P = 2N.

    Parameters
    ----------
    patterns, dimension : int
        P and N, at least 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    P, N = check_count("patterns", patterns, 1), check_count("dimension", dimension, 1)
    return float(binom.cdf(N - 1, P - 1, 0.5))


def is_separable(points: ArrayLike, labels: ArrayLike) -> bool:
    """Whether a hyperplane through the origin has all points on the side that their labels say, by linear programming.

    Parameters
    ----------
    points : array_like of float, shape (P, N)
    labels : array_like of float, shape (P,)
        -1 or 1.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If a shape or label is not allowed.
    RuntimeError
        If the solver reaches no decision.
    """
    x, y = np.asarray(points, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not np.isin(y, (-1, 1)).all():
        raise ValueError(
            f"points, labels: got shapes {x.shape} and {y.shape}, allowed are (P, N) and (P,) with labels -1 and 1"
        )
    # A margin of one is no restriction: w can be scaled.
    found = linprog(np.zeros(x.shape[1]), A_ub=-y[:, None] * x, b_ub=-np.ones(len(x)), bounds=(None, None))
    if found.status not in (0, 2):
        raise RuntimeError(f"linear programming did not decide: {found.message}")
    return bool(found.status == 0)


def modern_retrieval(
    patterns: int, dimension: int, *, beta: float = 4.0, noise: float = 0.1, seed: int = 0
) -> float:
    """Share of 400 noisy queries that one update of a modern Hopfield network brings back to their pattern.

    Patterns are uniform on the sphere of radius ``sqrt(d)``. Queries carry Gaussian noise of standard deviation
    `noise` in each coordinate; retrieved means a distance below ``0.1 sqrt(d)``.

    Parameters
    ----------
    patterns, dimension : int
        At least 1.
    beta : float
        Inverse temperature, above 0.
    noise : float
        At least 0.
    seed : int

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    P, d = check_count("patterns", patterns, 1), check_count("dimension", dimension, 1)
    if not noise >= 0:
        raise ValueError(f"noise: got {noise}, allowed are numbers of at least 0")
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((P, d))
    X *= np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True)
    wanted = X[generator.integers(P, size=QUERIES)]
    found = hopfield_update(X, wanted + noise * generator.standard_normal(wanted.shape), beta)
    return float((np.linalg.norm(found - wanted, axis=1) < 0.1 * np.sqrt(d)).mean())


def classical_retrieval(patterns: int, neurons: int, *, flips: float = 0.05, seed: int = 0) -> float:
    """Share of 400 damaged queries that a classical Hopfield network repairs (Hopfield 1982).

    Hebbian weights without diagonal; all neurons are updated at once, to a fixed point or 20 times. Retrieved means
    that state and pattern overlap by more than 0.95.

    Parameters
    ----------
    patterns, neurons : int
        At least 1.
    flips : float
        Probability that a neuron of a query is flipped, 0 to 1.
    seed : int

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    P, N = check_count("patterns", patterns, 1), check_count("neurons", neurons, 1)
    if not 0 <= flips <= 1:
        raise ValueError(f"flips: got {flips}, allowed are numbers from 0 to 1")
    generator = np.random.default_rng(seed)
    X = generator.choice([-1.0, 1.0], size=(P, N))
    weights = X.T @ X / N
    np.fill_diagonal(weights, 0)
    wanted = X[generator.integers(P, size=QUERIES)]
    states = np.where(generator.random(wanted.shape) < flips, -wanted, wanted)
    for _ in range(20):
        new = np.where(states @ weights >= 0, 1.0, -1.0)
        if (new == states).all():
            break
        states = new
    return float(((states * wanted).mean(1) > 0.95).mean())


def capacity(retrieval: Callable[[int], float], *, least: float = 0.9, ratio: float = 1.02) -> int:
    """Largest number of patterns that is retrieved well, by doubling and then geometric bisection.

    The share of retrieved queries is random, so the answer is one draw: average over seeds.

    Parameters
    ----------
    retrieval : callable
        From a number of patterns to the share of queries that are retrieved.
    least : float
        What share counts as well, in (0, 1].
    ratio : float
        The bisection ends when its two ends are one apart, or nearer than this ratio; above 1.

    Returns
    -------
    int
        0 if even one pattern is not retrieved.

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    if not 0 < least <= 1:
        raise ValueError(f"least: got {least}, allowed are numbers in (0, 1]")
    if not ratio > 1:
        raise ValueError(f"ratio: got {ratio}, allowed are numbers above 1")
    good, bad = 0, 1
    while retrieval(bad) >= least:
        good, bad = bad, 2 * bad
        if bad > 2**24:
            raise ValueError(
                "retrieval: got no failure below 2^24 patterns, allowed is one that fails in the end"
            )
    while bad - good > 1 and bad > ratio * good:
        middle = min(max(round(np.sqrt(good * bad)), good + 1), bad - 1)
        good, bad = (middle, bad) if retrieval(middle) >= least else (good, middle)
    return good
