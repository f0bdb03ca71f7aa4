from __future__ import annotations

import pytest

from entropylab.models import load
from entropylab.reasoning.words import word_ids
from entropylab.sources.tasks.countdown import VOCABULARY


class TwoSpellings:
    """A tokenizer with "go" and "go "."""

    def __len__(self):
        return 2

    def convert_ids_to_tokens(self, ids):
        return [["go", "go "][number] for number in ids]


def test_every_word_of_the_task_is_the_token_that_the_tokenizer_makes_of_it():
    tokenizer = load("lab/reasoner")[1]
    ids = word_ids(tokenizer)
    assert list(ids.values()) == list(range(len(tokenizer)))
    for symbol in VOCABULARY:
        if symbol.strip() in ids:
            assert tokenizer(symbol, add_special_tokens=False)["input_ids"] == [ids[symbol.strip()]]
    assert {"99", "try", "ret", "+"} <= set(ids)


def test_two_tokens_for_one_word_are_refused():
    with pytest.raises(ValueError, match="got 2 tokens for 1 words"):
        word_ids(TwoSpellings())
