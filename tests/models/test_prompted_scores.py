from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.models import generate, load, score_text
from entropylab.models.prompted_scores import continuation_log_probabilities


@pytest.fixture(scope="module")
def pair():
    return load("lab/english-xs")


def test_the_scores_are_those_of_the_generator(pair):
    prompts = ["The letter had come", "It was"]
    drawn = generate(*pair, prompts, max_new_tokens=6, seed=0)
    logs = continuation_log_probabilities(*pair, prompts, drawn.tokens, batch=1)
    assert logs.shape == (2, 2, 6)
    own = logs[[0, 1], [0, 1]]
    assert -own == pytest.approx(drawn.surprisal.numpy(), abs=1e-4)
    assert (logs[0, 1] != logs[0, 0]).any()


def test_an_empty_prompt_is_the_text_alone(pair):
    model, tokenizer = pair
    text = "The letter had come in the morning"
    tokens = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    logs = continuation_log_probabilities(model, tokenizer, [""], tokens)
    assert -logs[0, 0] == pytest.approx(score_text(text, model, tokenizer)["surprisal"].to_numpy(), abs=1e-4)
    assert np.isfinite(logs).all()


@pytest.mark.parametrize(
    ("prompts", "tokens", "batch", "message"),
    [
        ("text", torch.zeros(1, 2, dtype=torch.long), 1, "prompts: got 'text'"),
        ([], torch.zeros(1, 2, dtype=torch.long), 1, r"prompts: got \[\]"),
        (["a"], torch.zeros(2, dtype=torch.long), 1, "continuations: got shape"),
        (["a"], torch.zeros(1, 2, dtype=torch.long), 0, "batch: got 0"),
        (["a"], torch.zeros(1, 256, dtype=torch.long), 1, r"prompts\[0\]: got"),
    ],
)
def test_bad_input_is_named(pair, prompts, tokens, batch, message):
    with pytest.raises(ValueError, match=message):
        continuation_log_probabilities(*pair, prompts, tokens, batch=batch)
