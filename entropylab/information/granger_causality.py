"""Granger causality and transfer entropy of Gaussian series: does X's past help to predict Y, beyond Y's own past?

Granger 1969; Schreiber 2000. For Gaussian autoregressions the first is twice the second (Barnett, Barrett & Seth
2009). Bai 2025, "Forget BIT, It is All about TOKEN", calls next-token prediction Granger-causal inference.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov, toeplitz

from entropylab.sources.stochastic import check_count

Array = NDArray[np.float64]


def granger_causality(cause: ArrayLike, effect: ArrayLike, lags: int) -> float:
    """Granger's F from one series to another, by least squares.

    ``F = ln(residual variance without the cause's past / with it)``; the constant is fitted too. Under the null
    hypothesis ``(T - lags) F`` is about chi-square with ``lags`` degrees of freedom. The same regressions as in
    statsmodels' ``grangercausalitytests``, without its tables.

    Parameters
    ----------
    cause, effect : array_like of float, shape (T,)
        X and Y.
    lags : int
        How many past values of each are used, at least 1.

    Returns
    -------
    float
        Nats, at least 0.

    Raises
    ------
    ValueError
        If the series differ in length, are too short, are constant, have a value that is not finite, or if the
        past predicts the effect without error.
    """
    x, y = _series("cause", cause), _series("effect", effect)
    if x.shape != y.shape:
        raise ValueError(f"effect: got {len(y)} values, allowed are as many as in cause, {len(x)}")
    order = check_count("lags", lags, 1)
    if len(y) < 4 * order + 2:
        raise ValueError(
            f"cause, effect: got {len(y)} values, allowed are {4 * order + 2} or more for {order} lags"
        )
    # Rows: the present of Y, then the past of Y, then that of X.
    rows = np.stack(
        [y[order:]] + [s[order - lag : len(y) - lag] for s in (y, x) for lag in range(1, order + 1)]
    )
    rows -= rows.mean(1, keepdims=True)
    moments = rows @ rows.T
    without, given = _residual(moments[: order + 1, : order + 1]), _residual(moments)
    if not given > 1e-12 * moments[0, 0]:
        raise ValueError("effect: got a series that the past predicts without error, allowed are noisy ones")
    return math.log(without / given)


def var1_granger(coefficients: ArrayLike, noise: ArrayLike) -> tuple[float, float]:
    """Exact F from X to Y for a pair (Y, X) that follows an autoregression of order one.

    Y alone is no autoregression of finite order. Its best prediction from its own past is a Kalman filter, whose
    variance solves a Riccati equation.

    Parameters
    ----------
    coefficients : array_like of float, shape (2, 2)
        A in ``(Y, X)_t = A (Y, X)_{t-1} + noise``, with eigenvalues inside the unit circle.
    noise : array_like of float, shape (2, 2)
        Covariance of the noise, positive definite.

    Returns
    -------
    causality : float
        F, nats.
    restricted_variance : float
        Variance of the prediction of Y from Y's past alone.

    Raises
    ------
    ValueError
        If a matrix is not allowed.
    """
    a, q = _autoregression(coefficients, noise)
    # Z_t = Y_{t+1} = (A s_t + w_t)_Y observes the state s_t; its noise is part of the state's own.
    seen = a[:1]
    hidden = solve_discrete_are(a.T, seen.T, q, q[:1, :1], s=q[:, :1])
    restricted = float((seen @ hidden @ seen.T + q[:1, :1])[0, 0])
    return math.log(restricted / q[0, 0]), restricted


def stationary_covariance(coefficients: ArrayLike, noise: ArrayLike) -> Array:
    """Covariance of a stationary autoregression of order one.

    Parameters
    ----------
    coefficients, noise : array_like of float, shape (2, 2)
        As for `var1_granger`.

    Returns
    -------
    array of float64, shape (2, 2)

    Raises
    ------
    ValueError
        If a matrix is not allowed.
    """
    return np.asarray(solve_discrete_lyapunov(*_autoregression(coefficients, noise)))


def var1_transfer_entropy(coefficients: ArrayLike, noise: ArrayLike, lags: int = 60) -> float:
    """Transfer entropy ``I(Y_t; X_past | Y_past)`` of a Gaussian autoregression, from its covariances.

    Needs no prediction: the conditional mutual information of Gaussian vectors is a ratio of four determinants.

    Parameters
    ----------
    coefficients, noise : array_like of float, shape (2, 2)
        As for `var1_granger`; the pair is (Y, X).
    lags : int
        Length of both pasts, at least 1.

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If a matrix or a number is not allowed.
    """
    a, _ = _autoregression(coefficients, noise)
    powers = [stationary_covariance(coefficients, noise)]
    for _ in range(check_count("lags", lags, 1)):
        powers.append(a @ powers[-1])
    moments = np.array(powers)  # E s_{t+h} s_t'
    size = lags + 1

    def block(i: int, j: int) -> Array:
        return np.asarray(toeplitz(moments[:, j, i], moments[:, i, j]))

    # Entry 0 of each series is the present; E s_i(t-a) s_j(t-b) depends on b - a.
    whole = np.block([[block(0, 0), block(0, 1)], [block(1, 0), block(1, 1)]])
    own, other = list(range(1, size)), list(range(size + 1, 2 * size))

    def log_det(places: list[int]) -> float:
        return float(np.linalg.slogdet(whole[np.ix_(places, places)])[1])

    return (log_det([0, *own]) + log_det(own + other) - log_det(own) - log_det([0, *own, *other])) / 2


def simulate_var1(
    coefficients: ArrayLike, noise: ArrayLike, steps: int, runs: int, *, seed: int = 0
) -> Array:
    """Independent stationary runs of a Gaussian autoregression of order one.

    Parameters
    ----------
    coefficients, noise : array_like of float, shape (2, 2)
        As for `var1_granger`.
    steps, runs : int
        At least 1.
    seed : int

    Returns
    -------
    array of float64, shape (runs, 2, steps)

    Raises
    ------
    ValueError
        If a matrix or a number is not allowed.
    """
    a, q = _autoregression(coefficients, noise)
    check_count("steps", steps, 1)
    check_count("runs", runs, 1)
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((steps, runs, 2)) @ np.linalg.cholesky(q).T
    first = generator.standard_normal((runs, 2)) @ np.linalg.cholesky(stationary_covariance(a, q)).T
    values[0] = first
    for t in range(1, steps):
        values[t] += values[t - 1] @ a.T
    return np.ascontiguousarray(values.transpose(1, 2, 0))


def _residual(moments: Array) -> float:
    """Sum of squares of the first row that the others leave."""
    # Least squares, and not a plain solution: the two series may be the same one.
    weights = np.linalg.lstsq(moments[1:, 1:], moments[1:, 0], rcond=None)[0]
    return float(moments[0, 0] - moments[0, 1:] @ weights)


def _series(name: str, values: ArrayLike) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or not np.ptp(found) > 0:
        raise ValueError(
            f"{name}: got shape {found.shape}, allowed are finite numbers (T,) that are not all equal"
        )
    return found


def _autoregression(coefficients: ArrayLike, noise: ArrayLike) -> tuple[Array, Array]:
    a, q = np.asarray(coefficients, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    if a.shape != (2, 2) or not np.isfinite(a).all() or not abs(np.linalg.eigvals(a)).max() < 1:
        raise ValueError(
            f"coefficients: got {a.tolist()}, allowed are (2, 2) with eigenvalues inside the unit circle"
        )
    if q.shape != (2, 2) or not np.allclose(q, q.T) or not np.linalg.eigvalsh(q).min() > 0:
        raise ValueError(f"noise: got {q.tolist()}, allowed is a positive definite covariance (2, 2)")
    return a, q
