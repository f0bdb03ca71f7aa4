"""Finite Markov chains: samples, and the exact entropies to compare them with (Cover & Thomas 2006, chapter 4)."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from entropylab.sources.stationary import StationarySource
from entropylab.sources.stochastic import check_count, check_rows


class MarkovChain(StationarySource):
    """A time-homogeneous Markov chain of order one.

    Parameters
    ----------
    transitions : array_like of float, shape (V, V)
        Row ``i`` is the distribution of the next state after state ``i``.

    Raises
    ------
    ValueError
        If the matrix is not square, or a row is not a distribution (to within 1e-9).
    """

    def __init__(self, transitions: ArrayLike) -> None:
        matrix = np.asarray(transitions, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
            raise ValueError(f"transitions: got shape {matrix.shape}, allowed is a square matrix (V, V)")
        self.transitions = check_rows("transitions", matrix, ndim=2)

    @classmethod
    def random(cls, states: int, *, concentration: float = 0.5, seed: int = 0) -> MarkovChain:
        """Draw a chain whose rows are independent symmetric Dirichlet distributions.

        Parameters
        ----------
        states : int
            V, at least 1.
        concentration : float
            Dirichlet parameter; small values give peaked rows.
        seed : int
            Seed of the draw.

        Returns
        -------
        MarkovChain
            A chain with V states.
        """
        if states < 1:
            raise ValueError(f"states: got {states}, allowed is 1 or more")
        if not concentration > 0:
            raise ValueError(f"concentration: got {concentration}, allowed is above 0")
        generator = np.random.default_rng(seed)
        return cls(generator.dirichlet(np.full(states, concentration), size=states))

    @property
    def symbols(self) -> int:
        """How many states there are, V."""
        return len(self.transitions)

    def block_law(self, n: int) -> NDArray[np.float64]:
        """Law of n successive states of the stationary chain, shape (V,) * n."""
        if check_count("n", n, 0) == 0:
            return np.ones(())
        law = self.stationary
        for _ in range(n - 1):
            law = law[..., None] * self.transitions
        return law

    @cached_property
    def conditional_entropies(self) -> NDArray[np.float64]:
        """Entropy of the next state after each state, nats, shape (V,)."""
        return np.asarray(entr(self.transitions).sum(1))

    @cached_property
    def conditional_varentropies(self) -> NDArray[np.float64]:
        """Variance of the next state's surprisal after each state, nats squared, shape (V,)."""
        logs = np.log(self.transitions, where=self.transitions > 0, out=np.zeros_like(self.transitions))
        return np.asarray((self.transitions * (logs + self.conditional_entropies[:, None]) ** 2).sum(1))

    @cached_property
    def stationary(self) -> NDArray[np.float64]:
        """A stationary distribution, shape (V,); the only one if the chain is irreducible."""
        size = len(self.transitions)
        system = np.vstack([self.transitions.T - np.eye(size), np.ones(size)])
        solution = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0].clip(min=0)
        return np.asarray(solution / solution.sum())

    @property
    def entropy_rate(self) -> float:
        """Entropy a step in the long run, nats (Cover & Thomas 2006, theorem 4.2.4)."""
        return float(self.stationary @ self.conditional_entropies)

    def sample(self, steps: int, *, start: int = 0, seed: int = 0) -> NDArray[np.int64]:
        """Run the chain.

        Parameters
        ----------
        steps : int
            Transitions, at least 0.
        start : int
            First state, 0 to V - 1.
        seed : int
            Seed of the draw.

        Returns
        -------
        array of int64, shape (steps + 1,)
            The states, ``start`` first.
        """
        if steps < 0:
            raise ValueError(f"steps: got {steps}, allowed is 0 or more")
        if not 0 <= start < len(self.transitions):
            raise ValueError(f"start: got {start}, allowed is 0 to {len(self.transitions) - 1}")
        cumulative = self.transitions.cumsum(1)
        states = np.empty(steps + 1, dtype=np.int64)
        states[0] = start
        for step, uniform in enumerate(np.random.default_rng(seed).random(steps)):
            row = cumulative[states[step]]
            states[step + 1] = np.searchsorted(row, uniform * row[-1], side="right")
        return states

    def surprisal(self, states: ArrayLike) -> NDArray[np.float64]:
        """Surprisal of each state but the first, given the one before it, nats, shape (n - 1,)."""
        path = np.asarray(states)
        with np.errstate(divide="ignore"):
            return -np.log(self.transitions[path[:-1], path[1:]])
