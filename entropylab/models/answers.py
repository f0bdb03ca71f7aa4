"""Questions with answers: sample answers to a question, and see what a model says at each token of a given answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.models.generation import LogitsFilter, generate


def sample_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    *,
    draws: int = 1,
    max_new_tokens: int = 80,
    filters: Sequence[LogitsFilter] = (),
    seed: int = 0,
    rows_at_once: int = 800,
) -> list[list[str]]:
    """Sample several answers to each question.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them; the tokenizer has an end token.
    questions : sequence of str
        At least one.
    draws : int
        Answers to each question.
    max_new_tokens : int
        Tokens of an answer at most.
    filters : sequence of callable
        As in :func:`entropylab.models.generate`.
    seed : int
        Decides the random numbers, one a token; two settings with one seed use the same ones.
    rows_at_once : int
        Answers in one batch; less needs less memory, and the same answers come out.

    Returns
    -------
    list of list of str, shape (questions, draws)
        Without the end token and what stands behind it.

    Raises
    ------
    ValueError
        If there is no question, or a number is below 1.
    """
    if isinstance(questions, str) or not questions:
        raise ValueError(f"questions: got {questions!r}, allowed is a sequence of at least one str")
    for name, value in (("draws", draws), ("rows_at_once", rows_at_once)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, allowed is 1 or more")
    rows = [question for question in questions for _ in range(draws)]
    generator = torch.Generator().manual_seed(seed)
    uniforms = torch.rand((len(rows), max_new_tokens), generator=generator, dtype=torch.float64)
    texts: list[str] = []
    for first in range(0, len(rows), rows_at_once):
        some = slice(first, first + rows_at_once)
        written = generate(
            model,
            tokenizer,
            rows[some],
            max_new_tokens=max_new_tokens,
            filters=filters,
            uniforms=uniforms[some],
        ).tokens
        texts += [tokenizer.decode(_before_end(row, tokenizer.eos_token_id)) for row in written.tolist()]
    return [texts[first : first + draws] for first in range(0, len(texts), draws)]


def answer_logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    answers: Sequence[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits in front of each token of given answers, end token included.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them; the tokenizer has a start and an end token.
    questions, answers : sequence of str
        As many of both, at least one.

    Returns
    -------
    logits : Tensor of float32 [N, V]
        N tokens of all answers, in order.
    targets : Tensor of int64 [N]
        These tokens.

    Raises
    ------
    ValueError
        If there is none, or the two have different lengths.
    """
    if not questions or len(questions) != len(answers):
        raise ValueError(
            f"questions, answers: got {len(questions)} and {len(answers)}, allowed are as many of both, at least one"
        )
    heads = [
        [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        for text in questions
    ]
    tails = [
        [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in answers
    ]
    rows = [head + tail for head, tail in zip(heads, tails, strict=True)]
    width = max(map(len, rows))
    # Padding stands behind a text, where a causal model does not see it.
    ids = torch.tensor([row + [tokenizer.eos_token_id] * (width - len(row)) for row in rows])
    inside = torch.zeros_like(ids, dtype=torch.bool)
    for row, (head, whole) in enumerate(zip(heads, rows, strict=True)):
        inside[row, len(head) : len(whole)] = True
    with torch.inference_mode():
        logits = model(input_ids=ids.to(model.device)).logits.float().cpu()
    return logits[:, :-1][inside[:, 1:]], ids[:, 1:][inside[:, 1:]]


def _before_end(tokens: list[int], end: int | None) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
