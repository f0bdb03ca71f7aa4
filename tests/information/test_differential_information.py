"""The DID: Bayes' rule, its entropy, the rejected law, and the reference cases of the chapter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from entropylab.information.differential_information import (
    did,
    did_entropy,
    did_entropy_sampled,
    likelihood_change,
    optimal_rejected,
)

REF = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64).log()
TARGET = REF.flip(0)
ZIPF = -torch.arange(1, 1001, dtype=torch.float64).log()


def random_policies(n, seed):
    rng = np.random.default_rng(seed)
    return (torch.from_numpy(np.log(rng.dirichlet(np.ones(n)))) for _ in range(2))


def test_the_did_of_the_reference_case():
    q = did(TARGET, REF).exp()
    expected = [0.038961038961, 0.103896103896, 0.233766233766, 0.623376623377]
    assert q.tolist() == pytest.approx(expected, abs=1e-12)
    assert float((TARGET - REF).exp().sum()) == pytest.approx(6.416666666666666)
    assert float(did_entropy(TARGET, REF)) == pytest.approx(0.9960689365919599, abs=1e-14)
    assert scipy_entropy(TARGET.exp(), REF.exp()) == pytest.approx(0.4564348191467835, abs=1e-14)


@pytest.mark.parametrize("n", [2, 5, 64])
def test_bayes_rule_with_explicit_evidence_gives_the_did(n):
    for seed in range(20):
        ref, pi = random_policies(n, seed)
        evidence = (pi - ref).exp() * (ref - pi).exp().min()
        assert evidence.max() <= 1 + 1e-12
        posterior = ref.exp() * evidence
        torch.testing.assert_close(posterior / posterior.sum(), pi.exp(), atol=1e-13, rtol=0)
        torch.testing.assert_close(did(pi, ref).exp(), evidence / evidence.sum(), atol=1e-13, rtol=0)


def test_the_did_and_the_reference_give_back_the_policy_and_its_divergences():
    ref, pi = random_policies(12, 7)
    log_q, log_z = did(pi, ref), (pi - ref).logsumexp(0)
    torch.testing.assert_close((ref + log_q).log_softmax(0), pi)
    kl = (pi.exp() * (pi - ref)).sum()
    torch.testing.assert_close((pi.exp() * log_q).sum() + log_z, kl)
    torch.testing.assert_close(-(ref.exp() * log_q).sum() - log_z, (ref.exp() * (ref - pi)).sum())


def test_equal_policies_have_a_flat_did():
    ref, _ = random_policies(9, 1)
    assert float(did_entropy(ref, ref + 3)) == pytest.approx(math.log(9), abs=1e-14)


def test_a_target_that_gives_an_answer_no_chance_has_a_did_without_it():
    q = did(torch.tensor([0.0, -math.inf]), torch.zeros(2))
    assert (
        q.exp().tolist() == [1, 0] and float(did_entropy(torch.tensor([0.0, -math.inf]), torch.zeros(2))) == 0
    )


def test_rejected_law_of_the_reference_case():
    rejected = optimal_rejected(REF, TARGET, 0.5)
    expected = [0.579406679586, 0.266109509727, 0.118270893212, 0.036212917474]
    assert rejected.exp().tolist() == pytest.approx(expected, abs=1e-12)
    q = did(REF, rejected)
    assert q.exp().tolist() == pytest.approx(
        [0.110102051443, 0.179795897113, 0.26969384567, 0.440408205773], abs=1e-12
    )
    torch.testing.assert_close(q, (0.5 * did(TARGET, REF)).log_softmax(0))


def test_displacement_of_the_reference_case():
    rejected = optimal_rejected(REF, TARGET, 0.5)
    assert float(likelihood_change(REF, TARGET, REF)) == pytest.approx(-0.4564348191467835, abs=1e-14)
    assert float(likelihood_change(rejected, TARGET, REF)) == pytest.approx(-0.8129698500393688, abs=1e-14)
    changes = {0.1: -0.3708911828, 0.3: -0.1894721981, 0.5: 0.0, 0.7: 0.1894721981, 1.0: 0.4564348191}
    for beta, change in changes.items():
        chosen = REF + beta * (TARGET - REF)
        assert float(likelihood_change(chosen, TARGET, REF)) == pytest.approx(change, abs=1e-10)


@pytest.mark.parametrize(
    ("tau", "expected"),
    [
        (0.0, (6.907755, 6.715106, 1.017337, 1.716744)),
        (0.5, (6.667774, 6.836074, 0.432899, 0.521932)),
        (1.5, (2.918171, 6.667774, 0.416401, 0.511818)),
        (2.0, (1.628091, 5.191011, 0.950372, 1.662176)),
        (4.0, (0.333789, 0.678493, 1.742845, 7.600287)),
    ],
)
def test_tempering_a_zipf_law(tau, expected):
    ref, target = ZIPF.log_softmax(0), (tau * ZIPF).log_softmax(0)
    assert scipy_entropy(ref.exp()) == pytest.approx(5.191011033332522)
    found = (
        scipy_entropy(target.exp()), float(did_entropy(target, ref)),
        scipy_entropy(target.exp(), ref.exp()), scipy_entropy(ref.exp(), target.exp()),
    )  # fmt: skip
    assert found == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("tau", "samples", "mean", "sd"),
    [(1.5, 32, 6.172, 1.189), (1.5, 2048, 6.657, 0.134), (2.0, 32, 3.981, 1.804), (2.0, 256, 4.894, 1.123)],
)
def test_the_sampled_entropy_has_the_bias_and_spread_of_the_reference_case(tau, samples, mean, sd):
    ref, pi = ZIPF.log_softmax(0), (tau * ZIPF).log_softmax(0)
    repeats = 4000 if samples < 1000 else 500
    generator = torch.Generator().manual_seed(0)
    draws = torch.multinomial(pi.exp(), repeats * samples, replacement=True, generator=generator)
    draws = draws.view(repeats, samples)
    estimate = did_entropy_sampled(pi[draws], ref[draws])
    assert float(estimate.entropy.mean()) == pytest.approx(mean, abs=5 * sd / repeats**0.5 + 0.03)
    assert float(estimate.entropy.std()) == pytest.approx(sd, rel=0.15)
    assert (estimate.effective_samples <= samples + 1e-9).all() and (
        estimate.effective_samples >= 1 - 1e-9
    ).all()


def test_the_sampled_entropy_is_exact_where_all_ratios_are_equal():
    flat = torch.full((64,), -math.log(64), dtype=torch.float64)
    estimate = did_entropy_sampled(flat[:10], flat[:10])
    assert float(estimate.entropy) == pytest.approx(math.log(64))
    assert float(estimate.effective_samples) == pytest.approx(10)


def test_gradients_in_float64():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(3, 5, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(did_entropy, logits)
    assert torch.autograd.gradcheck(did, logits)


NONE = torch.tensor([0.0, -math.inf])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: did(torch.zeros(2), NONE), "ref_logits: an answer has probability 0"),
        (lambda: did(torch.zeros(2), torch.zeros(3)), "q_logits: got shape"),
        (lambda: optimal_rejected(torch.zeros(2), NONE, 1), "target_logits: an answer has probability 0"),
        (lambda: optimal_rejected(torch.zeros(2), torch.zeros(2), 0), "beta: got 0"),
        (lambda: did_entropy_sampled(NONE, torch.zeros(2)), "log_pi: got numbers that are not finite"),
        (lambda: likelihood_change(torch.zeros(2), torch.zeros(2), NONE), "old_logits: an answer"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
