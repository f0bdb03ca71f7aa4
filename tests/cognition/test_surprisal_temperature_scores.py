"""Words and their subwords: aggregation, windows, and what a model says of a text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from entropylab.cognition import aggregate_to_words, score_stories, scores_table, word_scores
from entropylab.information import renyi_entropy, surprisal
from entropylab.models import load

WORDS = "The miller's daughter kept seventeen (rather stubborn) geese, and she couldn't count them.".split()
GRID = (1, 2, 2.5)


@pytest.fixture(scope="module")
def trigram():
    return load("lab/english-trigram")


@pytest.fixture(scope="module")
def tiny_gpt2(trigram):
    """A transformer that sees 8 tokens at once."""
    torch.manual_seed(0)
    size = len(trigram[1])
    config = GPT2Config(
        vocab_size=size, n_embd=16, n_layer=1, n_head=2, n_positions=8, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config).eval(), trigram[1]


def test_sum_and_mean_over_the_tokens_of_a_word():
    values = [[1.0, 2.0, 4.0, 8.0], [0.0, 1.0, 0.0, 1.0]]
    np.testing.assert_array_equal(aggregate_to_words(values, [0, 0, 1, 2]), [[3, 4, 8], [1, 0, 1]])
    np.testing.assert_array_equal(
        aggregate_to_words(values, [0, 0, 1, 2], how="mean"), [[1.5, 4, 8], [0.5, 0, 1]]
    )


def test_a_word_of_two_subwords():
    """At T = 2.5 the easy continuation gets dearer, the hard start cheaper."""
    rows = torch.tensor([[3.0, 1.0, 0.0, -2.0], [0.0, 0.0, 5.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([1, 2])
    for temperature, expected in ((1.0, 2.206812006254163), (2.5, 1.8213903270041523)):
        tokens = surprisal(rows, targets, temperature=temperature).numpy()
        assert abs(aggregate_to_words(tokens, [0, 0])[0] - expected) < 1e-14
    np.testing.assert_allclose(tokens, [1.4343831332858086, 0.3870071937183437], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("values", "ids", "how", "message"),
    [
        ([1.0], [0], "max", "how: got 'max'"),
        ([1.0, 2.0], [0], "sum", r"word_ids: got shape \(1,\) for values of shape \(2,\)"),
        ([], [], "sum", "word_ids: got shape"),
        ([1.0, 2.0], [0, 2], "sum", "without a gap"),
        ([1.0, 2.0], [1, 1], "sum", "from 0"),
        ([1.0, 2.0, 3.0], [0, 1, 0], "sum", "in order"),
    ],
)
def test_bad_word_ids_are_named(values, ids, how, message):
    with pytest.raises(ValueError, match=message):
        aggregate_to_words(values, ids, how=how)


def test_scores_are_those_of_the_tokens_of_the_joined_text(trigram):
    model, tokenizer = trigram
    scores = word_scores(WORDS, model, tokenizer, GRID, calibration=(0.7, 1.0))
    ids = tokenizer(" ".join(WORDS), add_special_tokens=False)["input_ids"]
    logits = model(input_ids=torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0, :-1]
    assert scores.subwords.sum() == len(ids)
    assert scores.subwords.tolist() == [
        len(tokenizer(("" if place == 0 else " ") + word, add_special_tokens=False)["input_ids"])
        for place, word in enumerate(WORDS)
    ]
    words = np.repeat(np.arange(len(WORDS)), scores.subwords)
    for row, temperature in enumerate(GRID):
        tokens = surprisal(logits, torch.tensor(ids), temperature=temperature)
        np.testing.assert_allclose(scores.surprisal[row], aggregate_to_words(tokens, words), rtol=1e-5)
        entropies = renyi_entropy(logits, 1 / temperature)
        np.testing.assert_allclose(scores.renyi[row], aggregate_to_words(entropies, words), rtol=1e-5)
    top = (logits / 0.7).softmax(-1).max(-1)
    np.testing.assert_allclose(scores.confidence[0], top.values, rtol=1e-4)
    np.testing.assert_array_equal(scores.correct, top.indices == torch.tensor(ids))


def test_the_opening_is_the_mass_of_tokens_that_begin_a_word(trigram):
    model, tokenizer = trigram
    scores = word_scores(WORDS, model, tokenizer, [1.0, 3.0])
    begins = torch.tensor([tokenizer.decode([token])[:1].isspace() for token in range(len(tokenizer))])
    ids = [tokenizer.bos_token_id, *tokenizer(" ".join(WORDS), add_special_tokens=False)["input_ids"]]
    first = np.r_[0, np.cumsum(scores.subwords)[:-1]]
    logits = model(input_ids=torch.tensor([ids])).logits[0, first]
    for row, temperature in enumerate((1.0, 3.0)):
        mass = (logits / temperature).softmax(-1)[:, begins].sum(-1)
        np.testing.assert_allclose(scores.opening[row], -mass.log(), rtol=1e-3, atol=1e-6)
    assert np.all(scores.opening >= 0)
    # A word costs at least what it costs that some word begins.
    assert np.all(scores.surprisal[:, 1:] >= scores.opening[:, 1:] - 1e-5)


def test_windows_score_every_token_once_with_half_a_context_before_it(tiny_gpt2):
    model, tokenizer = tiny_gpt2
    scores = word_scores(WORDS, model, tokenizer, [1.0])
    ids = [tokenizer.bos_token_id, *tokenizer(" ".join(WORDS), add_special_tokens=False)["input_ids"]]
    expected = []
    for place in range(1, len(ids)):
        # Windows end after tokens 8, 12, 16, ...; each holds the 8 tokens before its end.
        end = min(len(ids) - 1, 8 if place <= 8 else 8 + 4 * -(-(place - 8) // 4))
        window = ids[max(0, end - 8) : place]
        logits = model(input_ids=torch.tensor([window])).logits[0, -1]
        expected.append(surprisal(logits, torch.tensor(ids[place])).item())
    words = np.repeat(np.arange(len(WORDS)), scores.subwords)
    np.testing.assert_allclose(scores.surprisal[0], aggregate_to_words(expected, words), rtol=1e-5)
    # A longer past than the window cannot matter, a shorter one does.
    short = word_scores(WORDS, model, tokenizer, [1.0], context=2)
    assert not np.allclose(short.surprisal, scores.surprisal)


def test_stories_are_read_one_by_one(trigram):
    corpus = pd.DataFrame({"story": [1] * 5 + [2] * 4, "word": WORDS[:9]})
    scores = score_stories(corpus, *trigram, GRID)
    alone = word_scores(WORDS[5:9], *trigram, GRID)
    np.testing.assert_array_equal(scores.surprisal[:, 5:], alone.surprisal)
    assert scores.correct.size == scores.subwords.sum() == scores.confidence.shape[1]
    table = scores_table(scores, GRID)
    assert list(table)[:4] == ["subwords", "s_1", "s_2", "s_2.5"]
    np.testing.assert_array_equal(table["h_2"], scores.renyi[1])
    np.testing.assert_array_equal(table["o_2.5"], scores.opening[2])
    with pytest.raises(ValueError, match="temperatures: got 2, allowed are the 3"):
        scores_table(scores, (1, 2))


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("a text", TypeError, "words: got a str"),
        ([], ValueError, "words: got none"),
        (["a", ""], ValueError, "an empty word"),
        (["a b"], ValueError, "a space in it"),
    ],
)
def test_bad_words_are_named(words, error, message, trigram):
    with pytest.raises(error, match=message):
        word_scores(words, *trigram, [1.0])


@pytest.mark.parametrize("context", [1, 9])
def test_a_bad_context_is_named(context, tiny_gpt2):
    with pytest.raises(ValueError, match=rf"context: got {context}, allowed is 2 to 8"):
        word_scores(WORDS, *tiny_gpt2, [1.0], context=context)


def test_a_tokenizer_without_a_start_is_refused(trigram):
    model, tokenizer = trigram
    other = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer)
    assert other.bos_token_id is None
    with pytest.raises(ValueError, match="tokenizer: needs"):
        word_scores(WORDS, model, other, [1.0])
