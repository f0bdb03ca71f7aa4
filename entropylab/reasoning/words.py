"""Between the words of a task and the tokens of a model that has one for each."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase


def word_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The words of a task with their ids, in the order of the ids.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        That of ``lab/reasoner``, or another in which every word of the task is one token; a space may belong to it.

    Returns
    -------
    dict of str to int

    Raises
    ------
    ValueError
        If two tokens are one word.
    """
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    ids = {str(token).removesuffix(" "): number for number, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        raise ValueError(
            f"tokenizer: got {len(tokens)} tokens for {len(ids)} words, allowed is a token a word"
        )
    return ids
