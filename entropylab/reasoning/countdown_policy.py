"""Countdown as a task for a language model: prompts as tokens, chains as words, rewards, and what chains consist of."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.models.generation import LogitsFilter
from entropylab.reasoning.rollout import Rollouts, roll_out
from entropylab.reasoning.words import word_ids
from entropylab.sources.tasks.countdown import (
    Problem,
    answer_value,
    attempts_of,
    error_type,
    token_classes,
)

MAX_NEW_TOKENS = 80


class CountdownTask:
    """Between problems and tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        That of ``lab/reasoner``: every word of the task is one token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.end = int(tokenizer.eos_token_id)
        self._ids = word_ids(tokenizer)
        self._words = list(self._ids)

    def encode(self, words: Sequence[str]) -> list[int]:
        """Ids of words.

        Raises
        ------
        ValueError
            If a word is not of the task.
        """
        if unknown := set(words) - set(self._ids):
            raise ValueError(f"words: got {sorted(unknown)}, allowed are the words of the task")
        return [self._ids[word] for word in words]

    def prompts(self, problems: Sequence[Problem], seed: int | str) -> Tensor:
        """Prompts of problems, int64 (P, 7), the beginning-of-text token first; the seed orders their digits."""
        rng = random.Random(f"countdown prompts {seed}")
        return torch.tensor([[self.end, *self.encode(p.prompt(rng))] for p in problems])

    def words(self, rollouts: Rollouts) -> list[list[str]]:
        """The words of each chain, without the end token."""
        lengths = (rollouts.lengths - rollouts.complete.long()).tolist()
        rows = rollouts.tokens.tolist()
        return [[self._words[token] for token in row[:n]] for row, n in zip(rows, lengths, strict=True)]

    def answers(self, problems: Sequence[Problem], rollouts: Rollouts) -> list[Hashable | None]:
        """Value of each chain's answer, ``None`` without a valid one; a problem for each chain."""
        ended = rollouts.complete.tolist()
        return [
            answer_value(problem, words, complete=complete)
            for problem, words, complete in zip(problems, self.words(rollouts), ended, strict=True)
        ]

    def classes(self, rollouts: Rollouts) -> NDArray[np.object_]:
        """Class of each token, array (B, T) of str; "" outside the chains."""
        found = np.full(tuple(rollouts.tokens.shape), "", dtype=object)
        for row, (words, complete) in enumerate(
            zip(self.words(rollouts), rollouts.complete.tolist(), strict=True)
        ):
            classes: list[str] = [*token_classes(words), *(["end"] if complete else [])]
            found[row, : len(classes)] = classes
        return found


class Evaluation(NamedTuple):
    """Samples for each of P problems, int64 arrays (P,): right answers, tokens in all, and how many samples each."""

    successes: NDArray[np.int64]
    tokens: NDArray[np.int64]
    samples: int

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.successes.mean() / self.samples)


def sample_chains(
    model: PreTrainedModel,
    task: CountdownTask,
    problems: Sequence[Problem],
    *,
    samples: int,
    seed: int,
    filters: Sequence[LogitsFilter] = (),
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Rollouts:
    """Several chains for each problem, under random numbers that the seed alone decides.

    Parameters
    ----------
    model : PreTrainedModel
    task : CountdownTask
    problems : sequence of Problem
        At least one.
    samples : int
        Chains for each, at least 1; row ``p * samples + s`` is chain s of problem p.
    seed : int
        Of the order of digits and of the chains; two settings with one seed can be compared problem by problem.
    filters : sequence of callable
        As in :func:`roll_out`.
    max_new_tokens : int
        Of a chain at most.

    Returns
    -------
    Rollouts
        All padded to ``max_new_tokens``.

    Raises
    ------
    ValueError
        If there is no problem or no sample.
    """
    if not problems or samples < 1:
        raise ValueError(f"problems, samples: got {len(problems)} and {samples}, allowed is 1 or more")
    prompts = task.prompts(problems, seed).repeat_interleave(samples, 0)
    uniforms = torch.rand(
        (len(prompts), max_new_tokens), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    parts = [
        roll_out(model, p, max_new_tokens=max_new_tokens, end=task.end, uniforms=u, filters=filters)
        for p, u in zip(prompts.split(512), uniforms.split(512), strict=True)
    ]
    fills = (None, task.end, False, 0.0, 0.0, None)
    return Rollouts(
        *(
            torch.cat([field if fill is None else _widened(field, max_new_tokens, fill) for field in fields])
            for fill, fields in zip(fills, zip(*parts, strict=True), strict=True)
        )
    )


def _widened(field: Tensor, width: int, fill: float) -> Tensor:
    return torch.nn.functional.pad(field, (0, width - field.shape[1]), value=fill)


def evaluate(
    model: PreTrainedModel,
    task: CountdownTask,
    problems: Sequence[Problem],
    *,
    samples: int = 8,
    seed: int,
    filters: Sequence[LogitsFilter] = (),
) -> Evaluation:
    """Right answers for each problem, of several samples.

    Parameters
    ----------
    model, task, problems, samples, seed, filters
        As for :func:`sample_chains`.

    Returns
    -------
    Evaluation
    """
    chains = sample_chains(model, task, problems, samples=samples, seed=seed, filters=filters)
    each = [problem for problem in problems for _ in range(samples)]
    right = [
        int(answer == problem.target)
        for problem, answer in zip(each, task.answers(each, chains), strict=True)
    ]
    successes = np.array(right, dtype=np.int64).reshape(len(problems), samples).sum(1)
    tokens = chains.lengths.cpu().numpy().reshape(len(problems), samples).sum(1)
    return Evaluation(successes, tokens, samples)


def describe(task: CountdownTask, problems: Sequence[Problem], rollouts: Rollouts) -> dict[str, float]:
    """What a batch of chains consists of, as means over chains, tokens or attempts.

    Returns
    -------
    dict
        ``length``; ``entropy`` and ``entropy_<class>`` of the classes of :func:`token_classes`; shares of
        strategies among attempts, ``strategy_<name>``; ``attempts``, ``rechecks`` and ``go_backs`` a chain; shares of
        chains by :func:`error_type`, ``error_<type>``; ``false_equations`` among all; ``truncated`` chains.
    """
    words, classes = task.words(rollouts), task.classes(rollouts)
    entropy = rollouts.entropy.cpu().numpy()
    chains = len(words)
    means = {
        "length": float(rollouts.lengths.float().mean()),
        "entropy": float(entropy[classes != ""].mean()),
    }
    for name in sorted(set(classes[classes != ""])):
        means[f"entropy_{name}"] = float(entropy[classes == name].mean())
    strategies: Counter[str] = Counter()
    equations = errors = 0
    for chain in words:
        for tried in attempts_of(chain):
            strategies[tried.strategy] += 1
            equations += 2
            errors += sum(not equation.holds for equation in tried.equations)
    rechecks = strategies.pop("check", 0)
    attempts = strategies.total()
    for name in ("sum", "product", "difference", "target"):
        means[f"strategy_{name}"] = strategies[name] / max(1, attempts)
    means |= {"attempts": attempts / chains, "rechecks": rechecks / chains}
    means["go_backs"] = sum(chain.count("go") for chain in words) / chains
    ended = rollouts.complete.tolist()
    types = Counter(error_type(p, w, complete=c) for p, w, c in zip(problems, words, ended, strict=True))
    means |= {f"error_{name}": types[name] / chains for name in ("execution", "plan", "malformed")}
    means |= {"false_equations": errors / max(1, equations), "truncated": 1 - sum(ended) / chains}
    return means
