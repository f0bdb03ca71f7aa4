"""Hidden Markov models with exact block entropies and beliefs (Rabiner 1989; Cover & Thomas 2006, section 4.5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.kernels.cpu.compiling import exact
from entropylab.sources.markov import MarkovChain
from entropylab.sources.stationary import StationarySource
from entropylab.sources.stochastic import check_count, check_rows, check_symbols

Array = NDArray[np.float64]


class RateBounds(NamedTuple):
    """Bounds of an entropy rate, nats."""

    low: float
    high: float


class HMM(StationarySource):
    """A stationary hidden Markov model: a Markov chain of states, each of which emits a symbol.

    Parameters
    ----------
    transitions : array_like of float, shape (S, S)
        Row ``i`` is the distribution of the next state after state ``i``.
    emissions : array_like of float, shape (S, V)
        Row ``i`` is the distribution of the symbol that state ``i`` emits.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a row is not a distribution (to within 1e-9).
    """

    def __init__(self, transitions: ArrayLike, emissions: ArrayLike) -> None:
        self.chain = MarkovChain(transitions)
        self.emissions = check_rows("emissions", emissions, ndim=2)
        if len(self.emissions) != self.chain.symbols:
            raise ValueError(
                f"emissions: got {len(self.emissions)} rows, allowed is one for each of {self.chain.symbols} states"
            )

    @property
    def transitions(self) -> Array:
        """Distribution of the next state after each state, shape (S, S)."""
        return self.chain.transitions

    @property
    def stationary(self) -> Array:
        """The stationary law of the states, shape (S,)."""
        return self.chain.stationary

    @property
    def states(self) -> int:
        """How many states there are, S."""
        return self.chain.symbols

    @property
    def symbols(self) -> int:
        """How many symbols there are, V."""
        return self.emissions.shape[1]

    def block_law(self, n: int) -> Array:
        """Law of n successive symbols, shape (V,) * n; 8 V^n bytes."""
        check_count("n", n, 0)
        reach = self.stationary[None]  # of each word so far: its probability together with the next state
        for _ in range(n):
            emitted = reach[:, None, :] * self.emissions.T
            reach = (emitted @ self.transitions).reshape(-1, self.states)
        return np.asarray(reach.sum(1).reshape((self.symbols,) * n))

    def block_entropies(self, n: int) -> Array:
        """Entropies of blocks of 1 to n symbols, nats, shape (n,); all V^n words, in memory that grows with n only."""
        return self._block_entropies(self.stationary, n)

    def _block_entropies(self, start: Array, n: int) -> Array:
        check_count("n", n, 1)
        return np.asarray(_word_entropies(np.ascontiguousarray(start), self.transitions, self.emissions, n))

    def entropy_rate_bounds(self, n: int = 8) -> RateBounds:
        """Bounds of the entropy rate from blocks of n symbols (Cover & Thomas 2006, theorem 4.5.1).

        Parameters
        ----------
        n : int
            At least 2; the bounds close as n grows, the work grows as V^n.

        Returns
        -------
        RateBounds
            ``H(W_n | W_1, ..., W_{n-1}, S_1)``, where S_1 is the state that emits W_1, and ``H_n - H_{n-1}``.

        Raises
        ------
        ValueError
            If ``n`` is below 2.
        """
        check_count("n", n, 2)
        low = 0.0
        for state, weight in enumerate(self.stationary):
            known = self._block_entropies(np.eye(self.states)[state], n)
            low += weight * (known[-1] - known[-2])
        return RateBounds(float(low), float(self.block_conditional_entropies(n)[-1]))

    def sample(self, sequences: int, length: int, *, seed: int = 0) -> NDArray[np.int64]:
        """Sample independent stretches of the stationary source.

        Parameters
        ----------
        sequences, length : int
            B and L, at least 0.
        seed : int
            Seed of the draw.

        Returns
        -------
        array of int64, shape (B, L)

        Raises
        ------
        ValueError
            If a number is negative.
        """
        check_count("sequences", sequences, 0)
        check_count("length", length, 0)
        generator = np.random.default_rng(seed)
        steps, outputs = self.transitions.cumsum(1), self.emissions.cumsum(1)
        text = np.empty((sequences, length), dtype=np.int64)
        state = _draw(np.tile(self.stationary.cumsum(), (sequences, 1)), generator)
        for place in range(length):
            text[:, place] = _draw(outputs[state], generator)
            state = _draw(steps[state], generator)
        return text

    def filter(self, symbols: ArrayLike) -> tuple[Array, Array]:
        """Read a batch of texts: the belief before each symbol, and each symbol's surprisal.

        Parameters
        ----------
        symbols : array_like of int, shape (B, L)

        Returns
        -------
        beliefs : array of float64, shape (B, L, S)
            Law of the state that emits a symbol, given the symbols before it: a sufficient statistic of the past.
            After an impossible symbol it is NaN.
        surprisal : array of float64, shape (B, L)
            Nats, given the symbols before it; +inf for an impossible symbol, NaN after one.

        Raises
        ------
        ValueError
            If a value is no symbol.
        """
        text = check_symbols("symbols", symbols, self.symbols, ndim=2)
        beliefs = np.empty((*text.shape, self.states))
        surprisal = np.empty(text.shape)
        _filter(text, self.stationary, self.transitions, self.emissions, beliefs, surprisal)
        return beliefs, surprisal

    def filter_log_probability(self, symbols: ArrayLike) -> Array:
        """Log-probability of each text of a batch, nats.

        Parameters
        ----------
        symbols : array_like of int, shape (B, L)

        Returns
        -------
        array of float64, shape (B,)
            -inf for an impossible text.

        Raises
        ------
        ValueError
            If a value is no symbol.
        """
        _, surprisal = self.filter(symbols)
        impossible = np.isinf(surprisal).any(1)
        return np.where(impossible, -np.inf, -surprisal.sum(1))

    def predictive(self, symbols: ArrayLike) -> Array:
        """Law of each symbol given those before it.

        Parameters
        ----------
        symbols : array_like of int, shape (B, L)

        Returns
        -------
        array of float64, shape (B, L, V)

        Raises
        ------
        ValueError
            If a value is no symbol.
        """
        return np.asarray(self.filter(symbols)[0] @ self.emissions)


def _draw(cumulative: Array, generator: np.random.Generator) -> NDArray[np.int64]:
    """One outcome for each row of cumulative probabilities."""
    uniforms = generator.random(len(cumulative)) * cumulative[:, -1]
    return np.asarray((cumulative <= uniforms[:, None]).sum(1))


@exact
def _word_entropies(start: Array, transitions: Array, emissions: Array, n: int) -> Array:
    """Entropies of the words of 1 to n symbols, by depth-first search over all words that can occur."""
    states, symbols = emissions.shape
    total = np.zeros((n, symbols))  # one sum for each last symbol, so that few terms meet one large sum
    reach = np.zeros((n + 1, states))
    reach[0] = start
    word = np.zeros(n, dtype=np.int64)
    depth = 0
    while depth >= 0:
        if depth == n or word[depth] == symbols:
            depth -= 1
            if depth >= 0:
                word[depth] += 1
            continue
        symbol = word[depth]
        probability = 0.0
        for j in range(states):
            reach[depth + 1, j] = 0.0
        for i in range(states):
            emitted = reach[depth, i] * emissions[i, symbol]
            probability += emitted
            if depth + 1 < n:
                for j in range(states):
                    reach[depth + 1, j] += emitted * transitions[i, j]
        if probability <= 0.0:
            word[depth] += 1
            continue
        total[depth, symbol] -= probability * np.log(probability)
        depth += 1
        if depth < n:
            word[depth] = 0
    return total.sum(1)


@exact
def _filter(
    text: NDArray[np.int64],
    stationary: Array,
    transitions: Array,
    emissions: Array,
    beliefs: Array,
    surprisal: Array,
) -> None:
    """Fill in beliefs and surprisals, text by text."""
    states = emissions.shape[0]
    for row in range(text.shape[0]):
        belief = stationary.copy()
        for place in range(text.shape[1]):
            symbol = text[row, place]
            probability = 0.0
            for i in range(states):
                beliefs[row, place, i] = belief[i]
                probability += belief[i] * emissions[i, symbol]
            surprisal[row, place] = -np.log(probability)
            following = np.zeros(states)
            for i in range(states):
                seen = belief[i] * emissions[i, symbol] / probability
                for j in range(states):
                    following[j] += seen * transitions[i, j]
            belief = following
