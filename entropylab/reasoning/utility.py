"""How uncertain an inspector is about the answer as it reads a chain of thought: Guo 2025, arXiv 2508.20395.

An *inspector* reads the prompt and the chain up to a cut, then an answer marker and the true answer, and the entropy of
its predictions is averaged over the answer's tokens (not summed). It is an oracle study: all tokens of the answer but
the first are predicted behind true ones. The fall along one chain may be negative; only its mean, under the true
posterior, is a conditional mutual information.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from transformers import PreTrainedModel

from entropylab.information import token_statistics


class Trajectory(NamedTuple):
    """What an inspector says of the true answer behind each of K + 1 cuts; float64 arrays (K + 1,), nats a token.

    Attributes
    ----------
    entropy : array
        Mean entropy over the tokens of the answer.
    surprisal : array
        Mean negative log-likelihood of the answer, which is another thing: it is high where the inspector is sure of
        a wrong answer.
    """

    entropy: NDArray[np.float64]
    surprisal: NDArray[np.float64]


def trajectories(
    model: PreTrainedModel,
    prefixes: Sequence[Sequence[Sequence[int]]],
    answers: Sequence[Sequence[int]],
    *,
    marker: Sequence[int] = (),
    tokens_at_once: int = 100_000,
) -> list[Trajectory]:
    """Uncertainty about answers along chains.

    Parameters
    ----------
    model : PreTrainedModel
        The inspector, with relative positions or positions from the left.
    prefixes : sequence over chains of sequences over cuts of token ids
        Prompt and chain up to each cut, at least one token; usually the first is the prompt alone.
    answers : sequence over chains of token ids
        The true answers, at least one token each.
    marker : token ids
        Stand between the prefix and the answer.
    tokens_at_once : int
        Tokens in one pass, at most (but one prefix at least).

    Returns
    -------
    list of Trajectory

    Raises
    ------
    ValueError
        If there are not as many answers as chains, or a prefix or an answer is empty.
    """
    if len(prefixes) != len(answers):
        raise ValueError(f"answers: got {len(answers)}, allowed are as many as chains, {len(prefixes)}")
    if not all(map(len, answers)) or not all(len(cut) for chain in prefixes for cut in chain):
        raise ValueError("prefixes, answers: got an empty one, allowed is at least one token")
    rows = [
        (len(cut) + len(marker), [*cut, *marker, *answer])
        for chain, answer in zip(prefixes, answers, strict=True)
        for cut in chain
    ]
    found = np.zeros((len(rows), 2))
    # Rows of similar length together, padded on the right: what stands behind the answer is never looked at.
    order = sorted(range(len(rows)), key=lambda place: len(rows[place][1]))
    while order:
        at_once = max(1, tokens_at_once // len(rows[order[-1]][1]))
        part, order = order[-at_once:], order[:-at_once]
        found[part] = _means(model, [rows[place] for place in part])
    ends = np.cumsum([len(chain) for chain in prefixes])[:-1]
    return [Trajectory(part[:, 0], part[:, 1]) for part in np.split(found, ends)]


def _means(model: PreTrainedModel, rows: list[tuple[int, list[int]]]) -> NDArray[np.float64]:
    width = max(len(ids) for _, ids in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for _, row in rows], device=model.device)
    starts = torch.tensor([start for start, _ in rows], device=model.device)[:, None]
    ends = torch.tensor([len(row) for _, row in rows], device=model.device)[:, None]
    places = torch.arange(1, width, device=model.device)
    inside = (places >= starts) & (places < ends)
    with torch.inference_mode():
        # Logits at a place predict the token after it.
        logits = model(ids[:, :-1], use_cache=False).logits
        statistics = token_statistics(logits[inside], ids[:, 1:][inside])
    rows_of = inside.nonzero()[:, 0]
    sums = torch.zeros(len(rows), 2, dtype=torch.float64, device=model.device)
    values = torch.stack([statistics.entropy, statistics.surprisal], 1).double()
    sums.index_add_(0, rows_of, values)
    return np.asarray((sums / inside.sum(1, keepdim=True)).cpu().numpy())


def information_gain(entropy: ArrayLike) -> NDArray[np.float64]:
    """What each step takes off the uncertainty: ``H_{k-1} - H_k``, float64 array (K,).

    Raises
    ------
    ValueError
        If the trajectory is empty or not finite.
    """
    return -np.diff(_checked(entropy))


def slope(entropy: ArrayLike) -> float:
    """Least-squares slope of a trajectory, in nats a step; it needs two cuts, errors as :func:`information_gain`."""
    values = _checked(entropy, least=2)
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


def is_monotone(entropy: ArrayLike, tolerance: float = 0.0) -> bool:
    """Whether every step lowers the uncertainty, by more than ``-tolerance`` nats; needs two cuts."""
    return bool((np.diff(_checked(entropy, least=2)) < tolerance).all())


def resample(
    entropy: ArrayLike, grid: ArrayLike, kind: Literal["cubic", "linear"] = "cubic"
) -> NDArray[np.float64]:
    """A trajectory at relative positions, so that chains of different length can be averaged.

    Parameters
    ----------
    entropy : array_like, shape (K + 1,)
        At least two cuts.
    grid : array_like
        Positions from 0 to 1.
    kind : {"cubic", "linear"}
        "cubic": a spline with not-a-knot ends (a line through two points, a parabola through three), which may
        overshoot.

    Returns
    -------
    float64 array, of the grid's shape

    Raises
    ------
    ValueError
        If the trajectory, a position or the kind is not allowed.
    """
    values, positions = _checked(entropy, least=2), np.asarray(grid, dtype=np.float64)
    if positions.size and not (positions.min() >= 0 and positions.max() <= 1):
        raise ValueError(
            f"grid: got {positions.min()} to {positions.max()}, allowed are positions from 0 to 1"
        )
    knots = np.linspace(0, 1, len(values))
    match kind:
        case "cubic":
            return np.asarray(CubicSpline(knots, values)(positions))
        case "linear":
            return np.asarray(np.interp(positions, knots, values))
        case _:
            raise ValueError(f"kind: got {kind!r}, allowed are 'cubic' and 'linear'")


def _checked(entropy: ArrayLike, least: int = 1) -> NDArray[np.float64]:
    values = np.asarray(entropy, dtype=np.float64)
    if values.ndim != 1 or len(values) < least or not np.isfinite(values).all():
        raise ValueError(
            f"entropy: got shape {values.shape}, allowed are {least} or more finite numbers in a row"
        )
    return values
