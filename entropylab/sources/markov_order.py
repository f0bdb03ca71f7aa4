"""Finite Markov chains that remember k symbols (Cover & Thomas 2006, chapter 4)."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from entropylab.sources.markov import MarkovChain
from entropylab.sources.stationary import StationarySource
from entropylab.sources.stochastic import check_count, check_rows, check_symbols


class HighOrderMarkovChain(StationarySource):
    """A time-homogeneous Markov chain of order k.

    Parameters
    ----------
    transitions : array_like of float, shape (V,) * (k + 1)
        ``transitions[a, ..., b]`` is the distribution of the symbol after the context ``a, ..., b``, the older symbol
        first. With k = 1 the matrix of a :class:`MarkovChain`.

    Raises
    ------
    ValueError
        If the axes differ in length, there are fewer than two, or a row is not a distribution (to within 1e-9).
    """

    def __init__(self, transitions: ArrayLike) -> None:
        table = np.asarray(transitions, dtype=np.float64)
        if table.ndim < 2 or len(set(table.shape)) != 1 or not table.size:
            raise ValueError(
                f"transitions: got shape {table.shape}, allowed is (V,) * (k + 1) with k of 1 or more"
            )
        self.transitions = check_rows("transitions", table)

    @classmethod
    def random(
        cls, symbols: int, order: int, *, concentration: float = 0.5, seed: int = 0
    ) -> HighOrderMarkovChain:
        """Draw a chain whose rows are independent symmetric Dirichlet distributions.

        Parameters
        ----------
        symbols, order : int
            V and k, at least 1.
        concentration : float
            Dirichlet parameter; small values give peaked rows.
        seed : int
            Seed of the draw.

        Returns
        -------
        HighOrderMarkovChain

        Raises
        ------
        ValueError
            If a number is too small.
        """
        check_count("symbols", symbols, 1)
        check_count("order", order, 1)
        if not concentration > 0:
            raise ValueError(f"concentration: got {concentration}, allowed is above 0")
        generator = np.random.default_rng(seed)
        return cls(generator.dirichlet(np.full(symbols, concentration), size=(symbols,) * order))

    @property
    def order(self) -> int:
        """How many symbols the chain remembers, k."""
        return self.transitions.ndim - 1

    @property
    def symbols(self) -> int:
        """How many symbols there are, V."""
        return len(self.transitions)

    @cached_property
    def contexts(self) -> MarkovChain:
        """The chain of its contexts, of order one with V^k states; state 1 of V = 2, k = 2 is the context 0, 1."""
        size, order = self.symbols, self.order
        states = size**order
        steps = np.zeros((states, states))
        source = np.arange(states)
        for symbol in range(size):
            # The oldest symbol leaves, the new one comes in at the end.
            steps[source, source * size % states + symbol] += self.transitions.reshape(states, size)[
                :, symbol
            ]
        return MarkovChain(steps)

    @cached_property
    def stationary(self) -> NDArray[np.float64]:
        """A stationary distribution of the contexts, shape (V,) * k; the only one if the chain is irreducible."""
        return self.contexts.stationary.reshape((self.symbols,) * self.order)

    @property
    def entropy_rate(self) -> float:
        """Entropy a step in the long run, nats."""
        return float((self.stationary * entr(self.transitions).sum(-1)).sum())

    def block_law(self, n: int) -> NDArray[np.float64]:
        """Law of n successive symbols of the stationary chain, shape (V,) * n."""
        check_count("n", n, 0)
        law = self.stationary
        while law.ndim > n:
            law = law.sum(-1)
        while law.ndim < n:
            # The rows of the transitions lie along the last k symbols.
            law = law[..., None] * self.transitions
        return law

    def sample(self, steps: int, *, seed: int = 0) -> NDArray[np.int64]:
        """Run the chain from a context of the stationary law.

        Parameters
        ----------
        steps : int
            Symbols, at least 0.
        seed : int
            Seed of the draw.

        Returns
        -------
        array of int64, shape (steps,)

        Raises
        ------
        ValueError
            If ``steps`` is negative.
        """
        check_count("steps", steps, 0)
        generator = np.random.default_rng(seed)
        start = int(generator.choice(self.contexts.symbols, p=self.contexts.stationary))
        seed_of_run = int(generator.integers(2**63))
        return self.contexts.sample(steps, start=start, seed=seed_of_run)[1:] % self.symbols

    def surprisal(self, symbols: ArrayLike) -> NDArray[np.float64]:
        """Surprisal of each symbol but the first k, given the k before it, nats, shape (n - k,).

        Raises
        ------
        ValueError
            If a value is no symbol.
        """
        text = check_symbols("symbols", symbols, self.symbols, ndim=1)
        length = max(len(text) - self.order, 0)
        columns = tuple(text[i : i + length] for i in range(self.order + 1))
        with np.errstate(divide="ignore"):
            return -np.log(self.transitions[columns])
