"""Train a small recurrent model on a hidden Markov source and ask what its states hold (Zhang 2025, sections 4, 5).

Everything that a language model can only be asked about by estimates is known here: the entropy rate, the best
prediction of each symbol, and how much the past tells about the symbol after the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entropylab.information.categorical_entropy import categorical_entropy
from entropylab.information.finite_divergences import kl
from entropylab.information.probe_surplus import ProbeSurplus, probe_surplus
from entropylab.models.recurrent import RecurrentLM, train_recurrent
from entropylab.sources import HMM

# The first symbols of a text are harder to predict than the rest; they are not looked at.
FIRST = 10


class Checkpoint(NamedTuple):
    """Figures of a model on fresh texts, means over positions from FIRST on, nats."""

    step: int
    cross_entropy: float
    kl: float
    entropy: float
    renyi2: float


class RecurrentStudy(NamedTuple):
    """What one seed gives."""

    checkpoints: list[Checkpoint]
    trained: ProbeSurplus
    permuted: ProbeSurplus
    start: ProbeSurplus


def study_recurrent(
    source: HMM,
    seed: int,
    *,
    width: int = 32,
    steps: int = 400,
    batch: int = 64,
    every: int = 50,
    texts: int = 2000,
    length: int = 60,
) -> RecurrentStudy:
    """Train a model, follow its entropy, and probe its states for the symbol after the next.

    Parameters
    ----------
    source : HMM
    seed : int
        Of weights, training texts, fresh texts and probes.
    width, steps, batch : int
        Size of the state, steps of training, and texts of 64 symbols in a step.
    every : int
        Steps between two looks at the model, on 500 of the fresh texts; the first look is at the random start.
    texts, length : int
        Fresh texts for the probes: three quarters to fit, one quarter to score.

    Returns
    -------
    RecurrentStudy
        Looks at the model, the last of them on all fresh texts; and the surplus in the trained model's states, in
        states of another text at the same position, and in the states of the model at its random start.

    Raises
    ------
    ValueError
        If the texts are too short or too few.
    """
    if length < FIRST + 2 or texts < 8 or every < 1:
        raise ValueError(
            f"length, texts, every: got {length}, {texts} and {every}, allowed are {FIRST + 2}, 8 and 1 or more"
        )
    model = RecurrentLM(source.symbols, width, seed=seed)
    seeds = np.random.default_rng(seed).integers(2**62, size=steps + 1)
    fresh = source.sample(texts, length, seed=int(seeds[-1]))
    with torch.no_grad():
        at_start = model.hidden(torch.from_numpy(fresh))
    found: list[Checkpoint] = []

    def watch(step: int) -> None:
        if step % every == 0:
            found.append(_look(model, source, fresh[:500], step))

    train_recurrent(
        model,
        lambda step: torch.from_numpy(source.sample(batch, 64, seed=int(seeds[step]))),
        steps=steps,
        watch=watch,
    )
    found.append(_look(model, source, fresh, steps))
    with torch.no_grad():
        states = model.hidden(torch.from_numpy(fresh))
    text = torch.from_numpy(fresh)
    trained = probe_future(states, text, source.symbols, seed=seed)
    permuted, start = (
        probe_future(other, text, source.symbols, seed=seed, baseline=trained)
        for other in (other_texts(states, seed), at_start)
    )
    return RecurrentStudy(found, trained, permuted, start)


def other_texts(states: Tensor, seed: int) -> Tensor:
    """States [B, ...] of another text in the same part of the split: a control without any information.

    Parameters
    ----------
    states : Tensor [B, ...]
        One row a text; the first three quarters are the part that is fitted.
    seed : int

    Returns
    -------
    Tensor [B, ...]
    """
    generator = np.random.default_rng(seed)
    cut = len(states) * 3 // 4
    order = np.arange(len(states))
    for part in (order[:cut], order[cut:]):
        # A cycle through the texts in random order: no text keeps its own states.
        shuffled = generator.permutation(part)
        order[shuffled] = np.roll(shuffled, 1)
    return states[torch.from_numpy(order)]


def _look(model: RecurrentLM, source: HMM, text: NDArray[np.int64], step: int) -> Checkpoint:
    with torch.no_grad():
        p = model(torch.from_numpy(text))[:, FIRST:].double().softmax(-1).numpy()
    best = source.predictive(text)[:, FIRST:]
    taken = np.take_along_axis(p, text[:, FIRST:, None], -1)
    return Checkpoint(
        step,
        float(-np.log(taken).mean()),
        float(kl(best, p).mean()),
        float(categorical_entropy(p).mean()),
        float(categorical_entropy(p, "renyi2").mean()),
    )


def probe_future(
    states: Tensor,
    text: Tensor,
    symbols: int,
    *,
    ahead: int = 1,
    first: int = FIRST,
    steps: int = 400,
    seed: int = 0,
    baseline: ProbeSurplus | None = None,
) -> ProbeSurplus:
    """Surplus of the states about the symbol `ahead` places after the next, given the symbols in between.

    Surplus_K of a block of K symbols is the sum over ``ahead`` = 1 to K - 1 (chain rule).

    Parameters
    ----------
    states : Tensor [B, L, d]
        ``states[:, n]`` is computed from the symbols before ``text[:, n]``.
    text : int64 Tensor [B, L]
    symbols : int
        V.
    ahead : int
        At least 1.
    first : int
        First position that is looked at.
    steps : int
        Of the probes; few texts of many symbols need few, or a probe learns its texts by heart.
    seed : int
        Of the probes.
    baseline : ProbeSurplus, optional
        Of other states with the same texts; see :func:`probe_surplus`.

    Returns
    -------
    ProbeSurplus
        Fitted on the first three quarters of the texts, scored on the others.

    Raises
    ------
    ValueError
        If ``ahead`` is below 1 or the texts are too short for it.
    """
    count, length = text.shape
    places = length - first - ahead
    if ahead < 1 or places < 1:
        raise ValueError(f"ahead: got {ahead}, allowed are 1 to {length - first - 1}")
    seen = torch.stack([text[:, first + k : first + k + places] for k in range(ahead)], -1)
    fitted = (torch.arange(count) < count * 3 // 4)[:, None].expand(count, places)
    return probe_surplus(
        states[:, first : first + places].flatten(0, 1),
        seen.flatten(0, 1),
        text[:, first + ahead :].flatten(),
        fitted.flatten(),
        symbols=symbols,
        steps=steps,
        seed=seed,
        baseline=baseline,
    )
