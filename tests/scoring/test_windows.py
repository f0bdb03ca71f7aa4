"""A text in pieces and windows is the text: the same tokens, each accounted for once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from entropylab.models import load
from entropylab.models.scoring import _windows
from entropylab.scoring.windows import Tokens, token_pieces, windows

PROSE = "It was a bright morning, and the sea was very still; nobody in the house had slept. " * 40
TEXTS = {
    "prose": PROSE,
    "one letter": "a" * 3000,
    "spaces": " " * 3000,
    "lines": "\n" * 3000,
    "digits": "1234567890" * 300,
    "four bytes a character": "😀" * 900,
    "no spaces": "日本語テキスト" * 400,
    "mixed": ("x" * 999 + " word " * 100 + "é " * 300) * 2,
    "special": "<|endoftext|>" * 200,
    "short": "a",
}


@pytest.fixture(scope="module")
def sentencepiece():
    """A tokenizer in the manner of SentencePiece: one pre-token is the whole text, spaces are letters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False, prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", *(f"<0x{n:02X}>" for n in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE.split(". "), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture(scope="module")
def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([PROSE], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture(scope="module")
def tokenizers(sentencepiece, unigram):
    zoo = {name: load(f"lab/{name}")[1] for name in ("english-xs", "arithmetic-s", "cipher-1", "code")}
    return {**zoo, "sentencepiece": sentencepiece, "unigram": unigram}


def whole(text, tokenizer):
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return encoded["input_ids"], [tuple(pair) for pair in encoded["offset_mapping"]]


def joined(pieces):
    parts = [np.concatenate(columns) for columns in zip(*pieces)]
    return parts[0].tolist(), list(zip(parts[1].tolist(), parts[2].tolist()))


@pytest.mark.parametrize(
    "name", ["english-xs", "arithmetic-s", "cipher-1", "code", "sentencepiece", "unigram"]
)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_pieces_have_the_tokens_of_the_whole(tokenizers, name, text):
    tokenizer = tokenizers[name]
    for piece, overlap in ((200, 64), (700, 200)):
        pieces = list(token_pieces(text, tokenizer, piece=piece, overlap=overlap))
        assert joined(pieces) == whole(text, tokenizer)


def test_prose_is_cut_in_small_pieces(tokenizers):
    pieces = list(token_pieces(PROSE, tokenizers["english-xs"], piece=200, overlap=64))
    assert len(pieces) > len(PROSE) / 200
    assert max(part.end[-1] - part.start[0] for part in pieces) <= 200


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("ab1 \n.é😀") | st.characters(codec="utf-8"), min_size=1, max_size=900))
def test_pieces_of_any_text(tokenizers, text):
    tokenizer = tokenizers["english-xs"]
    assert joined(list(token_pieces(text, tokenizer, piece=130, overlap=60))) == whole(text, tokenizer)


class SlowTokenizer:
    """As a tokenizer in Python: no offsets."""

    is_fast = False

    def __call__(self, text, **_):
        return {"input_ids": [ord(letter) for letter in text]}


def test_a_tokenizer_without_offsets():
    (tokens,) = token_pieces("abc", SlowTokenizer())
    assert tokens.ids.tolist() == [97, 98, 99]
    assert tokens.start.tolist() == [-1] * 3
    assert list(token_pieces("", SlowTokenizer())) == []


def stream(count, size):
    """Tokens 1 to count, in pieces."""
    numbers = np.arange(1, count + 1)
    for first in range(0, count, size):
        part = numbers[first : first + size]
        yield Tokens(part, part * 10, part * 10 + 10)


@pytest.mark.parametrize("bos", [0, None])
@pytest.mark.parametrize(("context", "stride"), [(8, 4), (8, 8), (8, 1), (5, 3), (1, 1), (100, 50)])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 12, 13, 40])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_windows_are_those_of_score_text(bos, context, stride, count, size):
    found = list(windows(stream(count, size), context, stride, bos))
    ids = np.arange(0 if bos == 0 else 1, count + 1)
    expected = _windows(len(ids) - 1, context, stride) or [(0, 0, 0)]
    assert len(found) == len(expected)
    for window, (begin, first_scored, end) in zip(found, expected):
        assert window.ids.tolist() == ids[begin : end + 1].tolist()
        assert window.first == first_scored - begin
        assert len(window.ids) - 1 <= context
    assert [window.last for window in found] == [False] * (len(found) - 1) + [True]
    accounted = np.concatenate([window.tokens.ids for window in found])
    assert accounted.tolist() == list(range(1, count + 1))
    assert sum(window.scored for window in found) == count - (bos is None)
    for window in found:
        # What is predicted is what is accounted for, but for a first token that nothing predicts.
        assert window.ids[1 + window.first :].tolist() == window.tokens.ids[-window.scored :].tolist() or (
            window.scored == 0
        )
        assert (window.tokens.start == window.tokens.ids * 10).all()


def test_no_token_no_window():
    assert list(windows(iter(()), 8, 4, 0)) == []
    assert list(windows(iter(()), 8, 4, None)) == []
