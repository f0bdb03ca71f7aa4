"""Observers of cellular automata."""

import numpy as np
import pytest
import torch

from entropylab.models.automaton_study import (
    Plan,
    Task,
    bernoulli_divergence,
    prequential_run,
    requential_run,
    rule_network,
)
from entropylab.sources import evolve

SMALL = Plan(layers=3, kernel=3, steps=30, rows=32, held_out=128)


def test_a_batch_holds_rows_and_what_becomes_of_them():
    x, y = Task(110, 3, 20).batch(5, [0, 1, 2])
    assert x.shape == (5, 1, 20) and set(x.unique().tolist()) == {-1.0, 1.0}
    assert (evolve((x[:, 0].numpy() > 0).astype(int), 110, 3) == y.numpy()).all()
    noisy = Task(110, 3, 20, noise=0.5).batch(200, [0, 1, 2])[1]
    clean = Task(110, 3, 20).batch(200, [0, 1, 2])[1]
    assert float((noisy != clean).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_the_network_sees_no_farther_than_its_kernels():
    model = rule_network(3, 3)
    x = torch.randn(1, 1, 20, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x)[0, 10], x)
    seen = slope[0, 0].nonzero()[:, 0]
    assert (seen.min(), seen.max()) == (7, 13)
    moved = torch.roll(model(x), 4, 1)
    assert torch.allclose(model(torch.roll(x, 4, 2)), moved, atol=1e-6)


def test_a_rule_within_reach_is_learned_and_one_out_of_reach_is_not():
    losses, final = prequential_run(Task(15, 2, 24), SMALL, 0)
    assert losses[0] == pytest.approx(np.log(2), abs=0.05) and final < 0.1 < losses[0]
    _, far = prequential_run(Task(15, 8, 24), SMALL, 0)
    assert far == pytest.approx(np.log(2), abs=0.02)
    again, _ = prequential_run(Task(15, 2, 24), SMALL, 0)
    assert again == pytest.approx(losses, abs=1e-6)


def test_teacher_and_student_begin_alike_and_part():
    losses, _, divergences = requential_run(Task(15, 2, 24), SMALL, 0)
    plain, _ = prequential_run(Task(15, 2, 24), SMALL, 0)
    assert losses == pytest.approx(plain, abs=1e-5)
    # The teacher has made one averaged step before the first message.
    assert 0 <= divergences[0] < 0.1 and divergences.max() > 1.0 and (divergences > -1e-4).all()


def test_the_divergence_of_coins():
    p, q = torch.tensor([0.3, 0.9]), torch.tensor([0.6, 0.9])
    truth = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert torch.allclose(bernoulli_divergence(p.logit(), q.logit()), truth, atol=1e-6)
    assert bernoulli_divergence(torch.tensor(60.0), torch.tensor(-60.0)) == pytest.approx(60.0)
