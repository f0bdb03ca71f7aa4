"""DPO on next tokens: the layer goes where the exact optimum is, and nowhere if there is nothing to learn."""

from __future__ import annotations

import pytest
import torch

from entropylab.information import kl_divergence
from entropylab.information.differential_information import optimal_rejected
from entropylab.models import load
from entropylab.reasoning.next_token_preference import next_token_states, prefer_next_token

BETA = 0.5


@pytest.fixture(scope="module")
def problem():
    """Two prompts, eight tokens: states, layer, reference and target logits."""
    generator = torch.Generator().manual_seed(0)
    states, weight = torch.randn(2, 6, generator=generator), 0.4 * torch.randn(8, 6, generator=generator)
    target = states @ weight.T + 0.6 * torch.randn(2, 8, generator=generator)
    return states, weight, states @ weight.T, target


def test_with_the_right_rejected_law_the_target_is_found(problem):
    states, weight, ref, target = problem
    before = kl_divergence(target, ref)
    right = prefer_next_token(
        states, weight, optimal_rejected(ref, target, BETA), beta=BETA, learning_rate=0.05
    )
    assert (kl_divergence(target, right) < 0.05 * before).all()
    flat = prefer_next_token(states, weight, torch.zeros(2, 8), beta=BETA, learning_rate=0.05)
    assert (kl_divergence(target, flat) > 4 * kl_divergence(target, right)).all()
    # What uniform rejected tokens teach is known: the reference to the power 1 + 1 / beta.
    assert kl_divergence(ref * (1 + 1 / BETA), flat).max() < 0.1


def test_nothing_to_learn_and_the_layer_itself_are_left_alone(problem):
    states, weight, ref, _ = problem
    copy = weight.clone()
    same = prefer_next_token(states, weight, ref, beta=BETA, learning_rate=0.01, updates=50)
    assert kl_divergence(ref, same).max() < 0.01
    assert torch.equal(weight, copy)


def test_the_seed_decides_the_pairs(problem):
    states, weight, ref, _ = problem
    one, again, other = (
        prefer_next_token(states, weight, ref, beta=1.0, learning_rate=0.01, updates=3, pairs=16, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_states_and_logits_are_those_of_the_model():
    model, tokenizer = load("lab/english-s-step460")
    texts = ["The house was", "He had never seen the"]
    states, logits = next_token_states(model, tokenizer, texts)
    for row, text in enumerate(texts):
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            whole = model(input_ids=torch.tensor([ids])).logits[0, -1]
        torch.testing.assert_close(logits[row], whole, atol=1e-4, rtol=1e-4)
    assert states.shape == (2, model.config.hidden_size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, w: prefer_next_token(s, w, torch.zeros(2, 7), beta=1, learning_rate=1),
            "rejected_logits: got",
        ),
        (lambda s, w: prefer_next_token(s, w, s @ w.T, beta=1, learning_rate=0), "learning_rate: got 0"),
        (lambda s, w: prefer_next_token(s, w, s @ w.T, beta=0, learning_rate=1), "beta: got 0"),
        (lambda s, w: prefer_next_token(s, w, s @ w.T, beta=1, learning_rate=1, pairs=0), "pairs: got 0"),
        (lambda s, w: next_token_states(None, None, []), "texts: got"),
    ],
)
def test_bad_input_is_named(problem, call, message):
    with pytest.raises(ValueError, match=message):
        call(*problem[:2])
