"""Chains of statements about a number, whose posterior can be counted.

Y is uniform on 0 to n - 1. Each step says what Y is modulo some m, and is true with a known probability; otherwise it
names one of the other residues. What an inspector believes about that probability need not be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, xlog1py, xlogy


class StatedResidues(NamedTuple):
    """Sampled chains.

    Attributes
    ----------
    answers : int64 array (N,)
        The values of Y.
    residues : int64 array (N, K)
        What each step says.
    """

    answers: NDArray[np.int64]
    residues: NDArray[np.int64]


class ResidueChains:
    """The source.

    Parameters
    ----------
    size : int
        n, at least 2.
    moduli : sequence of int
        m of each step, from 2 to n; n must be a multiple of their product, and they must be coprime, so that
        residues are uniform and independent.
    reliability : float
        Probability that a step is true, above 0; 1 / m makes a step noise.

    Raises
    ------
    ValueError
        If an argument is not allowed.
    """

    def __init__(self, size: int, moduli: Sequence[int], *, reliability: float = 1.0) -> None:
        product = int(np.prod(moduli, dtype=np.int64))
        if (
            size < 2
            or not len(moduli)
            or min(moduli) < 2
            or size % product
            or np.lcm.reduce(moduli) != product
        ):
            raise ValueError(
                f"size, moduli: got {size} and {tuple(moduli)}, "
                "allowed are coprime moduli whose product divides the size"
            )
        if not 0 < reliability <= 1:
            raise ValueError(f"reliability: got {reliability}, allowed is above 0 and at most 1")
        self.size, self.moduli, self.reliability = size, tuple(moduli), float(reliability)

    def draw(self, count: int, seed: int) -> StatedResidues:
        """Sample chains.

        Raises
        ------
        ValueError
            If ``count`` is below 1.
        """
        if count < 1:
            raise ValueError(f"count: got {count}, allowed is 1 or more")
        rng = np.random.default_rng(seed)
        answers = rng.integers(self.size, size=count)
        moduli = np.array(self.moduli)
        shape = (count, len(moduli))
        wrong = rng.random(shape) >= self.reliability
        shift = np.where(wrong, rng.integers(1, moduli, size=shape), 0)
        return StatedResidues(answers, (answers[:, None] + shift) % moduli)

    def posterior(self, residues: ArrayLike, *, believed: float | None = None) -> NDArray[np.float64]:
        """Distribution of Y behind the first steps of chains.

        Parameters
        ----------
        residues : int array, shape (..., k)
            What the first k steps say; k from 0 to K.
        believed : float, optional
            Reliability that the inspector assumes; the true one if not given.

        Returns
        -------
        float64 array (..., n)

        Raises
        ------
        ValueError
            If there are more steps than moduli, or ``believed`` is not above 0 and at most 1.
        """
        stated = np.asarray(residues, dtype=np.int64)
        if not stated.ndim or stated.shape[-1] > len(self.moduli):
            raise ValueError(
                f"residues: got shape {stated.shape}, allowed are up to {len(self.moduli)} steps"
            )
        trust = self.reliability if believed is None else believed
        if not 0 < trust <= 1:
            raise ValueError(f"believed: got {trust}, allowed is above 0 and at most 1")
        weights = np.ones((*stated.shape[:-1], self.size))
        for step, modulus in enumerate(self.moduli[: stated.shape[-1]]):
            agrees = np.arange(self.size) % modulus == stated[..., step, None]
            weights *= np.where(agrees, trust, (1 - trust) / (modulus - 1))
        return weights / weights.sum(-1, keepdims=True)

    def entropies(self, residues: ArrayLike, *, believed: float | None = None) -> NDArray[np.float64]:
        """Entropy of Y behind 0, 1, ..., k steps, nats, shape (..., k + 1); arguments as :meth:`posterior`."""
        stated = np.asarray(residues, dtype=np.int64)
        cuts = [self.posterior(stated[..., :k], believed=believed) for k in range(stated.shape[-1] + 1)]
        return np.stack([entr(law).sum(-1) for law in cuts], axis=-1)

    @property
    def information(self) -> NDArray[np.float64]:
        """What each step tells about Y on average: its mutual information given those before it, float64 (K,), nats."""
        m, p = np.array(self.moduli, dtype=np.float64), self.reliability
        noise = -xlogy(p, p) - xlog1py(1 - p, -p) + (1 - p) * np.log(m - 1)
        return np.asarray(np.log(m) - noise)
