"""Whole-line accuracy against real greedy decoding, and slopes on simulated answers with a known effect."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab.cognition.embers_stimuli import output_stimuli, written_segments
from entropylab.cognition.embers_transformer import (
    decoding_lines,
    greedy_outputs,
    lines_right,
    log_probability_per_character,
    pattern_lines,
    probability_slope,
)
from entropylab.models import load
from entropylab.models.tokenization import symbol_tokenizer
from entropylab.sources.tasks.ciphers import VOCABULARY


@pytest.fixture(scope="module")
def tiny():
    tokenizer = symbol_tokenizer(VOCABULARY, context=128)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval(), tokenizer


def test_lines_hold_input_and_right_output():
    assert decoding_lines(["the cow"], 13)[0].split("=")[0].rstrip() == "13|gur pbj"
    assert pattern_lines(["the cow"])[0].split("=")[1].rstrip() == "ccv cvc"


class Rule:
    """A model whose most likely next token is a function of all tokens so far, and never a special one."""

    device = torch.device("cpu")

    def __call__(self, input_ids):
        scores = (input_ids * 7 + 3).cumsum(1) % len(VOCABULARY)
        logits = torch.nn.functional.one_hot(scores + 2, len(VOCABULARY) + 2).float()
        return SimpleNamespace(logits=logits)


def _continued(model, tokenizer, lines):
    """Greedy decoding, one token after the other."""
    ids = torch.tensor(tokenizer([line[:44] for line in lines], add_special_tokens=False)["input_ids"])
    ids = torch.nn.functional.pad(ids, (1, 0))
    for _ in range(40):
        ids = torch.cat([ids, model(input_ids=ids).logits[:, -1].argmax(1, keepdim=True)], 1)
    return [tokenizer.decode(row) for row in ids[:, 1:]]


def test_one_pass_tells_what_greedy_decoding_writes(tiny):
    """Lines that the model itself wrote are right; with one character changed they are not."""
    model, tokenizer = Rule(), tiny[1]
    own = _continued(model, tokenizer, decoding_lines(written_segments("development")[:6], 13))
    changed = [line[:-20] + ("a" if line[-20] != "a" else "b") + line[-19:] for line in own]
    assert lines_right(own, model, tokenizer, batch=4).all()
    assert not lines_right(changed, model, tokenizer).any()
    mixed = [own[0], changed[1], own[2]]
    assert lines_right(mixed, model, tokenizer).tolist() == [True, False, True]


def test_written_outputs_are_those_of_greedy_decoding(tiny):
    lines = decoding_lines(written_segments("development")[:3], 13)
    expected = [text[44:].rstrip() for text in _continued(*tiny, lines)]
    assert greedy_outputs(lines, *tiny) == expected


def test_lines_must_have_one_length(tiny):
    for lines in ([], ["13|a=a", "13|ab=ab"]):
        with pytest.raises(ValueError, match="lines"):
            lines_right(lines, *tiny)


@pytest.fixture(scope="module")
def log_probabilities():
    return np.stack([log_probability_per_character(texts) for texts in output_stimuli(written_segments())])


@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_a_slope_is_found_where_there_is_one(log_probabilities, effect):
    z = (log_probabilities - log_probabilities.mean()) / log_probabilities.std()
    right = np.random.default_rng(2).random(z.shape) < 1 / (1 + np.exp(-effect * z))
    slope = probability_slope(right, log_probabilities, draws=200)
    assert slope.low < slope.estimate < slope.high
    assert slope.estimate == pytest.approx(effect, abs=0.35)
    assert (slope.low > 0) == (effect > 0)


@pytest.mark.parametrize(
    ("right", "values", "message"),
    [(np.ones((3, 4)), np.ones((3, 5)), "shapes"), (np.ones((3, 4)), np.ones((3, 4)), "all are equal")],
)
def test_bad_input_is_named(right, values, message):
    with pytest.raises(ValueError, match=message):
        probability_slope(right, values)


def test_a_half_learned_model_of_the_zoo_has_both_effects():
    model, tokenizer = load("lab/cipher-1")
    groups = output_stimuli(written_segments("development"), seed=1)
    high, medium, low = (lines_right(decoding_lines(group, 13), model, tokenizer).mean() for group in groups)
    assert 0.2 <= (high + medium + low) / 3 <= 0.8
    assert high > low + 0.2
    assert lines_right(decoding_lines(groups.high, 12), model, tokenizer).mean() < high - 0.5
