"""Losses on pairs: the closed formulas in float64, their gradients, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab.information.preference import (
    bradley_terry,
    dpo_loss,
    dpo_margin,
    hinge_loss,
    ipo_loss,
    simpo_loss,
)


def pairs(seed=0, shape=(6,)):
    generator = torch.Generator().manual_seed(seed)
    return [-4 * torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(4)]


def test_the_losses_are_their_closed_formulas():
    w, x, rw, rx = (t.numpy() for t in pairs())
    h = (w - rw) - (x - rx)
    tensors = pairs()
    assert dpo_margin(*tensors).numpy() == pytest.approx(h)
    assert dpo_loss(*tensors, beta=0.3).numpy() == pytest.approx(np.log1p(np.exp(-0.3 * h)))
    assert ipo_loss(*tensors, beta=0.3).numpy() == pytest.approx((h - 1 / 0.6) ** 2)
    assert hinge_loss(*tensors, beta=0.3).numpy() == pytest.approx(np.maximum(0, 1 - 0.3 * h))
    lengths = torch.tensor([1, 2, 3, 4, 5, 6]), torch.tensor([3, 1, 1, 2, 2, 7])
    margin = 2.0 * (w / lengths[0].numpy() - x / lengths[1].numpy()) - 0.5
    simpo = simpo_loss(*tensors[:2], *lengths, beta=2.0, target_margin=0.5)
    assert simpo.numpy() == pytest.approx(np.log1p(np.exp(-margin)))


def test_bradley_terry_of_the_reference_case():
    log_q = torch.tensor([0.038961038961, 0.623376623377], dtype=torch.float64).log()
    assert float(bradley_terry(0.5 * log_q[1], 0.5 * log_q[0])) == pytest.approx(0.8, abs=1e-11)


def test_dpo_is_a_logistic_regression_on_log_ratios():
    w, x, rw, rx = pairs(1)
    margin = 0.7 * dpo_margin(w, x, rw, rx)
    other = torch.nn.functional.binary_cross_entropy_with_logits(
        margin, torch.ones_like(margin), reduction="none"
    )
    torch.testing.assert_close(dpo_loss(w, x, rw, rx, beta=0.7), other)


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss, hinge_loss])
def test_gradients_in_float64(loss):
    tensors = [t.requires_grad_() for t in pairs(2)]
    assert torch.autograd.gradcheck(lambda *t: loss(*t, beta=0.4), tensors)


def test_the_gradient_of_dpo_is_that_of_the_paper():
    tensors = [t.requires_grad_() for t in pairs(3)]
    dpo_loss(*tensors, beta=0.4).sum().backward()
    weight = 0.4 * torch.sigmoid(-0.4 * dpo_margin(*tensors)).detach()
    for tensor, sign in zip(tensors, (-1, 1, 1, -1), strict=True):
        torch.testing.assert_close(tensor.grad, sign * weight)


def test_large_margins_do_not_overflow():
    big = torch.tensor([1e4, -1e4], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    assert dpo_loss(big, zero, zero, zero, beta=1.0).tolist() == [0, 1e4]


def test_a_policy_equal_to_the_reference_has_the_loss_of_a_coin():
    w, x, _, _ = pairs(4)
    assert dpo_loss(w, x, w, x, beta=0.1).tolist() == pytest.approx([math.log(2)] * 6)


ZEROS = torch.zeros(2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dpo_loss(ZEROS, ZEROS, ZEROS, ZEROS, beta=0), ValueError, "beta: got 0"),
        (lambda: ipo_loss(ZEROS, ZEROS, ZEROS, ZEROS, beta=math.inf), ValueError, "beta: got inf"),
        (
            lambda: dpo_loss(ZEROS, torch.zeros(3), ZEROS, ZEROS, beta=1),
            ValueError,
            r"rejected: got shape \(3,\), allowed is that of chosen, \(2,\)",
        ),
        (lambda: hinge_loss(ZEROS, [0, 0], ZEROS, ZEROS, beta=1), TypeError, "rejected: got list"),
        (lambda: simpo_loss(ZEROS, ZEROS, ZEROS, ZEROS + 1, beta=1), ValueError, "length_chosen: got 0.0"),
        (lambda: bradley_terry(ZEROS, 1.0), TypeError, "reward_rejected: got float"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
