"""The differential information distribution (DID): what has to be learned to get from one policy to another.

Won et al. 2025, "Differential information distribution: a Bayesian perspective on direct preference optimization",
arXiv 2505.23761. If evidence X turns the reference into the policy by Bayes' rule, and X depends on the answer alone,
then the DID is the posterior of the answer given X under a flat prior: the normalised ratio of the two policies
(Theorem 3.2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from entropylab.information.distributions import distribution, expected
from entropylab.information.validation import check_pair


class SampledEntropy(NamedTuple):
    """An estimate of the DID's entropy in nats, and the effective number of samples behind it, each [...]."""

    entropy: Tensor
    effective_samples: Tensor


def did(pi_logits: Tensor, ref_logits: Tensor) -> Tensor:
    """Log-probabilities of the DID, ``q = (pi / ref) / sum (pi / ref)``.

    Parameters
    ----------
    pi_logits, ref_logits : Tensor [..., n]
        Logits, or log-probabilities, of policy and reference over n answers, of one shape. The reference must be able
        to give every answer.

    Returns
    -------
    Tensor [..., n]
        log q in nats; float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a row is not allowed, or the reference has an answer of probability 0.

    Notes
    -----
    Theorem 3.2 of Won et al. 2025. The policy is in proportion to ``ref * q``.
    """
    return _log_ratio(pi_logits, ref_logits).log_softmax(-1)


def did_entropy(pi_logits: Tensor, ref_logits: Tensor) -> Tensor:
    """Entropy of the DID, nats: ``log n`` exactly if the two policies are equal.

    Parameters
    ----------
    pi_logits, ref_logits : Tensor [..., n]
        As in :func:`did`. The value depends on the set of answers: state n.

    Returns
    -------
    Tensor [...]
        0 to ``log n``, differentiable.

    Raises
    ------
    TypeError, ValueError
        As :func:`did`.
    """
    log_q = did(pi_logits, ref_logits)
    return -expected(log_q.exp(), log_q)


def did_entropy_sampled(log_pi: Tensor, log_ref: Tensor) -> SampledEntropy:
    """Estimate the entropy of the DID from answers that were sampled from the policy.

    Self-normalised importance sampling: q over pi is in proportion to 1 over ref. So the weights are ``w_k ~ 1 /
    ref(y_k)``, ``log Z = log mean 1 / ref``, and the estimate is ``log Z - sum w_k log(pi / ref)``.

    Parameters
    ----------
    log_pi, log_ref : Tensor [..., K]
        Log-probabilities of K answers, drawn from the policy, under policy and reference; finite, nats.

    Returns
    -------
    SampledEntropy
        Biased low while K is small: long answers make the weights very uneven, and then few of the K count.

    Raises
    ------
    TypeError, ValueError
        If the arguments are no tensors of one shape with finite numbers.
    """
    check_pair(log_pi, log_ref)
    for name, values in (("log_pi", log_pi), ("log_ref", log_ref)):
        if not bool(values.isfinite().all()):
            raise ValueError(f"{name}: got numbers that are not finite, allowed are finite log-probabilities")
    log_weights = (-log_ref).log_softmax(-1)
    log_z = (-log_ref).logsumexp(-1) - math.log(log_ref.shape[-1])
    entropy = log_z - (log_weights.exp() * (log_pi - log_ref)).sum(-1)
    return SampledEntropy(entropy, (-(2 * log_weights).logsumexp(-1)).exp())


def optimal_rejected(ref_logits: Tensor, target_logits: Tensor, beta: float) -> Tensor:
    """The law of rejected answers from which DPO learns a target: ``ref * (ref / target) ** beta``, normalised.

    Parameters
    ----------
    ref_logits, target_logits : Tensor [..., n]
        Reference and target, of one shape; both must be able to give every answer.
    beta : float
        DPO's, above 0.

    Returns
    -------
    Tensor [..., n]
        Log-probabilities, nats. With chosen answers from the reference, DPO with this beta has the target as its
        optimum.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a row is not allowed, an answer has probability 0, or beta is out of range.

    Notes
    -----
    Abstract of v1 of Won et al. 2025; the formula follows from Theorem 3.3.
    """
    if not 0 < beta < math.inf:
        raise ValueError(f"beta: got {beta}, allowed are finite numbers above 0")
    away = _log_ratio(ref_logits, target_logits, "ref_logits", "target_logits")
    _, log_ref = distribution(ref_logits, "ref_logits", True)
    return (log_ref + beta * away).log_softmax(-1)


def likelihood_change(sampling_logits: Tensor, new_logits: Tensor, old_logits: Tensor) -> Tensor:
    """Mean change of log-probability of answers from some law, when one policy replaces another.

    Parameters
    ----------
    sampling_logits : Tensor [..., n]
        Law of the answers that are looked at, such as the chosen ones.
    new_logits, old_logits : Tensor [..., n]
        The policy afterwards and before.

    Returns
    -------
    Tensor [...]
        Nats. With answers from the old policy it is ``-KL(old, new)``, never positive: likelihood displacement.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a row is not allowed, or the old policy has an answer of probability 0.
    """
    check_pair(sampling_logits, new_logits)
    p, _ = distribution(sampling_logits, "sampling_logits", True)
    return expected(p, _log_ratio(new_logits, old_logits, "new_logits", "old_logits"))


def _log_ratio(
    pi_logits: Tensor, ref_logits: Tensor, pi_name: str = "pi_logits", ref_name: str = "ref_logits"
) -> Tensor:
    check_pair(pi_logits, ref_logits)
    _, log_pi = distribution(pi_logits, pi_name, True)
    _, log_ref = distribution(ref_logits, ref_name, True)
    if bool(log_ref.detach().isneginf().any()):
        raise ValueError(f"{ref_name}: an answer has probability 0; allowed are finite numbers only")
    return log_pi - log_ref
