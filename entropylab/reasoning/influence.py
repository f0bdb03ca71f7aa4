"""Does it matter for the answer which token stands at a place? Interventions on single tokens of a chain.

At a place with prefix x, a token a is drawn from the policy and a token b from the policy without a; both are continued
several times. ``I = (P_aa + P_bb) / 2 - P_ab``, with the shares of pairs of *different* continuations that end in the
same answer, is an unbiased estimate of half the squared distance between the two distributions of answers, and so 0 on
average for a token that does not matter. ``J = (1 - p(a)) I`` weighs it by how often the policy itself would choose
otherwise: forcing a token that it never writes breaks a chain anywhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from entropylab.models import sample
from entropylab.reasoning.answer_clusters import cluster_by_answer
from entropylab.reasoning.countdown_policy import MAX_NEW_TOKENS, CountdownTask
from entropylab.reasoning.rollout import Rollouts, roll_out
from entropylab.sources.tasks.countdown import Problem


class Influence(NamedTuple):
    """At one place: probability of the token that was drawn, and how far the answers of the two branches are apart."""

    probability: float
    distance: float

    @property
    def weighted(self) -> float:
        """``J``, the policy-weighted influence."""
        return (1 - self.probability) * self.distance


def answer_distance(first: Sequence[Hashable | None], second: Sequence[Hashable | None]) -> float:
    """``(P_aa + P_bb) / 2 - P_ab``, from -1 to 1; answers of ``None`` equal nothing.

    Parameters
    ----------
    first, second : sequence of hashable
        Answers of the continuations of each branch, at least two.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a branch has fewer than two answers.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(
            f"first, second: got {len(first)} and {len(second)} answers, allowed is 2 or more each"
        )
    ids = cluster_by_answer([*first, *second])
    same = ids[:, None] == ids
    n, m = len(first), len(second)
    within_first = (same[:n, :n].sum() - n) / (n * (n - 1))
    within_second = (same[n:, n:].sum() - m) / (m * (m - 1))
    return float((within_first + within_second) / 2 - same[:n, n:].mean())


def influences(
    model: PreTrainedModel,
    task: CountdownTask,
    problems: Sequence[Problem],
    chains: Rollouts,
    places: Sequence[tuple[int, int]],
    *,
    continuations: int = 16,
    seed: int,
    max_tokens: int = MAX_NEW_TOKENS,
) -> list[Influence]:
    """Influence of single tokens on the answer.

    Parameters
    ----------
    model : PreTrainedModel
    task : CountdownTask
    problems : sequence of Problem
        One for each chain.
    chains : Rollouts
    places : sequence of (int, int)
        Row of a chain and number of a token in it.
    continuations : int
        Of each branch, 2 or more.
    seed : int
        Of the two tokens and the continuations.
    max_tokens : int
        Of a whole chain, at most.

    Returns
    -------
    list of Influence
        One for each place.

    Raises
    ------
    ValueError
        If a place is not inside a chain, or there are fewer than two continuations.
    """
    if continuations < 2:
        raise ValueError(f"continuations: got {continuations}, allowed is 2 or more")
    for row, column in places:
        if not (
            0 <= row < len(chains.tokens) and 0 <= column < min(int(chains.lengths[row]), max_tokens - 1)
        ):
            raise ValueError(
                f"places: got {(row, column)}, allowed are tokens inside a chain, not at its limit"
            )
    generator = torch.Generator().manual_seed(seed)
    found: dict[int, Influence] = {}
    # Places with prefixes of one length make one batch.
    for column in sorted({column for _, column in places}):
        numbers = [number for number, place in enumerate(places) if place[1] == column]
        rows = torch.tensor([places[number][0] for number in numbers])
        prefixes = torch.cat([chains.prompts[rows], chains.tokens[rows, :column]], 1)
        with torch.inference_mode():
            logits = model(prefixes, use_cache=False, logits_to_keep=1).logits[:, -1].float()
        first, second = _two_tokens(logits, generator)
        probability = logits.softmax(-1).gather(1, first[:, None])[:, 0].tolist()
        starts = torch.stack([first, second], 1).flatten()
        branches = torch.cat([prefixes.repeat_interleave(2, 0), starts[:, None]], 1)
        answers = _answers(
            model,
            task,
            [problems[row] for row in rows.tolist() for _ in range(2 * continuations)],
            branches.repeat_interleave(continuations, 0),
            chains.prompts.shape[1],
            max_tokens - column - 1,
            generator,
        )
        for place, number in enumerate(numbers):
            pair = answers[2 * continuations * place : 2 * continuations * (place + 1)]
            distance = answer_distance(pair[:continuations], pair[continuations:])
            found[number] = Influence(probability[place], distance)
    return [found[number] for number in range(len(places))]


def _two_tokens(logits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    uniforms = torch.rand(2, len(logits), generator=generator, dtype=torch.float64)
    first = sample(logits, uniforms[0])
    return first, sample(logits.scatter(1, first[:, None], -torch.inf), uniforms[1])


def _answers(
    model: PreTrainedModel,
    task: CountdownTask,
    problems: list[Problem],
    prefixes: Tensor,
    prompt: int,
    left: int,
    generator: torch.Generator,
) -> list[Hashable | None]:
    """Answers of chains that go on from prefixes; a prefix whose last token is the end has its answer already."""
    rest = roll_out(model, prefixes, max_new_tokens=left, end=task.end, generator=generator)
    ended = prefixes[:, -1] == task.end
    tokens = torch.cat([prefixes[:, prompt:], rest.tokens], 1)
    mask = torch.cat(
        [torch.ones_like(prefixes[:, prompt:], dtype=torch.bool), rest.mask & ~ended[:, None]], 1
    )
    whole = Rollouts(prefixes[:, :prompt], tokens, mask, mask.float(), mask.float(), rest.complete | ended)
    return task.answers(problems, whole)


def places_of(
    classes: np.ndarray, wanted: Sequence[str], count: int, *, seed: int, limit: int = MAX_NEW_TOKENS - 1
) -> list[tuple[int, int]]:
    """Draw places of tokens of some classes, at most one from each chain while chains last.

    Parameters
    ----------
    classes : array of str, shape (B, T)
        As :meth:`CountdownTask.classes` gives them.
    wanted : sequence of str
        Classes.
    count : int
        How many places.
    seed : int
    limit : int
        Places from here on are left out.

    Returns
    -------
    list of (int, int)

    Raises
    ------
    ValueError
        If there are fewer places than asked for.
    """
    rows, columns = np.isin(classes[:, :limit], list(wanted)).nonzero()
    if len(rows) < count:
        raise ValueError(f"count: got {count}, allowed is at most {len(rows)}, the places of {list(wanted)}")
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    _, first = np.unique(rows[shuffled], return_index=True)
    order = [*shuffled[np.sort(first)], *np.delete(shuffled, first)]
    return [(int(rows[place]), int(columns[place])) for place in order[:count]]
