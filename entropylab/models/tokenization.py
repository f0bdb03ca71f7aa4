"""Byte-level BPE tokenizers for the zoo, trained on its corpus."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"


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
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
