"""Detection scores against their definitions and peers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab import detection
from entropylab.detection import scores


@pytest.fixture(scope="module")
def evidence():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 40, 30, generator=generator) * 3
    targets = torch.randint(30, (6, 40), generator=generator)
    return logits, targets, detection.token_evidence(logits, targets)


def test_the_gap_is_entropy_minus_log_perplexity(evidence):
    logits, targets, e = evidence
    peer = torch.distributions.Categorical(logits=logits)
    assert torch.allclose(e.entropy, peer.entropy(), atol=1e-5)
    assert torch.allclose(e.surprisal, -peer.log_prob(targets), atol=1e-5)
    gap = detection.entropy_gap(e.surprisal, e.entropy)
    expected = detection.mean_entropy(e.entropy) - detection.log_perplexity(e.surprisal)
    assert np.allclose(gap, expected, atol=1e-12)
    assert np.allclose(gap, (peer.entropy() + peer.log_prob(targets)).mean(1), atol=1e-5)


def test_z_is_fast_detectgpt_with_one_model(evidence):
    """Against the analytic score as its authors write it, in torch and float32."""
    logits, targets, e = evidence
    log_p = logits.log_softmax(-1)
    likelihood = log_p.gather(-1, targets[..., None])[..., 0]
    mean = (log_p.exp() * log_p).sum(-1)
    variance = (log_p.exp() * log_p.square()).sum(-1) - mean.square()
    theirs = (likelihood.sum(-1) - mean.sum(-1)) / variance.sum(-1).sqrt()
    ours = detection.standardised_gap(e.surprisal, e.entropy, e.varentropy)
    assert np.allclose(ours, theirs, atol=1e-4)
    assert np.allclose(ours, detection.concentration_figures(e).standardised, atol=1e-5)


def test_masks_leave_out_prompts_and_padding():
    s = np.array([[1.0, 2.0, math.inf], [4.0, math.nan, 6.0]])
    h = np.ones((2, 3))
    keep = np.array([[True, True, False], [True, False, True]])
    assert detection.log_perplexity(s, keep).tolist() == [1.5, 5.0]
    assert detection.entropy_gap(s, h, keep).tolist() == [-0.5, -4.0]
    assert detection.standardised_gap(s, h, h, keep).tolist() == pytest.approx(
        [-1 / math.sqrt(2), -8 / math.sqrt(2)]
    )
    assert detection.binoculars(s, h, keep).tolist() == [1.5, 5.0]


def test_a_text_without_deviation_has_score_zero():
    assert detection.fast_detectgpt(0.0, 0.0, 0.0) == 0.0
    assert scores.fast_detectgpt(-1.0, 0.0, 0.0) == -math.inf


def test_bad_input():
    s = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"entropy: got shape \(3,\), allowed is \(2, 3\)"):
        detection.entropy_gap(s, np.ones(3))
    with pytest.raises(ValueError, match=r"surprisal: got shape \(\), allowed is"):
        detection.log_perplexity(1.0)
    with pytest.raises(
        ValueError, match=r"mask: got int64 of shape \(2, 3\), allowed is bool of shape \(2, 3\)"
    ):
        detection.log_perplexity(s, np.ones((2, 3), np.int64))
    with pytest.raises(ValueError, match="mask: got a text without a token"):
        detection.log_perplexity(s, np.array([[True] * 3, [False] * 3]))
