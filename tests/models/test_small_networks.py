from __future__ import annotations

import math

import pytest
import torch

from entropylab.models.recurrent import RecurrentLM, train_recurrent
from entropylab.models.table_encoder import TableEncoder, train_table_encoder


def test_a_state_depends_on_the_tokens_before_it_only():
    model = RecurrentLM(4, 8, seed=0)
    text = torch.randint(4, (2, 10), generator=torch.Generator().manual_seed(0))
    changed = text.clone()
    changed[:, 6] = (changed[:, 6] + 1) % 4
    before, after = model.hidden(text), model.hidden(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7], after[:, 7])
    assert model(text).shape == (2, 10, 4)


def test_it_learns_a_period_and_its_seed_decides():
    def sample(step):
        start = torch.randint(3, (16, 1), generator=torch.Generator().manual_seed(step))
        return (start + torch.arange(12)) % 3

    losses, watched = [], []
    for seed in (0, 0, 1):
        model = RecurrentLM(3, 8, seed=seed)
        losses.append(train_recurrent(model, sample, steps=150, learning_rate=2e-2, watch=watched.append))
    assert losses[0] == losses[1] != losses[2]
    assert watched[:150] == list(range(150))
    assert losses[0][0] == pytest.approx(math.log(3), abs=0.15)
    # Only the first of 12 symbols stays unknown.
    assert losses[0][-1] == pytest.approx(math.log(3) / 12, abs=0.05)


def test_the_encoder_learns_a_table_to_its_entropy():
    generator = torch.Generator().manual_seed(1)
    laws = torch.rand(6, 3, generator=generator)
    laws /= laws.sum(1, keepdim=True)
    entropy = -(laws * laws.log()).sum(1).mean().item()
    model = TableEncoder(6, 3, units=16, width=2, seed=0)
    losses = train_table_encoder(model, torch.eye(6), laws, steps=600)
    assert losses[0] > entropy + 0.01
    assert losses[-1] == pytest.approx(entropy, abs=1e-4)
    assert model.hidden(torch.eye(6)).shape == (6, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RecurrentLM(0), "symbols, width: got 0"),
        (lambda: train_recurrent(RecurrentLM(2), lambda _: None, steps=-1), "steps, learning_rate: got -1"),
        (lambda: TableEncoder(2, 2, width=0), "inputs, symbols, units, width"),
        (
            lambda: train_table_encoder(TableEncoder(2, 2), torch.eye(2), torch.eye(2), learning_rate=0),
            "steps, learning_rate",
        ),
        (
            lambda: train_table_encoder(TableEncoder(2, 2), torch.eye(2), torch.ones(3, 2) / 2),
            "contexts, laws",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
