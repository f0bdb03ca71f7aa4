"""Concentration of log-perplexity around entropy and cross-entropy: tail bounds, thresholds, sample sizes.

Radvand, Abdolmaleki, Mostagir and Tewari (2025) state that the gap between log-perplexity and entropy has tails
exponentially small in the length. The constants here are derived in the book's chapter ``concentration_tests``
(its results T1, T2, T3 and T5), from Azuma (1967), Freedman (1975) and sub-gamma moment bounds (Boucheron, Lugosi
and Massart 2013). ``L`` is the log-perplexity, ``h`` the average entropy, both in nats; ``K`` is the number of
tokens that the sampler can emit.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

Side = Literal["unlikely", "likely"]
SIDES = ("unlikely", "likely")


def varentropy_max(vocabulary: int) -> float:
    """The largest varentropy that a distribution on K tokens can have, ``M_K`` (Reeb and Wolf 2015).

    ``M_K = max_r r (1 - r) ln^2((1 - r)(K - 1) / r)``, reached when K - 1 tokens share the probability r
    evenly.

    Parameters
    ----------
    vocabulary : int
        K, at least 1.

    Returns
    -------
    float
        Nats squared; 0 for K = 1.

    Raises
    ------
    ValueError
        If K is below 1.
    """
    if vocabulary < 1:
        raise ValueError(f"vocabulary: got {vocabulary}, allowed is 1 or more")
    if vocabulary == 1:
        return 0.0

    def log_odds(r: float) -> float:
        return math.log((1 - r) * (vocabulary - 1) / r)

    # The derivative vanishes where (1 - 2 r) ln(...) = 2; the left side falls on (0, 1/2).
    lowest = 1e-12
    r = brentq(lambda r: (1 - 2 * r) * log_odds(r) - 2, lowest, 0.5, xtol=1e-16, rtol=1e-15)
    return r * (1 - r) * log_odds(r) ** 2


def gap_tail_bound(t: ArrayLike, tokens: ArrayLike, vocabulary: int, side: Side) -> Any:
    """Bound on the probability of a gap of at least t, for a text that the model wrote (T3).

    Parameters
    ----------
    t : float or array
        Nats, at least 0.
    tokens : int or array
        N, fixed beforehand; at least 1.
    vocabulary : int
        K: only tokens that the sampler can emit count.
    side : {"unlikely", "likely"}
        ``"unlikely"`` bounds ``P(L - h >= t)`` by ``exp(-N t^2 / (2 (M_K + t)))``, ``"likely"`` bounds
        ``P(h - L >= t)`` by ``exp(-N t^2 / (2 M_K))``.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        If t is negative, there is no token, or the side is unknown.
    """
    gap, count = _not_negative(t, "t"), _tokens(tokens)
    factor = varentropy_max(vocabulary) + (gap if _side(side) == "unlikely" else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(gap == 0, 0.0, count * gap * (gap / (2 * factor)))
    return _plain(np.exp(-exponent))


def gap_threshold(alpha: ArrayLike, tokens: ArrayLike, vocabulary: int, side: Side) -> Any:
    """The gap whose bound is alpha: the threshold of a one-sided test (T3).

    Parameters
    ----------
    alpha : float or array
        In (0, 1]. A two-sided test takes ``alpha / 2`` on each side.
    tokens, vocabulary, side
        As for :func:`gap_tail_bound`.

    Returns
    -------
    float or array
        Nats.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    level = np.asarray(alpha, dtype=np.float64)
    if not ((level > 0) & (level <= 1)).all():
        raise ValueError(f"alpha: got {alpha!r}, allowed are numbers in (0, 1]")
    share = -np.log(level) / _tokens(tokens)
    linear = share if _side(side) == "unlikely" else 0.0 * share
    return _plain(linear + np.sqrt(linear**2 + 2 * varentropy_max(vocabulary) * share))


def azuma_bound(t: ArrayLike, tokens: ArrayLike, width: float) -> Any:
    """``P(|L - centre| >= t) <= 2 exp(-2 N t^2 / R^2)`` if each surprisal lies in a range of width R (T1).

    The centre is the average conditional mean of the surprisal: entropy if the model wrote the text, else
    cross-entropy.

    Parameters
    ----------
    t : float or array
        Nats, at least 0.
    tokens : int or array
        N, at least 1.
    width : float
        R in nats, above 0; :func:`smoothed_width` gives that of a smoothed model.

    Returns
    -------
    float or array
        At most 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if not width > 0:
        raise ValueError(f"width: got {width}, allowed are numbers above 0")
    return _plain(np.minimum(1.0, 2 * np.exp(-2 * _tokens(tokens) * (_not_negative(t, "t") / width) ** 2)))


def smoothed_width(vocabulary: int, epsilon: float) -> float:
    """Range ``ln(K / epsilon)`` of the surprisal under ``(1 - epsilon) p + epsilon / K`` (T1).

    Smoothing raises any cross-entropy by at most ``-ln(1 - epsilon)``.

    Parameters
    ----------
    vocabulary : int
        K, at least 1.
    epsilon : float
        In (0, 1).

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if vocabulary < 1:
        raise ValueError(f"vocabulary: got {vocabulary}, allowed is 1 or more")
    if not 0 < epsilon < 1:
        raise ValueError(f"epsilon: got {epsilon}, allowed are numbers between 0 and 1")
    return math.log(vocabulary / epsilon)


def freedman_bound(deviation: ArrayLike, variance: ArrayLike, jump: float) -> Any:
    """Freedman's bound ``exp(-x^2 / (2 (w + b x / 3)))`` on a martingale's reaching x while its variance is <= w (T2).

    Parameters
    ----------
    deviation : float or array
        x, a sum over tokens, at least 0: for a text of the model ``sum (H - s)`` (with b = ln K), or
        ``sum (s - H)`` if surprisals are bounded.
    variance : float or array
        w: a number chosen beforehand. For the observed sum of varentropies use :func:`freedman_p_value`.
    jump : float
        b, the largest step upwards; at least 0.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        If an argument is negative.
    """
    x, w = _not_negative(deviation, "deviation"), _not_negative(variance, "variance")
    b = _not_negative(jump, "jump")
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(x == 0, 0.0, x * (x / (2 * (w + b * x / 3))))
    return _plain(np.exp(-exponent))


def freedman_p_value(
    deviation: ArrayLike, variance: ArrayLike, jump: float, *, least: float, greatest: float
) -> Any:
    """A p-value from Freedman's bound at the observed variance, by a union over a geometric grid (T2).

    The grid is ``least, 2 least, 4 least, ...`` up to `greatest`; the observed variance is rounded up to it,
    and the bound is multiplied by the number of grid points.

    Parameters
    ----------
    deviation, variance, jump
        As for :func:`freedman_bound`; here the variance is the observed sum.
    least, greatest : float
        Ends of the grid, chosen beforehand. ``N M_K`` is a safe upper end; a variance above it gives 1.

    Returns
    -------
    float or array
        At most 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if not 0 < least < greatest:
        raise ValueError(f"least, greatest: got {least}, {greatest}, allowed is 0 < least < greatest")
    w = _not_negative(variance, "variance")
    points = math.ceil(math.log2(greatest / least)) + 1
    rounded = least * 2.0 ** np.ceil(np.log2(np.maximum(w, least) / least))
    bound = points * np.asarray(freedman_bound(deviation, rounded, jump))
    return _plain(np.where(w > greatest, 1.0, np.minimum(1.0, bound)))


def generator_tail_bound(u: ArrayLike, tokens: ArrayLike, second_moment: float) -> Any:
    """``P_B(h_BA - L_A >= u) <= exp(-N u^2 / (2 m_2))``: the type II error of the gap test (T5).

    Parameters
    ----------
    u : float or array
        Nats, at least 0.
    tokens : int or array
        N, at least 1.
    second_moment : float
        A bound on ``E_q[s^2]`` given the past, nats squared, above 0.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if not second_moment > 0:
        raise ValueError(f"second_moment: got {second_moment}, allowed are numbers above 0")
    return _plain(np.exp(-_tokens(tokens) * _not_negative(u, "u") ** 2 / (2 * second_moment)))


def _not_negative(value: ArrayLike, name: str) -> Any:
    array = np.asarray(value, dtype=np.float64)
    if not (array >= 0).all():
        raise ValueError(f"{name}: got {value!r}, allowed are numbers of at least 0")
    return array


def _tokens(tokens: ArrayLike) -> Any:
    array = np.asarray(tokens, dtype=np.float64)
    if not (array >= 1).all():
        raise ValueError(f"tokens: got {tokens!r}, allowed is 1 or more")
    return array


def _side(side: str) -> str:
    if side not in SIDES:
        raise ValueError(f"side: got {side!r}, allowed are {', '.join(map(repr, SIDES))}")
    return side


def _plain(value: Any) -> Any:
    """A Python float for a single number, else the array."""
    return float(value) if np.ndim(value) == 0 else value
