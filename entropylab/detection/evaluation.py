"""How well a score separates human from machine text: AUROC, hits at a fixed false-alarm rate, intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score, roc_curve


def roc_auc(human: ArrayLike, machine: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a machine text scores higher, ties counting half.

    Parameters
    ----------
    human, machine : array [n], array [m]
        Scores; larger should mean machine.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a side is empty, or a score is NaN.
    """
    labels, scores = _joined(human, machine)
    return float(roc_auc_score(labels, scores))


def tpr_at_fpr(human: ArrayLike, machine: ArrayLike, false_positive_rate: float = 0.01) -> float:
    """Share of machine texts found at a threshold that flags at most so many human texts.

    Parameters
    ----------
    human, machine : array [n], array [m]
        Scores; larger should mean machine.
    false_positive_rate : float
        In [0, 1].

    Returns
    -------
    float
        The largest true-positive rate whose false-positive rate is at most the one asked for.

    Raises
    ------
    ValueError
        If a side is empty, a score is NaN, or the rate is out of range.
    """
    if not 0 <= false_positive_rate <= 1:
        raise ValueError(f"false_positive_rate: got {false_positive_rate}, allowed are numbers from 0 to 1")
    labels, scores = _joined(human, machine)
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(true[false <= false_positive_rate].max())


class AucDifference(NamedTuple):
    """AUROC of two scores on the same documents, their difference, and 95 % bootstrap intervals of each."""

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    first_interval: tuple[float, float]
    second_interval: tuple[float, float]


def bootstrap_auc_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> AucDifference:
    """Compare two scores on the same documents; human and machine documents are drawn again separately.

    Parameters
    ----------
    first, second : pair of arrays [n], [m]
        Scores of the same human and the same machine documents, in the same order.
    draws : int
        Bootstrap samples, at least 1.
    seed : int

    Returns
    -------
    AucDifference
        ``difference`` is that of the first minus the second; the interval holds its quantiles .025 and .975.

    Raises
    ------
    ValueError
        If the sizes differ, a side is empty, or a score is NaN.
    """
    wins = [_wins(*pair) for pair in (first, second)]
    if wins[0].shape != wins[1].shape:
        raise ValueError(
            f"second: got {wins[1].shape[::-1]} scores, allowed are {wins[0].shape[::-1]} as in first"
        )
    if draws < 1:
        raise ValueError(f"draws: got {draws}, allowed is 1 or more")
    machines, humans = wins[0].shape
    generator = np.random.default_rng(seed)
    # How often each document is drawn; an AUROC is then a weighted mean over pairs of documents.
    machine_weights = generator.multinomial(machines, np.full(machines, 1 / machines), draws) / machines
    human_weights = generator.multinomial(humans, np.full(humans, 1 / humans), draws) / humans
    resampled = [((machine_weights @ win) * human_weights).sum(1) for win in wins]
    a, b = (float(win.mean()) for win in wins)
    return AucDifference(
        a, b, a - b, _interval(resampled[0] - resampled[1]), _interval(resampled[0]), _interval(resampled[1])
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _wins(human: ArrayLike, machine: ArrayLike) -> NDArray[np.float64]:
    """1 where a machine text (row) scores higher than a human one (column), one half for a tie."""
    _joined(human, machine)
    rows, columns = np.asarray(machine)[:, None], np.asarray(human)[None, :]
    return np.asarray((rows > columns) + 0.5 * (rows == columns))


def _joined(human: ArrayLike, machine: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    sides = {"human": np.asarray(human, np.float64), "machine": np.asarray(machine, np.float64)}
    for name, scores in sides.items():
        if scores.ndim != 1 or not scores.size or np.isnan(scores).any():
            raise ValueError(
                f"{name}: got shape {scores.shape}, allowed is a flat array of scores without NaN"
            )
    labels = np.repeat([0, 1], [sides["human"].size, sides["machine"].size])
    return labels, np.concatenate(list(sides.values()))
