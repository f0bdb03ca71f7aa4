"""Two models or several: decisions, error bounds and the exactness of the e-value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab import detection
from entropylab.sources import MarkovChain

A, B = detection.markov_rivals(5, states=12)


def totals(writer, texts, tokens, seed=0):
    states = detection.sample_texts(writer, texts, tokens, seed=seed)
    return [detection.markov_evidence(chain, states).surprisal.sum(1) for chain in (A, B)]


def test_errors_stay_below_the_bhattacharyya_bound():
    rho = np.sqrt(A.transitions * B.transitions).sum(1).max()
    assert rho < 1
    for tokens in (1, 4, 16):
        bound = detection.bhattacharyya_error_bound(rho, tokens)
        assert detection.likelihood_ratio_test(*totals(A, 4000, tokens)).is_b.mean() <= bound
        assert (~detection.likelihood_ratio_test(*totals(B, 4000, tokens)).is_b).mean() <= bound


def test_the_ratio_is_an_e_value():
    """On chains whose ratios are bounded: with rare huge ratios a mean over samples says nothing."""
    a, b = (MarkovChain.random(12, concentration=2.0, seed=seed) for seed in (0, 1))
    states = detection.sample_texts(a, 20_000, 3)
    before, after = states[:, :-1], states[:, 1:]
    nll_a, nll_b = (-np.log(chain.transitions)[before, after].sum(1) for chain in (a, b))
    test = detection.likelihood_ratio_test(nll_a, nll_b, alpha=0.1)
    assert (test.is_b == (test.p_value <= 0.1)).all()
    assert test.is_b.mean() <= 0.1
    rho = np.sqrt(a.transitions * b.transitions).sum(1)
    for values in (np.exp(test.log_ratio), np.exp(test.log_ratio / 2) / rho[before].prod(1)):
        assert abs(values.mean() - 1) < 4 * values.std() / math.sqrt(len(values))


def test_equal_models_tie_and_the_tie_goes_to_b():
    nll = np.array([3.0, 7.0])
    test = detection.likelihood_ratio_test(nll, nll)
    assert test.is_b.all() and (test.p_value == 1).all()


def test_attribution_takes_the_smallest_total():
    nll = torch.tensor([[5.0, 2.0, math.inf], [4.0, 2.0, 1.0]])
    assert detection.attribute(nll).tolist() == [1, 0, 1]
    assert detection.attribute_sets(nll[:1], nll[1:]).tolist() == [True, False, True]
    states = detection.sample_texts(B, 300, 60)
    nll = np.stack([detection.markov_evidence(chain, states).surprisal.sum(1) for chain in (A, B)])
    assert (detection.attribute(nll) == 1).mean() > 0.99


def test_a_set_is_rejected_only_if_every_member_is():
    suprema = np.array([[5.0, 0.1, 5.0], [4.0, 9.0, 2.0]])
    assert detection.reject_all_members(suprema, 0.05).tolist() == [True, False, False]
    states = detection.sample_texts(A, 2000, 64, seed=4)
    suprema = [
        detection.concentration_figures(detection.markov_evidence(chain, states)).log_supremum
        for chain in (A, B)
    ]
    assert detection.reject_all_members(suprema, 0.05).mean() <= 0.05


def test_bhattacharyya_edges():
    inf = math.inf
    p = torch.tensor([[0.0, 0.0, -inf], [0.0, -inf, -inf]])
    q = torch.tensor([[0.0, 0.0, -inf], [-inf, 0.0, 0.0]])
    assert detection.bhattacharyya_coefficient(p, q).tolist() == pytest.approx([1.0, 0.0])
    assert detection.bhattacharyya_error_bound(0.9, np.array([0, 2, 20]), 3).tolist() == pytest.approx(
        [1.0, 1.0, 3 * 0.9**20]
    )
    bad = torch.full((1, 3), -inf)
    with pytest.raises(ValueError, match="q_logits: row 0 has only -inf"):
        detection.bhattacharyya_coefficient(p[:1], bad)
    assert detection.bhattacharyya_coefficient(p[:1], bad, check_finite=False).isnan().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detection.likelihood_ratio_test(math.nan, 1.0), "nll_a: got NaN"),
        (lambda: detection.likelihood_ratio_test(math.inf, math.inf), r"nll_a, nll_b: got \+inf in both"),
        (
            lambda: detection.likelihood_ratio_test(1.0, 1.0, alpha=1.0),
            "alpha: got 1.0, allowed are numbers between",
        ),
        (lambda: detection.attribute(3.0), r"nll: got shape \(\)"),
        (lambda: detection.attribute(np.empty((0, 4))), r"nll: got shape \(0, 4\)"),
        (lambda: detection.attribute_sets([[1.0]], np.empty((0, 1))), "nll_b: got shape"),
        (lambda: detection.reject_all_members(np.empty((0, 4)), 0.05), "log_suprema: got shape"),
        (lambda: detection.reject_all_members([[1.0]], 0.0), "alpha: got 0.0"),
        (
            lambda: detection.bhattacharyya_error_bound(1.1, 3),
            "rho: got 1.1, allowed are numbers from 0 to 1",
        ),
        (lambda: detection.bhattacharyya_error_bound(0.5, -1), "tokens: got -1"),
        (lambda: detection.bhattacharyya_error_bound(0.5, 1, 0), "rivals: got 0"),
        (
            lambda: detection.bhattacharyya_coefficient(torch.zeros(2, 3), torch.zeros(2, 4)),
            r"q_logits: got shape \(2, 4\)",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
