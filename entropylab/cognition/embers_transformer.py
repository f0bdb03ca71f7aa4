"""Ciphers under a small transformer: whole-line accuracy, and how it depends on the probability of a text.

The models are those of the recipes ``cipher-*``; lines and corpus are described in
:mod:`entropylab.sources.tasks.ciphers`. The statistic is the one of McCoy et al. 2024: a logistic regression of right
or wrong on log-probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.cognition.noisy_channel import (
    encode,
    first_letter_log_prior,
    text_log_probability,
    trigram_log_prior,
)
from entropylab.data import load_table
from entropylab.sources.tasks.ciphers import PATTERN, WIDTH, caesar, cipher_line, vowel_pattern
from entropylab.statistics import Interval, bootstrap_items, logit_glm


def decoding_lines(texts: Sequence[str], shift: int) -> list[str]:
    """Lines of the shift cipher: the input is the shifted text, the right output the text.

    Parameters
    ----------
    texts : sequence of str
        Plain texts, at most 40 characters each.
    shift : int
        1 to 25.

    Returns
    -------
    list of str
        With the right outputs.
    """
    return [cipher_line(f"{shift:02d}", caesar(text, shift), text) for text in texts]


def pattern_lines(texts: Sequence[str]) -> list[str]:
    """Lines of the pattern task: the input is the text, the right output its vowels and consonants.

    Parameters
    ----------
    texts : sequence of str
        Plain texts, at most 40 characters each.

    Returns
    -------
    list of str
        With the right outputs.
    """
    return [cipher_line(PATTERN, text, vowel_pattern(text)) for text in texts]


def lines_right(
    lines: Sequence[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch: int = 240
) -> NDArray[np.bool_]:
    """Whether greedy decoding would give each line's whole output.

    Greedy decoding writes the right output if and only if, at each position, the most likely token after the right
    beginning is the right one. So one forward pass over the whole lines tells.

    Parameters
    ----------
    lines : sequence of str
        Lines of one length, each with its right output in the last 40 characters.
    model, tokenizer
        As :func:`entropylab.models.load` gives them; a token is a character.
    batch : int
        Lines at a time.

    Returns
    -------
    numpy.ndarray of bool, shape (lines,)

    Raises
    ------
    ValueError
        If the lines have different lengths, or none is there.
    """
    if len({len(line) for line in lines}) != 1:
        raise ValueError("lines: got lines of different lengths, or none; allowed are lines of one length")
    ids = torch.tensor(tokenizer(list(lines), add_special_tokens=False)["input_ids"])
    start = torch.full((len(ids), 1), int(tokenizer.bos_token_id))
    ids = torch.cat([start, ids], 1)
    right = []
    with torch.inference_mode():
        for part in ids.split(batch):
            part = part.to(model.device)
            guesses = model(input_ids=part[:, :-1]).logits[:, -WIDTH:].argmax(-1)
            right.append((guesses == part[:, -WIDTH:]).all(1).cpu())
    result: NDArray[np.bool_] = torch.cat(right).numpy()
    return result


def greedy_outputs(
    lines: Sequence[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[str]:
    """What the model writes after the inputs of some lines, by greedy decoding.

    Parameters
    ----------
    lines : sequence of str
        Lines of one length; their outputs are not looked at.
    model, tokenizer
        As in :func:`lines_right`.

    Returns
    -------
    list of str
        Outputs without the spaces at their end.
    """
    prompts = [line[: len(line) - WIDTH] for line in lines]
    ids = torch.tensor(tokenizer(prompts, add_special_tokens=False)["input_ids"], device=model.device)
    ids = torch.nn.functional.pad(ids, (1, 0), value=int(tokenizer.bos_token_id))
    written = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=WIDTH, min_new_tokens=WIDTH
    )
    return [tokenizer.decode(row).rstrip() for row in written[:, ids.shape[1] :]]


def log_probability_per_character(texts: Sequence[str]) -> NDArray[np.float64]:
    """Log-probability of each text under character trigrams of English novels, divided by its length.

    Parameters
    ----------
    texts : sequence of str
        Small letters and spaces, not empty.

    Returns
    -------
    numpy.ndarray of float64, shape (texts,)
        Nats a character.
    """
    counts = load_table("embers_trigrams")["count"].to_numpy().reshape(27, 27, 27)
    prior, first = trigram_log_prior(counts), first_letter_log_prior(counts)
    return np.array([text_log_probability(encode(text), prior, first) / len(text) for text in texts])


def probability_slope(
    right: ArrayLike, log_probabilities: ArrayLike, *, draws: int = 500, seed: int = 0
) -> Interval:
    """Slope of the logistic regression of right or wrong on log-probability, and its interval over items.

    Parameters
    ----------
    right : array_like of bool, shape (conditions, items)
        Right answers; entry i of each condition stems from the same segment.
    log_probabilities : array_like of float, shape (conditions, items)
        They are z-scored over all entries, so that a slope is per standard deviation.
    draws : int
        Bootstrap samples of items, with all their conditions.
    seed : int
        Decides the samples.

    Returns
    -------
    Interval
        Slope under a Cauchy prior of scale 1.25, and its 95 % interval.

    Raises
    ------
    ValueError
        If the shapes differ, or all log-probabilities are equal.
    """
    y, x = np.asarray(right, dtype=np.float64), np.asarray(log_probabilities, dtype=np.float64)
    if y.shape != x.shape or y.ndim != 2:
        raise ValueError(
            f"right, log_probabilities: got shapes {y.shape} and {x.shape}, allowed are two equal (conditions, items)"
        )
    if not x.std() > 0:
        raise ValueError("log_probabilities: all are equal, so there is no slope")
    z = (x - x.mean()) / x.std(ddof=1)
    return bootstrap_items(
        y.shape[1],
        lambda items: float(logit_glm(z[:, items].ravel(), y[:, items].ravel()).coefficients[1]),
        draws=draws,
        seed=seed,
    )
