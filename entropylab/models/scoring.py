"""Per-token statistics of any text under any causal language model."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.information import token_statistics

# Windows longer than this cost more memory than the longer context is worth by default.
_LONGEST_DEFAULT_CONTEXT = 1024


def score_text(
    text: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    context: int | None = None,
    stride: int | None = None,
    temperature: float = 1.0,
    batch: int = 8,
) -> pd.DataFrame:
    """Surprisal, entropy and varentropy of each token of a text.

    A text longer than the context is read in overlapping windows: each token is scored once, and each but
    the first ``context`` tokens has at least ``context - stride`` tokens before it.

    Parameters
    ----------
    text : str
        Any text.
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    context : int, optional
        Tokens that the model sees at once; default the model's maximum, at most 1,024.
    stride : int, optional
        Tokens that are scored in each further window, 1 to ``context``; default half the context.
    temperature : float
        Statistics are those of softmax(logits / temperature).
    batch : int
        Windows at a time.

    Returns
    -------
    pandas.DataFrame
        A row a token: ``token`` (text), ``token_id``, ``start`` and ``end`` (character offsets), and in nats
        ``surprisal``, ``entropy``, ``varentropy`` (nats squared), ``logsumexp``, and ``max_probability``.
        The first token is predicted from the beginning-of-text token; a tokenizer that has none leaves NaN
        there.

    Raises
    ------
    TypeError
        If ``text`` is not a str.
    ValueError
        If ``context``, ``stride``, ``batch`` or ``temperature`` is out of range.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: got {type(text).__name__}, allowed is a str")
    context, stride = check_window(model, context, stride)
    if batch < 1:
        raise ValueError(f"batch: got {batch}, allowed is 1 or more")

    encoded = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast, verbose=False
    )
    ids = np.asarray(encoded["input_ids"], dtype=np.int64)
    table = pd.DataFrame({"token": [tokenizer.decode([token]) for token in ids], "token_id": ids})
    if tokenizer.is_fast:
        offsets = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
        table["start"], table["end"] = offsets[:, 0], offsets[:, 1]
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    scores = _score(
        np.concatenate([np.asarray(start, dtype=np.int64), ids]), model, context, stride, temperature, batch
    )
    missing = len(ids) - len(scores["surprisal"])  # the first token, where nothing stands before it
    for name, values in scores.items():
        table[name] = np.concatenate([np.full(missing, np.nan, dtype=np.float32), values])
    return table


def check_window(model: PreTrainedModel, context: int | None, stride: int | None) -> tuple[int, int]:
    """Fill in the defaults of a window, and refuse one that the model cannot read.

    Parameters
    ----------
    model : PreTrainedModel
    context, stride : int, optional
        As for :func:`score_text`.

    Returns
    -------
    context, stride : int

    Raises
    ------
    ValueError
        If one of the two is out of range.
    """
    longest = int(getattr(model.config, "max_position_embeddings", _LONGEST_DEFAULT_CONTEXT))
    context = min(longest, _LONGEST_DEFAULT_CONTEXT) if context is None else context
    stride = max(1, context // 2) if stride is None else stride
    if not 1 <= context <= longest:
        raise ValueError(f"context: got {context}, allowed is 1 to {longest} for this model")
    if not 1 <= stride <= context:
        raise ValueError(f"stride: got {stride}, allowed is 1 to the context, {context}")
    return context, stride


def bits_per_byte(scores: pd.DataFrame, text: str) -> float:
    """Code length of a text under a model, in bits per UTF-8 byte.

    Parameters
    ----------
    scores : pandas.DataFrame
        What :func:`score_text` gave for the text.
    text : str
        The text, not empty.

    Returns
    -------
    float
        Summed surprisal in bits, divided by the size of the text.
    """
    size = len(text.encode())
    if not size:
        raise ValueError("text: got an empty text, which has no bits per byte")
    return float(np.nansum(scores["surprisal"], dtype=np.float64) / math.log(2) / size)


def _score(
    ids: NDArray[np.int64], model: PreTrainedModel, context: int, stride: int, temperature: float, batch: int
) -> dict[str, NDArray[np.float32]]:
    """Statistics of ids[1:], each given what stands before it in its window."""
    windows = list(_windows(len(ids) - 1, context, stride))
    columns: dict[str, list[NDArray[np.float32]]] = {
        name: [] for name in ("surprisal", "entropy", "varentropy", "logsumexp", "max_probability")
    }
    for group in (windows[first : first + batch] for first in range(0, len(windows), batch)):
        length = max(end - begin for begin, _, end in group)
        # Short windows are filled at the right, where a causal model's earlier positions cannot see it.
        inputs, targets = np.zeros((2, len(group), length), dtype=np.int64)
        scored = np.zeros((len(group), length), dtype=bool)
        for row, (begin, first_scored, end) in enumerate(group):
            inputs[row, : end - begin] = ids[begin:end]
            targets[row, : end - begin] = ids[begin + 1 : end + 1]
            scored[row, first_scored - begin : end - begin] = True
        with torch.inference_mode():
            logits = model(input_ids=torch.from_numpy(inputs).to(model.device)).logits
            keep = torch.from_numpy(scored).to(logits.device)
            statistics = token_statistics(
                logits[keep], torch.from_numpy(targets).to(logits.device)[keep], temperature=temperature
            )
        for name, values in columns.items():
            values.append(getattr(statistics, name).float().cpu().numpy())
    return {
        name: np.concatenate(values) if values else np.zeros(0, np.float32)
        for name, values in columns.items()
    }


def _windows(inputs: int, context: int, stride: int) -> list[tuple[int, int, int]]:
    """(begin, first scored, end) of each window over the input positions 0..inputs - 1."""
    windows, scored = [], 0
    while scored < inputs:
        end = min(inputs, scored + (stride if scored else context))
        windows.append((max(0, end - context), scored, end))
        scored = end
    return windows
