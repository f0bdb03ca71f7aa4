"""Maps from outputs to probabilities: what they undo, what they keep, how they are fitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.information.reestimation import (
    POWERS,
    SMOOTHINGS,
    fit_isotonic,
    fit_power,
    fit_smoothing,
    power_transform,
    unsmooth,
)

LAW = torch.tensor([0.97, 0.01, 0.01, 0.01], dtype=torch.float64)


def smoothed(law, eps):
    return ((1 - eps) * law + eps / law.shape[-1]).log()


def test_unsmoothing_gives_back_the_law_of_the_reference_case():
    logits = smoothed(LAW, 0.1)
    assert logits.exp().tolist() == pytest.approx([0.898, 0.034, 0.034, 0.034], abs=1e-15)
    assert smoothed(LAW, 0.2).exp().tolist() == pytest.approx([0.826, 0.058, 0.058, 0.058], abs=1e-15)
    restored = unsmooth(logits, 0.1).exp()
    assert restored.tolist() == pytest.approx(LAW.tolist(), abs=1e-14)
    q = logits.exp()
    assert float(LAW @ q) == pytest.approx(0.87208) and float(LAW @ LAW) == pytest.approx(0.9412)
    for length, after, before in ((5, 0.8587340257, 0.5839580953), (20, 0.5437943429, 0.1162858129)):
        assert float(restored[0]) ** length == pytest.approx(after, abs=1e-10)
        assert float(q[0]) ** length == pytest.approx(before, abs=1e-10)


def test_torch_smooths_the_way_that_is_undone():
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    for _ in range(4000):
        losses = loss(logits.expand(4, 4), torch.arange(4)) @ LAW
        (gradient,) = torch.autograd.grad(losses, logits)
        logits = (logits - gradient).detach().requires_grad_()
    assert unsmooth(logits.detach(), 0.1).exp().tolist() == pytest.approx(LAW.tolist(), abs=1e-9)


def test_the_trap_clips_a_law_that_was_never_smoothed():
    assert unsmooth(LAW.log(), 0.1).exp().tolist() == [1, 0, 0, 0]


def test_nothing_to_undo_changes_nothing_and_the_top_is_never_clipped():
    logits = torch.randn(200, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(unsmooth(logits, 0.0), logits.log_softmax(-1))
    torch.testing.assert_close(power_transform(logits, 1.0), logits.log_softmax(-1))
    for eps in (0.1, 0.5, 0.99):
        log_p = unsmooth(logits, eps)
        assert (log_p.argmax(-1) == logits.argmax(-1)).all()
        torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(200, dtype=torch.float64))


def test_a_power_is_a_temperature():
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(power_transform(logits, 2.5), (logits * 2.5).log_softmax(-1))


def observed(law, count, seed):
    draws = torch.multinomial(law, count, replacement=True, generator=torch.Generator().manual_seed(seed))
    return draws


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.25])
def test_the_smoothing_is_found_from_what_was_observed(eps):
    y = observed(LAW, 20_000, 0)
    assert fit_smoothing(smoothed(LAW, eps).expand(20_000, 4), y) == pytest.approx(eps, abs=0.011)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_power_is_found_from_what_was_observed(power):
    law = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    y = observed(law, 20_000, 1)
    assert fit_power((law.log() / power).expand(20_000, 4), y) == pytest.approx(power, rel=0.06)


def test_the_isotonic_map_calibrates_and_keeps_the_order():
    rng = torch.Generator().manual_seed(2)
    law = torch.softmax(2 * torch.randn(4000, 6, generator=rng, dtype=torch.float64), -1)
    y = torch.multinomial(law, 1, generator=rng)[:, 0]
    flat = (0.4 * law.log()).log_softmax(-1)
    log_p = fit_isotonic(flat[:2000], y[:2000])(flat[2000:])
    p = log_p.exp()
    torch.testing.assert_close(p.sum(-1), torch.ones(2000, dtype=torch.float64))
    # Weakly in order: where the score is higher, the new probability is not lower.
    ranked = p.gather(1, flat[2000:].argsort(-1))
    assert (ranked.diff(dim=-1) >= -1e-12).all()

    def surprisal(of):
        return -of.clamp_min(np.log(1e-9)).gather(1, y[2000:, None]).mean()

    assert surprisal(log_p) < surprisal(flat[2000:]) - 0.05


def test_a_row_without_a_hit_keeps_its_own_probabilities():
    logits = torch.tensor([[4.0, 0.0, 0.0, 0.0]] * 50)
    transform = fit_isotonic(logits, torch.zeros(50, dtype=torch.int64))
    other = torch.zeros(1, 100)
    torch.testing.assert_close(transform(other), other.log_softmax(-1))


def test_the_grids_are_those_of_the_chapter():
    assert (POWERS[0], POWERS[-1], len(POWERS)) == (0.2, 3.0, 57)
    assert (SMOOTHINGS[0], SMOOTHINGS[-1], len(SMOOTHINGS)) == (0.0, 0.3, 31)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unsmooth(LAW, 1.0), r"smoothing: got 1.0, allowed are numbers in \[0, 1\)"),
        (lambda: power_transform(LAW, 0), "power: got 0"),
        (lambda: fit_power(LAW, torch.tensor(0)), r"logits: got shape \(4,\)"),
        (lambda: fit_power(LAW[None], torch.tensor([4])), "targets: got 4"),
        (lambda: fit_smoothing(LAW[None], torch.tensor([0]), []), "smoothings: got an empty grid"),
        (lambda: fit_isotonic(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)), "logits: got shape"),
        (lambda: unsmooth(torch.tensor([torch.nan, 0.0]), 0.1), "NaN"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
