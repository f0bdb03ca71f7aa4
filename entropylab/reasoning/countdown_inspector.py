"""An inspector for Countdown: a policy that learns to name the one solution behind any part of a chain.

Guo 2025, arXiv 2508.20395, takes a language model of its own as the inspector. A policy of the task is no good one as
it is: after giving up, chains answer with the attempt that failed, so it would be sure of a wrong answer. Here it reads
demonstrations that break off behind a verdict, or before any step, and then the true answer; only the answer is in the
loss.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from entropylab.reasoning.countdown_policy import CountdownTask
from entropylab.reasoning.rollout import Rollouts
from entropylab.reasoning.utility import Trajectory, trajectories
from entropylab.sources.tasks.countdown import Demonstrator, Part, Problem, problems

MARKER = ("so", "ans")
VERDICTS = {"yes": True, "no": False}
# Demonstrations are sorted by length within so many batches: half as much padding, and batches still differ.
_BATCHES_AT_ONCE = 8


class CutChain(NamedTuple):
    """A chain and its K + 1 cuts: before any step, and behind each verdict.

    Attributes
    ----------
    prefixes : list of list of int
        Tokens up to each cut; the first is the prompt.
    verdicts : list of bool
        The K verdicts; ``True`` for "yes".
    """

    prefixes: list[list[int]]
    verdicts: list[bool]

    @property
    def before_solution(self) -> int:
        """Verdicts before the first "yes"; all but the last if there is none, and 0 without any verdict."""
        return self.verdicts.index(True) if True in self.verdicts else max(0, len(self.verdicts) - 1)

    def behind(self, other: CutChain) -> CutChain:
        """These steps behind the prompt of another chain: for the control with steps for another problem."""
        own, prompt = len(self.prefixes[0]), other.prefixes[0]
        return CutChain([prompt + cut[own:] for cut in self.prefixes], self.verdicts)


def cut_chains(task: CountdownTask, rollouts: Rollouts) -> list[CutChain]:
    """Cut sampled chains behind each verdict, also behind that of a redundant check."""
    prompts, rows = rollouts.prompts.tolist(), rollouts.tokens.tolist()
    return [_cut(prompt, words, row) for prompt, words, row in zip(prompts, task.words(rollouts), rows)]


def _cut(prompt: list[int], words: Sequence[str], ids: Sequence[int]) -> CutChain:
    places = [place for place, word in enumerate(words) if word in VERDICTS]
    prefixes = [prompt, *(prompt + list(ids[: place + 1]) for place in places)]
    return CutChain(prefixes, [VERDICTS[words[place]] for place in places])


def inspect_chains(
    inspector: PreTrainedModel, task: CountdownTask, problems: Sequence[Problem], chains: Sequence[CutChain]
) -> list[Trajectory]:
    """What an inspector says of the one solution behind each cut of each chain.

    Parameters
    ----------
    inspector : PreTrainedModel
    task : CountdownTask
    problems : sequence of Problem
        That of each chain; with one solution.
    chains : sequence of CutChain

    Returns
    -------
    list of Trajectory
        Means over the five tokens of the solution.

    Raises
    ------
    ValueError
        If a problem has not exactly one solution, or there are not as many as chains.
    """
    answers = [task.encode(_solution(problem)) for problem in problems]
    prefixes = [chain.prefixes for chain in chains]
    return trajectories(inspector, prefixes, answers, marker=task.encode(MARKER))


def _solution(problem: Problem) -> list[str]:
    if len(problem.solutions) != 1:
        raise ValueError(
            f"problems: got one with {len(problem.solutions)} solutions, allowed is one solution"
        )
    return problem.solutions[0].words


def single_solution_problems(part: Part) -> list[Problem]:
    """The problems of a part with exactly one solution, in order."""
    return [problem for problem in problems(part) if len(problem.solutions) == 1]


def cut_demonstrations(
    task: CountdownTask, pool: Sequence[Problem], rng: random.Random
) -> Iterator[tuple[list[int], list[int]]]:
    """Demonstrations without end, broken off at a random cut, in front of the marker and the true answer.

    Parameters
    ----------
    task : CountdownTask
    pool : sequence of Problem
        With one solution each.
    rng : random.Random
        Decides problem, order of digits, chain and cut; all cuts of a chain are equally likely.

    Yields
    ------
    (prefix, answer) : lists of token ids
        The prefix ends with the marker.
    """
    writer = Demonstrator()
    while True:
        problem = rng.choice(pool)
        words = writer.chain(problem, "plain", rng)
        prompt = [task.end, *task.encode(problem.prompt(rng))]
        prefix = rng.choice(_cut(prompt, words, task.encode(words)).prefixes)
        yield [*prefix, *task.encode(MARKER)], task.encode(_solution(problem))


def train_inspector(
    model: PreTrainedModel,
    task: CountdownTask,
    *,
    steps: int = 150,
    batch: int = 64,
    learning_rate: float = 1e-3,
    seed: int,
) -> list[float]:
    """Turn a policy into an inspector, in place.

    Parameters
    ----------
    model : PreTrainedModel
        A policy of the task.
    task : CountdownTask
    steps, batch : int
        Steps of AdamW, and fresh demonstrations a step, of training problems with one solution.
    learning_rate : float
        At the start; it falls linearly to 0.
    seed : int
        Of the demonstrations.

    Returns
    -------
    list of float
        Mean negative log-likelihood of an answer's token at each step, nats; demonstrations of similar length share a
        step, so it jumps.

    Raises
    ------
    ValueError
        If a number is not above 0.
    """
    if min(steps, batch, learning_rate) <= 0:
        raise ValueError(
            f"steps, batch, learning_rate: got {steps}, {batch} and {learning_rate}, allowed is above 0"
        )
    rng = random.Random(f"countdown inspector {seed}")
    source = cut_demonstrations(task, single_solution_problems("train"), rng)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=steps)
    waiting: list[list[tuple[list[int], list[int]]]] = []
    losses = []
    model.train()
    for _ in range(steps):
        if not waiting:
            drawn = [next(source) for _ in range(batch * _BATCHES_AT_ONCE)]
            drawn.sort(key=lambda pair: len(pair[0]))
            waiting = [drawn[start : start + batch] for start in range(0, len(drawn), batch)]
            rng.shuffle(waiting)
        loss = _answer_loss(model, waiting.pop())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        losses.append(loss.item())
    model.eval()
    return losses


def _answer_loss(model: PreTrainedModel, rows: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
    width = max(len(prefix) + len(answer) for prefix, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.int64)
    targets = torch.full_like(ids, -100)
    for row, (prefix, answer) in enumerate(rows):
        end = len(prefix) + len(answer)
        ids[row, :end] = torch.tensor(prefix + answer)
        targets[row, len(prefix) : end] = torch.tensor(answer)
    ids, targets = ids.to(model.device), targets.to(model.device)
    logits = model(ids[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten())
