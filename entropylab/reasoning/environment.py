"""Environments: what writes into a chain while it is sampled, see :func:`entropylab.reasoning.roll_out`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from entropylab.reasoning.words import word_ids


class WordTool:
    """A tool that writes one word after every ``trigger`` that the policy writes.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Every word of the task is one token, as in ``lab/reasoner``.
    answer : callable
        From the words of a chain so far, the trigger last, to the word that follows, such as
        :func:`entropylab.sources.tasks.calc_chain.calculator`.
    trigger : str
        A word of the task. One that the tool wrote itself asks for nothing.

    Raises
    ------
    ValueError
        If the trigger, or in sampling a word that the tool answers, is not of the task.

    Examples
    --------
    ``roll_out(model, prompts, max_new_tokens=40, end=0, generator=g, environment=WordTool(tokenizer, calculator))``
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        answer: Callable[[Sequence[str]], str],
        trigger: str = "ret",
    ) -> None:
        self._ids = word_ids(tokenizer)
        self._words = list(self._ids)
        if trigger not in self._ids:
            raise ValueError(f"trigger: got {trigger!r}, allowed are the words of the task")
        self._answer, self._trigger = answer, self._ids[trigger]

    def __call__(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """The answers where a chain waits for one, else -1; int64 (n,)."""
        written = torch.full_like(rows, -1)
        if not tokens.shape[1]:
            return written
        # Behind a run of triggers, the first is the policy's, the second the tool's, and so on.
        run = (tokens == self._trigger).flip(1).long().cumprod(1).sum(1)
        for row in (run % 2 == 1).nonzero()[:, 0].tolist():
            word = self._answer([self._words[token] for token in tokens[row].tolist()])
            if word not in self._ids:
                raise ValueError(f"answer: gave {word!r}, allowed are the words of the task")
            written[row] = self._ids[word]
        return written
