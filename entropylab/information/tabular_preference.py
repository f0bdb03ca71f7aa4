"""Preference optimisation of a policy over a few answers: the exact loss over all pairs, its optimum, its closed form.

For Won et al. 2025, arXiv 2505.23761. Chosen answers come from one law, rejected ones from another, so the loss is a
logistic classification of which is which. Its optimum has ``r(y) = log(chosen / rejected)(y) + c``; a reward that rises
with the policy's probability of y then fixes the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq, minimize
from torch import Tensor
from torch.nn.functional import softplus


class Reward(NamedTuple):
    """A reward as a function of the policy, and the log-probabilities that have given rewards.

    ``of(log_pi, log_ref)`` gives rewards [n] in nats, each rising with its own log-probability;
    ``inverse(rewards, log_ref)`` gives the log-probabilities, not normalised.
    """

    of: Callable[[Tensor, Tensor], Tensor]
    inverse: Callable[[Tensor, Tensor], Tensor]


def log_ratio_reward(beta: float) -> Reward:
    """DPO: ``beta log(pi / ref)``."""
    return Reward(lambda p, ref: beta * (p - ref), lambda r, ref: ref + r / beta)


def reference_free_reward(beta: float) -> Reward:
    """``beta log pi``."""
    return Reward(lambda p, ref: beta * p, lambda r, ref: r / beta)


def length_normalised_reward(beta: float, lengths: Sequence[int]) -> Reward:
    """SimPO without its target margin: ``beta / length * log pi``."""
    size = torch.as_tensor(list(lengths), dtype=torch.float64)
    return Reward(lambda p, ref: beta * p / size, lambda r, ref: r * size / beta)


def signed_square_reward(beta: float) -> Reward:
    """``beta sign(l) l**2`` with ``l = log(pi / ref)``: rises as DPO's, but bent."""
    return Reward(
        lambda p, ref: beta * (p - ref) * (p - ref).abs(),
        lambda r, ref: ref + r.sign() * (r.abs() / beta).sqrt(),
    )


def pair_weights(chosen_logits: Tensor, rejected_logits: Tensor) -> Tensor:
    """Probability of each pair (chosen i, rejected j), from two laws [n] of float64: shape [n, n]."""
    return torch.outer(chosen_logits.softmax(-1), rejected_logits.softmax(-1))


def preference_loss(logits: Tensor, weights: Tensor, ref_logits: Tensor, reward: Reward) -> Tensor:
    """Expected ``-log sigmoid(r_chosen - r_rejected)``, over all pairs.

    Parameters
    ----------
    logits : Tensor of float64 [n]
        Of the policy.
    weights : Tensor of float64 [n, n]
        Weight of the pair (chosen i, rejected j): probabilities, or shares of observed pairs.
    ref_logits : Tensor of float64 [n]
        Of the reference.
    reward : Reward

    Returns
    -------
    Tensor []
        Nats, differentiable.

    Raises
    ------
    ValueError
        If shapes do not fit, or a weight is negative.
    """
    size = len(ref_logits)
    if logits.shape != (size,) or weights.shape != (size, size):
        raise ValueError(
            f"logits, weights: got shapes {tuple(logits.shape)} and {tuple(weights.shape)}, "
            f"allowed are ({size},) and ({size}, {size}) for a reference of {size} answers"
        )
    if bool((weights < 0).any()):
        raise ValueError(f"weights: got {float(weights.min())}, allowed are numbers of at least 0")
    r = reward.of(logits.log_softmax(-1), ref_logits.log_softmax(-1))
    return (weights * softplus(r[None, :] - r[:, None])).sum()


def fit_policy(
    weights: Tensor, ref_logits: Tensor, reward: Reward, *, starts: int = 3, seed: int = 0
) -> Tensor:
    """Minimise :func:`preference_loss` over the policy's logits (L-BFGS), from several random starts.

    Parameters
    ----------
    weights, ref_logits, reward
        As in :func:`preference_loss`.
    starts : int
        Normal random logits to begin with; the best end is returned.
    seed : int
        Of the starts.

    Returns
    -------
    Tensor of float64 [n]
        Log-probabilities of the best policy found. With a finite set of pairs that a policy can separate there is no
        optimum, and what is returned is only where the search stopped.

    Raises
    ------
    ValueError
        As :func:`preference_loss`, or if ``starts`` is below 1.
    """
    if starts < 1:
        raise ValueError(f"starts: got {starts}, allowed is 1 or more")

    def loss_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        logits = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        loss = preference_loss(logits, weights, ref_logits, reward)
        loss.backward()
        return loss.item(), np.asarray(logits.grad)

    generator = np.random.default_rng(seed)
    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-12, "maxcor": 30}
    ends = [
        minimize(
            loss_and_gradient,
            generator.normal(size=len(ref_logits)),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        for _ in range(starts)
    ]
    return torch.from_numpy(min(ends, key=lambda end: end.fun).x).log_softmax(-1)


def optimal_policy(
    chosen_logits: Tensor, rejected_logits: Tensor, ref_logits: Tensor, reward: Reward
) -> Tensor:
    """The population optimum without an optimiser: ``r(y) = log(chosen / rejected)(y) + c``, where pi sums to 1.

    Parameters
    ----------
    chosen_logits, rejected_logits, ref_logits : Tensor of float64 [n]
        Laws of the two answers, and the reference; all finite.
    reward : Reward

    Returns
    -------
    Tensor of float64 [n]
        Log-probabilities.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    laws = (chosen_logits, rejected_logits, ref_logits)
    for name, logits in zip(("chosen_logits", "rejected_logits", "ref_logits"), laws, strict=True):
        if not bool(logits.isfinite().all()):
            raise ValueError(f"{name}: got numbers that are not finite, allowed are finite logits")
    wanted = chosen_logits.log_softmax(-1) - rejected_logits.log_softmax(-1)
    log_ref = ref_logits.log_softmax(-1)

    def excess(c: float) -> float:
        return float(reward.inverse(wanted + c, log_ref).logsumexp(-1))

    low, high = -1.0, 1.0
    while excess(low) > 0:
        low *= 2
    while excess(high) < 0:
        high *= 2
    return reward.inverse(wanted + brentq(excess, low, high, xtol=1e-14), log_ref).log_softmax(-1)
