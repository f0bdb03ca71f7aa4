"""What a causal language model says of each word of a text, at several temperatures.

Liu, Skrjanec and Demberg 2024, "Temperature-scaling surprisal estimates improve fit to human reading times", section
3: temperature acts on the distribution of every subword; a word's surprisal is the sum over its subwords.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.information import renyi_entropy, temperature_scaled_surprisal, token_statistics

# Windows longer than this cost more memory than the longer context is worth.
_LONGEST_CONTEXT = 1024


class WordScores(NamedTuple):
    """Scores of W words in N subwords at K temperatures; calibration at L temperatures.

    ``subwords`` int64 [W]; ``surprisal`` and ``renyi`` float32 [K, W], nats, summed over subwords, where ``renyi`` has
    the order 1/T; ``opening`` float32 [K, W], surprisal of *some* new word where this one begins; ``confidence``
    float32 [L, N], probability of the likeliest token; ``correct`` bool [N], whether that token came.
    """

    subwords: NDArray[np.int64]
    surprisal: NDArray[np.float32]
    renyi: NDArray[np.float32]
    opening: NDArray[np.float32]
    confidence: NDArray[np.float32]
    correct: NDArray[np.bool_]


def aggregate_to_words(values: ArrayLike, word_ids: ArrayLike, *, how: str = "sum") -> NDArray[np.float64]:
    """Sum or mean of token values over the tokens of each word.

    Parameters
    ----------
    values : array_like, shape (..., N)
        One number a token.
    word_ids : array_like of int, shape (N,)
        Word of each token: from 0, never falling, no word left out.
    how : {"sum", "mean"}

    Returns
    -------
    array of float64, shape (..., W)

    Raises
    ------
    ValueError
        If the shapes do not fit, the words are not in order, or ``how`` is unknown.
    """
    tokens = np.asarray(values, dtype=np.float64)
    ids = np.asarray(word_ids)
    if how not in ("sum", "mean"):
        raise ValueError(f"how: got {how!r}, allowed are 'sum' and 'mean'")
    if ids.ndim != 1 or not ids.size or tokens.shape[-1:] != ids.shape:
        raise ValueError(
            f"word_ids: got shape {ids.shape} for values of shape {tokens.shape}, allowed is (N,) for (..., N), N > 0"
        )
    steps = np.diff(ids)
    if ids[0] != 0 or np.any((steps != 0) & (steps != 1)):
        raise ValueError("word_ids: got ids that do not count the words from 0 in order, without a gap")
    starts = np.flatnonzero(np.r_[True, steps == 1])
    sums = np.add.reduceat(tokens, starts, axis=-1)
    return sums if how == "sum" else sums / np.bincount(ids)


def word_scores(
    words: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    temperatures: Sequence[float],
    *,
    calibration: Sequence[float] = (1.0,),
    context: int | None = None,
) -> WordScores:
    """Surprisal and Renyi entropy of each word of a text, summed over its subwords.

    The words are joined by single spaces. A text longer than the context is read in windows that overlap by half, so
    that each subword but the first ones has at least half a context before it. Logits are held for one window only.

    Parameters
    ----------
    words : sequence of str
        The text: words without spaces, punctuation attached.
    model, tokenizer
        As :func:`entropylab.models.load` gives them; the tokenizer must be a fast one with a beginning-of-text token.
    temperatures : sequence of float
        K numbers above 0.
    calibration : sequence of float
        L temperatures for confidence.
    context : int, optional
        Tokens that the model sees at once, at least 2; default the model's maximum, at most 1,024.

    Returns
    -------
    WordScores

    Raises
    ------
    TypeError
        If the words are one text.
    ValueError
        If there is no word, a word is empty or has a space, a token spans two words, the tokenizer is not fast or has
        no beginning-of-text token, or the context is out of range.
    """
    ids, word_of = _tokens_of_words(words, tokenizer)
    longest = int(getattr(model.config, "max_position_embeddings", _LONGEST_CONTEXT))
    context = min(longest, _LONGEST_CONTEXT) if context is None else context
    if not 2 <= context <= longest:
        raise ValueError(f"context: got {context}, allowed is 2 to {longest} for this model")

    pieces: list[tuple[torch.Tensor, ...]] = []
    opens = torch.tensor([tokenizer.decode([token])[:1].isspace() for token in range(len(tokenizer))])
    opens = torch.nn.functional.pad(opens, (0, max(0, model.config.vocab_size - len(opens)))).to(model.device)
    for logits, targets in _windows(torch.from_numpy(ids), model, context):
        pieces.append(
            (
                temperature_scaled_surprisal(logits, targets, temperatures),
                torch.stack([renyi_entropy(logits, 1.0 / temperature) for temperature in temperatures]),
                torch.stack([_surprisal_of_set(logits, opens, temperature) for temperature in temperatures]),
                torch.stack([token_statistics(logits, temperature=t).max_probability for t in calibration]),
                logits.argmax(-1) == targets,
            )
        )
    surprisal, renyi, opening, confidence, correct = (
        torch.cat(parts, dim=-1).cpu().numpy() for parts in zip(*pieces, strict=True)
    )
    return WordScores(
        np.bincount(word_of),
        aggregate_to_words(surprisal, word_of).astype(np.float32),
        aggregate_to_words(renyi, word_of).astype(np.float32),
        opening[:, np.flatnonzero(np.diff(word_of, prepend=-1))],
        confidence,
        correct,
    )


def score_stories(
    corpus: pd.DataFrame,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    temperatures: Sequence[float],
    *,
    calibration: Sequence[float] = (1.0,),
) -> WordScores:
    """Scores of all words of a corpus, each story read on its own.

    Parameters
    ----------
    corpus : pandas.DataFrame
        A row a word, in reading order, with ``story`` and ``word``, as
        :func:`entropylab.data.read_natural_stories` gives it.
    model, tokenizer, temperatures, calibration
        As in :func:`word_scores`, whose errors it raises too.

    Returns
    -------
    WordScores
    """
    parts = [
        word_scores(story["word"].tolist(), model, tokenizer, temperatures, calibration=calibration)
        for _, story in corpus.groupby("story", sort=False)
    ]
    return WordScores(*(np.concatenate(fields, axis=-1) for fields in zip(*parts, strict=True)))


def scores_table(scores: WordScores, temperatures: Sequence[float]) -> pd.DataFrame:
    """The words' scores as a table.

    Parameters
    ----------
    scores : WordScores
    temperatures : sequence of float
        Those that the scores were made with.

    Returns
    -------
    pandas.DataFrame
        A row a word: ``subwords``, and for each temperature ``s_<T>`` (surprisal), ``h_<T>`` (Renyi entropy) and
        ``o_<T>`` (opening), nats.

    Raises
    ------
    ValueError
        If the number of temperatures is another.
    """
    if len(temperatures) != len(scores.surprisal):
        raise ValueError(
            f"temperatures: got {len(temperatures)}, allowed are the {len(scores.surprisal)} of the scores"
        )
    columns: dict[str, object] = {"subwords": scores.subwords}
    for letter, rows in (("s", scores.surprisal), ("h", scores.renyi), ("o", scores.opening)):
        columns |= {f"{letter}_{t:g}": row for t, row in zip(temperatures, rows, strict=True)}
    return pd.DataFrame(columns)


def _surprisal_of_set(logits: torch.Tensor, members: torch.Tensor, temperature: float) -> torch.Tensor:
    """Minus the log-probability that the next token is one of the set, at a temperature."""
    scaled = logits.float() / temperature
    return scaled.logsumexp(-1) - scaled[:, members].logsumexp(-1)


def _tokens_of_words(
    words: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids with the beginning-of-text token in front, and the word of each further token."""
    if isinstance(words, str):
        raise TypeError("words: got a str, allowed is a sequence of words")
    if not len(words) or any(not word or any(letter.isspace() for letter in word) for word in words):
        raise ValueError("words: got none, or an empty word, or one with a space in it")
    if not tokenizer.is_fast or tokenizer.bos_token_id is None:
        raise ValueError("tokenizer: needs to be a fast one, with a beginning-of-text token")
    # The space before a word belongs to it, as in the tokens of a byte-level tokenizer.
    word_of_letter = np.repeat(np.arange(len(words)), [len(word) + 1 for word in words])[1:]
    encoded: Any = tokenizer(
        " ".join(words), add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    starts, ends = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2).T
    word_of = word_of_letter[ends - 1]
    if np.any(word_of_letter[starts] != word_of):
        token = int(np.flatnonzero(word_of_letter[starts] != word_of)[0])
        raise ValueError(
            f"words: token {token} of the text spans two words, {words[word_of[token]]!r} is one"
        )
    return np.r_[tokenizer.bos_token_id, encoded["input_ids"]].astype(np.int64), word_of


def _windows(
    ids: torch.Tensor, model: PreTrainedModel, context: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Logits and targets of ids[1:], each once, window by window."""
    scored, total = 0, len(ids) - 1
    while scored < total:
        end = min(total, scored + (context // 2 if scored else context))
        begin = max(0, end - context)
        with torch.inference_mode():
            logits = model(input_ids=ids[None, begin:end].to(model.device)).logits[0, scored - begin :]
        yield logits, ids[scored + 1 : end + 1].to(logits.device)
        scored = end
