"""Tokenizers for the zoo: byte-level BPE trained on its corpus, or the fixed symbols of a task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unknown|>"


def train_tokenizer(texts: Iterable[str], vocabulary: int, *, context: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer; every string can be encoded, and decoding gives it back.

    Parameters
    ----------
    texts : iterable of str
        Training texts.
    vocabulary : int
        Number of tokens, with the 256 bytes and the end-of-text token.
    context : int
        Length that the tokenizer declares as its model's maximum.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Its ``bos``, ``eos`` and ``pad`` token is ``<|endoftext|>``, id 0.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrap(tokenizer, context)


def symbol_tokenizer(symbols: Sequence[str], *, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer with a fixed list of symbols, single characters or words; the longest that fits is taken.

    Parameters
    ----------
    symbols : sequence of str
        All that a text may consist of, without repetition.
    context : int
        Length that the tokenizer declares as its model's maximum.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Token 0 is ``<|endoftext|>`` (``bos``, ``eos`` and ``pad``), 1 stands for any other character, and the
        symbols follow in their order. Decoding gives the text back, without spaces added.

    Raises
    ------
    ValueError
        If a symbol is empty or stands twice.
    """
    if len(set(symbols)) != len(symbols) or not all(symbols):
        raise ValueError("symbols: got an empty or a repeated symbol, allowed are different strings")
    vocabulary = {token: number for number, token in enumerate((END_OF_TEXT, UNKNOWN, *symbols))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    longest_first = sorted(symbols, key=len, reverse=True)
    pattern = "|".join([*map(re.escape, longest_first), r"[\s\S]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return _wrap(tokenizer, context, unk_token=UNKNOWN)


def _wrap(tokenizer: Tokenizer, context: int, **special: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        **special,
    )
