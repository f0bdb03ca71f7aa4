from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab.models import bits_per_byte, load, score_text

TEXT = "The road lay open, and the rain had stopped before them. " * 6


@pytest.fixture(scope="module")
def loaded(model_folder):
    return load(str(model_folder))


def naive_surprisal(text, model, tokenizer, context):
    """One forward pass a token, each with as much context as fits."""
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    values = []
    for target in range(1, len(ids)):
        inputs = torch.tensor([ids[max(0, target - context) : target]])
        with torch.inference_mode():
            logp = model(input_ids=inputs).logits[0, -1].double().log_softmax(-1)
        values.append(-logp[ids[target]].item())
    return np.array(values)


def test_short_text_equals_one_forward_pass_a_token(loaded):
    model, tokenizer = loaded
    table = score_text("The rain had stopped.", model, tokenizer)
    assert table["surprisal"].to_numpy() == pytest.approx(
        naive_surprisal("The rain had stopped.", model, tokenizer, 64), abs=1e-4
    )
    assert "".join(table["token"]) == "The rain had stopped."
    assert table["entropy"].between(0, math.log(len(tokenizer)) + 1e-5).all()


def test_stride_one_gives_every_token_the_full_context(loaded):
    model, tokenizer = loaded
    table = score_text(TEXT, model, tokenizer, context=16, stride=1)
    assert table["surprisal"].to_numpy() == pytest.approx(
        naive_surprisal(TEXT, model, tokenizer, 16), abs=1e-3
    )


@pytest.mark.parametrize(("context", "stride", "batch"), [(16, 16, 1), (16, 7, 3), (20, 5, 50), (64, 32, 2)])
def test_each_token_is_scored_once_whatever_the_windows(loaded, context, stride, batch):
    model, tokenizer = loaded
    table = score_text(TEXT, model, tokenizer, context=context, stride=stride, batch=batch)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert table["token_id"].tolist() == ids
    assert np.isfinite(table["surprisal"]).all()
    assert (
        table["end"].iloc[-1] == len(TEXT)
        and (table["start"].to_numpy()[1:] == table["end"].to_numpy()[:-1]).all()
    )
    # the first window does not depend on the stride
    first = score_text(TEXT, model, tokenizer, context=context, stride=context)["surprisal"][:context]
    assert table["surprisal"][:context].to_numpy() == pytest.approx(first.to_numpy(), abs=1e-4)


def test_a_tokenizer_without_a_beginning_leaves_the_first_token_open(loaded):
    model, tokenizer = loaded
    tokenizer = type(tokenizer).from_pretrained(tokenizer.name_or_path)
    tokenizer.bos_token = None
    table = score_text("The rain had stopped.", model, tokenizer)
    assert math.isnan(table["surprisal"][0]) and np.isfinite(table["surprisal"][1:]).all()


def test_temperature_is_that_of_the_distribution(loaded):
    model, tokenizer = loaded
    cold, hot = (score_text(TEXT, model, tokenizer, temperature=t)["entropy"].mean() for t in (0.5, 2.0))
    assert cold < score_text(TEXT, model, tokenizer)["entropy"].mean() < hot


def test_bits_per_byte_of_a_uniform_model():
    model, tokenizer = load("lab/english-s")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    text = "a plain sentence"
    tokens = len(tokenizer(text)["input_ids"])
    assert bits_per_byte(score_text(text, model, tokenizer), text) == pytest.approx(tokens * 12 / len(text))


def test_english_is_more_likely_than_its_words_in_disorder():
    model, tokenizer = load("lab/english-s")
    text = "She had never been so happy in her life, and she told her mother so at once."
    words = text.split()
    disorder = " ".join(np.random.default_rng(0).permutation(words))
    assert bits_per_byte(score_text(text, model, tokenizer), text) < 0.8 * bits_per_byte(
        score_text(disorder, model, tokenizer), disorder
    )


def test_empty_text_gives_an_empty_table(loaded):
    table = score_text("", *loaded)
    assert len(table) == 0 and "surprisal" in table
    with pytest.raises(ValueError, match="text"):
        bits_per_byte(table, "")


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"text": 3}, TypeError, "text"),
        ({"context": 0}, ValueError, "context"),
        ({"context": 65}, ValueError, "context: got 65, allowed is 1 to 64"),
        ({"stride": 0}, ValueError, "stride"),
        ({"context": 8, "stride": 9}, ValueError, "stride"),
        ({"batch": 0}, ValueError, "batch"),
        ({"temperature": 0.0}, ValueError, "temperature"),
    ],
)
def test_bad_arguments_are_named(loaded, arguments, error, name):
    with pytest.raises(error, match=name):
        score_text(**{"text": "A text.", "model": loaded[0], "tokenizer": loaded[1]} | arguments)
