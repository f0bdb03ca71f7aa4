"""Cases with known figures, to the printed digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab import detection
from entropylab.information import cross_entropy, kl_divergence

P = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
UNIFORM = torch.full((4,), 0.25, dtype=torch.float64)
TOKENS = torch.tensor([0, 2, 1])
LOGITS_A = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
LOGITS_B = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, -1.0]], dtype=torch.float64)


def test_case_1_gap_and_scores():
    e = detection.token_evidence(P.log().expand(3, 4), TOKENS)
    assert e.entropy[0].item() == pytest.approx(1.2130075659799042, abs=1e-15)
    assert e.varentropy[0].item() == pytest.approx(0.33031144706876336, abs=1e-15)
    assert detection.log_perplexity(e.surprisal) == pytest.approx(1.3862943611198906, abs=1e-15)
    assert detection.entropy_gap(e.surprisal, e.entropy) == pytest.approx(-0.17328679513998635, abs=1e-15)
    z = detection.standardised_gap(e.surprisal, e.entropy, e.varentropy)
    assert z == pytest.approx(-0.5222329678670933, abs=1e-14)
    assert detection.binoculars(e.surprisal, e.entropy) == pytest.approx(1.1428571428571428, abs=1e-14)


def test_case_2_cross_entropy_and_bhattacharyya():
    assert cross_entropy(UNIFORM.log(), P.log()).item() == pytest.approx(1.5595811562598767, abs=1e-15)
    for a, b in ((P, UNIFORM), (UNIFORM, P)):
        assert kl_divergence(a.log(), b.log()).item() == pytest.approx(0.1732867951399863, abs=1e-15)
    rho = detection.bhattacharyya_coefficient(P.log(), UNIFORM.log()).item()
    assert rho == pytest.approx(0.9571067811865475, abs=1e-15)
    assert -math.log(rho) == pytest.approx(0.04384031466636472, abs=1e-15)


def test_case_3_cgf_and_e_values():
    lambdas = (-1.0, -0.5, 0.25, 0.5)
    psi = detection.renyi_cgf(P.log(), lambdas)
    known = [0.14516693597854813, 0.039005048031970024, 0.01054019518418986, 0.04280308290362844]
    assert psi.tolist() == pytest.approx(known, abs=1e-15)
    e = detection.token_evidence(P.log().expand(3, 4), TOKENS, lambdas=lambdas)
    found = detection.concentration_figures(e, lambdas=lambdas)
    known = [-0.9553611933556, -0.3769453368059, 0.0983445108024, 0.1315209439991]
    assert found.log_e[0] == pytest.approx(known, abs=1e-13)
    for value, log_e in zip(lambdas, found.log_e[0], strict=True):
        tempered = ((1 - value) * P.log()).log_softmax(0)
        assert log_e == pytest.approx((tempered - P.log())[TOKENS].sum().item(), abs=1e-14)


@pytest.mark.parametrize(
    ("vocabulary", "known", "r"),
    [
        (2, 0.439228839890645151, 0.0832217),
        (4, 1.02349055438650514, 0.148505),
        (256, 8.63867031250162457, 0.338950),
        (4096, 18.2772509488801537, 0.386120),
        (50257, 30.2835997519170252, 0.410605),
        (151936, 36.5793682497660843, 0.418437),
    ],
)
def test_case_4_largest_varentropy(vocabulary, known, r):
    assert detection.varentropy_max(vocabulary) == pytest.approx(known, rel=1e-14)
    at_r = r * (1 - r) * math.log((1 - r) * (vocabulary - 1) / r) ** 2
    assert at_r == pytest.approx(known, rel=1e-9)
    assert known <= 0.25 * math.log(vocabulary - 1) ** 2 + 1


@pytest.mark.parametrize(
    ("vocabulary", "tokens", "unlikely", "likely"),
    [
        (4096, 256, 0.74032049955188733, 0.72576778043479822),
        (4096, 1024, 0.36650419209928266, 0.36288389021739911),
        (50257, 1024, 0.47072290853096794, 0.46710659609153444),
    ],
)
def test_case_4_thresholds(vocabulary, tokens, unlikely, likely):
    for side, known in (("unlikely", unlikely), ("likely", likely)):
        found = detection.gap_threshold(0.025, tokens, vocabulary, side)
        assert found == pytest.approx(known, rel=1e-14)
        assert detection.gap_tail_bound(found, tokens, vocabulary, side) == pytest.approx(0.025, rel=1e-12)


def test_case_5_truncation():
    q = torch.tensor([2 / 3, 1 / 3, 0.0, 0.0], dtype=torch.float64)
    c = cross_entropy(q.log(), P.log()).item()
    assert c == pytest.approx(0.9241962407465937, abs=1e-15)
    assert c == pytest.approx(0.6365141682948128 - math.log(0.75), abs=1e-15)
    assert c - 1.2130075659799042 == pytest.approx(-0.28881132523331055, abs=1e-15)


def test_case_6_two_models():
    targets = torch.tensor([0, 2])
    e = detection.token_evidence(LOGITS_A, targets)
    assert e.surprisal.tolist() == pytest.approx([0.16984602, 1.55144471], abs=1e-8)
    assert e.entropy.tolist() == pytest.approx([0.52426662, 0.97532783], abs=1e-8)
    assert e.varentropy.tolist() == pytest.approx([0.70925743, 0.24420622], abs=1e-8)
    assert cross_entropy(LOGITS_B, LOGITS_A).tolist() == pytest.approx([1.48057083, 0.70764998], abs=1e-8)
    rho = detection.bhattacharyya_coefficient(LOGITS_A, LOGITS_B)
    assert rho.tolist() == pytest.approx([0.89734538, 0.94715772], abs=1e-8)
    found = detection.concentration_figures(e)
    assert found.surprisal[0] / 2 == pytest.approx(0.8606453667441684, abs=1e-15)
    assert found.entropy[0] / 2 == pytest.approx(0.7497972229469474, abs=1e-15)
    assert found.gap[0] == pytest.approx(-0.11084814379722097, abs=1e-15)
    assert found.standardised[0] == pytest.approx(-0.22704207630411918, abs=1e-14)


def test_exercise_2_tokens_needed():
    t, m = 0.4, detection.varentropy_max(50257)
    assert 2 * (m + t) * math.log(40) / t**2 == pytest.approx(1414.9, abs=0.05)
    assert detection.gap_tail_bound(t, 1415, 50257, "unlikely") < 0.025
    assert detection.gap_tail_bound(t, 1414, 50257, "unlikely") > 0.025


def test_no_distribution_has_a_larger_varentropy():
    def varentropy(p):
        h = -(p * np.log(p)).sum(-1, keepdims=True)
        return (p * (np.log(p) + h) ** 2).sum(-1)

    rng = np.random.default_rng(0)
    for vocabulary in (2, 3, 8, 40):
        largest = detection.varentropy_max(vocabulary)
        rows = [rng.dirichlet(np.full(vocabulary, a), 500) for a in (0.05, 0.3, 2.0)]
        p = np.concatenate(rows).clip(1e-300)
        assert varentropy(p).max() <= largest
        # The maximiser has this form: it comes as near as the grid allows.
        shares = np.linspace(0.001, 0.999, 999)[:, None]
        family = np.hstack([np.repeat(shares / (vocabulary - 1), vocabulary - 1, 1), 1 - shares])
        assert largest - 1e-4 < varentropy(family).max() <= largest
    assert detection.varentropy_max(1) == 0.0
