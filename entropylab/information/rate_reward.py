"""Rate against reward, and what a fixed reference costs in its place.

Bai 2025, "Forget BIT, It is All about TOKEN", describes post-training by a directed rate-reward function. For a
prompt that is known before the answer starts, it is the classical rate-distortion function, with minus the reward as
distortion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from entropylab.information.rate_distortion import RatePoint, check_table, information, rate_distortion
from entropylab.sources.stochastic import check_rows

Array = NDArray[np.float64]


def rate_reward(
    p_x: ArrayLike, reward: ArrayLike, temperature: ArrayLike, *, iterations: int = 20_000
) -> RatePoint:
    """Points of the rate-reward function ``R(rho) = min I(X; Y)`` subject to ``E r >= rho``.

    The policy maximises ``E r - temperature * I``, and the slope of R at the point is ``1 / temperature``.

    Parameters
    ----------
    p_x : array_like of float, shape (X,)
        Law of prompts.
    reward : array_like of float, shape (X, Y)
        Finite.
    temperature : array_like of float, shape S
        Above 0.
    iterations : int
        At least 1.

    Returns
    -------
    RatePoint
        ``cost`` is the mean reward.

    Raises
    ------
    ValueError
        If a shape or number is not allowed.
    """
    found = rate_distortion(
        p_x, -np.asarray(reward, dtype=np.float64), 1 / _temperature(temperature), iterations=iterations
    )
    return found._replace(cost=-found.cost)


class FixedReferencePolicy(NamedTuple):
    """The optimum of KL-regularised reward, and how its cost splits; S stands for the shape of the temperatures."""

    reward: Array
    """Mean reward, shape S."""
    kl: Array
    """Mean KL divergence of the policy from the reference, nats, shape S."""
    rate: Array
    """I(X; Y) of the policy, nats, shape S."""
    reference_kl: Array
    """KL divergence of the policy's output law from the reference, nats, shape S: the rest of the cost."""
    policy: Array
    """w(y | x), shape S + (X, Y)."""


def fixed_reference_policy(
    p_x: ArrayLike, reward: ArrayLike, reference: ArrayLike, temperature: ArrayLike
) -> FixedReferencePolicy:
    """The policy that maximises ``E r - temperature * KL(policy || reference)``, as in RLHF.

    It is in proportion to ``reference(y) exp(r(x, y) / temperature)``.

    Parameters
    ----------
    p_x : array_like of float, shape (X,)
    reward : array_like of float, shape (X, Y)
    reference : array_like of float, shape (Y,)
        The same law for all prompts.
    temperature : array_like of float, shape S
        Above 0.

    Returns
    -------
    FixedReferencePolicy

    Raises
    ------
    ValueError
        If a shape or number is not allowed.
    """
    p, r = check_rows("p_x", p_x, ndim=1), np.asarray(reward, dtype=np.float64)
    check_table("reward", r, p)
    q = check_rows("reference", reference, ndim=1)
    if q.shape != r.shape[1:]:
        raise ValueError(f"reference: got {len(q)} letters, allowed is {r.shape[1]}")
    t = _temperature(temperature)[..., None, None]
    with np.errstate(divide="ignore"):
        scores = np.log(q) + r / t
    policy = np.exp(scores - scores.max(-1, keepdims=True))
    policy /= policy.sum(-1, keepdims=True)
    output = p @ policy
    return FixedReferencePolicy(
        reward=np.asarray(np.einsum("x,...xy,xy->...", p, policy, r)),
        kl=np.asarray(rel_entr(policy, q).sum(-1) @ p),
        rate=information(p, policy),
        reference_kl=np.asarray(rel_entr(output, q).sum(-1)),
        policy=policy,
    )


def tangent_bound(points: RatePoint, temperature: ArrayLike, reward: ArrayLike) -> Array:
    """Lower bound of the rate-reward function, by its tangents.

    R is convex with slope ``1 / temperature``, so every tangent lies below it, and no interpolation is needed.

    Parameters
    ----------
    points : RatePoint
        What `rate_reward` gave for temperatures of shape (n,).
    temperature : array_like of float, shape (n,)
    reward : array_like of float, shape (...)
        Where to bound R.

    Returns
    -------
    array of float64, shape (...)
        Nats.

    Raises
    ------
    ValueError
        If the temperatures are not as many as the points.
    """
    t = _temperature(temperature)
    if t.ndim != 1 or t.shape != points.rate.shape:
        raise ValueError(
            f"temperature: got shape {t.shape}, allowed is that of the points, {points.rate.shape}"
        )
    rho = np.asarray(reward, dtype=np.float64)[..., None]
    return np.asarray((points.rate + (rho - points.cost) / t).max(-1))


def _temperature(temperature: ArrayLike) -> Array:
    t = np.asarray(temperature, dtype=np.float64)
    if not (t > 0).all() or not np.isfinite(t).all():
        raise ValueError(f"temperature: got {temperature!r}, allowed are finite numbers above 0")
    return t
