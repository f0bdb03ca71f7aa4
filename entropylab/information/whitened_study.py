"""Where the whitened representations of least likelihood loss lie, on random problems (Zhang 2025, theorem 7.6)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from scipy.stats import ortho_group
from torch import Tensor

from entropylab.information.whitened_fit import (
    fit_whitened,
    mean_prototypes,
    spectral_objective,
    table_nll,
    whiten,
)


class WhitenedStudy(NamedTuple):
    """One problem: angles in degrees by scale, of random tables, and what rotations change at scale one."""

    angles: dict[float, float]
    random_angle: float
    rotation_gap: float
    j_change: float
    spread: float


def random_problem(
    seed: int, *, contexts: int = 24, symbols: int = 12, width: int = 3
) -> tuple[Tensor, Tensor]:
    """Prototypes of length one and next-token laws of Dirichlet(0.3).

    Parameters
    ----------
    seed : int
    contexts, symbols, width : int
        N, V and d.

    Returns
    -------
    laws : Tensor [N, V]
    prototypes : Tensor [V, d]
        Both float64.
    """
    generator = np.random.default_rng(seed)
    prototypes = generator.normal(size=(symbols, width))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    laws = generator.dirichlet(np.full(symbols, 0.3), size=contexts)
    return torch.from_numpy(laws), torch.from_numpy(prototypes)


def largest_angle(first: Tensor, second: Tensor) -> float:
    """Largest principal angle between the columns of two tables.

    Parameters
    ----------
    first, second : Tensor [N, d], Tensor [N, k]

    Returns
    -------
    float
        Degrees.
    """
    return float(np.degrees(subspace_angles(first.numpy(), second.numpy()).max()))


def rotations(width: int, count: int, seed: int) -> NDArray[np.float64]:
    """Orthogonal matrices of Haar's law.

    Parameters
    ----------
    width, count, seed : int

    Returns
    -------
    array of float64, shape (count, width, width)
    """
    drawn = ortho_group.rvs(width, size=count, random_state=np.random.default_rng(seed))
    return np.asarray(drawn).reshape(count, width, width)  # scipy drops the axis of one draw


def study_whitened(seed: int, scales: tuple[float, ...], *, draws: int = 200) -> WhitenedStudy:
    """Fit one random problem at several scales and at scale one.

    Parameters
    ----------
    seed : int
        Of the problem, the starts, the rotations and the random tables.
    scales : tuple of float
        Scales s at which to fit; 1 is always among them.
    draws : int
        Rotations, and random tables.

    Returns
    -------
    WhitenedStudy
        Largest principal angle to the mean prototypes for each scale, and its mean for random tables; mean of
        ``NLL(H R) - NLL(H)`` at scale one, nats, and the largest ``|J(H R) - J(H)|``; largest spread of the starts.
    """
    laws, prototypes = random_problem(seed)
    centred = mean_prototypes(laws, prototypes)
    fits = {scale: fit_whitened(laws, prototypes, scale=scale, seed=seed) for scale in {*scales, 1.0}}
    best = fits[1.0]
    turned = [best.hidden @ torch.from_numpy(r) for r in rotations(prototypes.shape[1], draws, seed)]
    j = spectral_objective(best.hidden, laws, prototypes)
    generator = torch.Generator().manual_seed(seed)
    tables = torch.randn((draws, *centred.shape), generator=generator, dtype=torch.float64)
    return WhitenedStudy(
        {scale: largest_angle(fits[scale].hidden, centred) for scale in sorted(fits)},
        float(np.mean([largest_angle(whiten(table), centred) for table in tables])),
        float(np.mean([table_nll(h, laws, prototypes) for h in turned])) - best.nll,
        max(float(abs(spectral_objective(h, laws, prototypes) - j)) for h in turned),
        max(fit.spread for fit in fits.values()),
    )
