"""Probabilistic context-free grammars with exact string probabilities and derivational entropy.

Inside algorithm: Lari & Young 1990. Entropy and expected length from the branching matrix: Grenander 1967;
Chi 1999, "Statistical properties of probabilistic context-free grammars".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from entropylab.kernels.cpu.compiling import exact
from entropylab.sources.stochastic import TOLERANCE, check_count, check_symbols

Array = NDArray[np.float64]


class Derivations(NamedTuple):
    """Sampled strings, and the surprisal of the derivation that gave each of them."""

    strings: list[NDArray[np.int64]]
    surprisal: Array


class PCFG:
    """A probabilistic context-free grammar in Chomsky normal form.

    Parameters
    ----------
    binary : array_like of float, shape (N, N, N)
        ``binary[a, b, c]`` is the probability of rewriting nonterminal a as b c. Nonterminal 0 is the start.
    lexical : array_like of float, shape (N, V)
        ``lexical[a, w]`` is the probability of rewriting nonterminal a as the terminal w.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the rules of a nonterminal do not sum to one (to within 1e-9).
    """

    def __init__(self, binary: ArrayLike, lexical: ArrayLike) -> None:
        self.binary, self.lexical = np.array(binary, dtype=np.float64), np.array(lexical, dtype=np.float64)
        size = len(self.lexical) if self.lexical.ndim == 2 else 0
        if not self.lexical.size or self.binary.shape != (size, size, size):
            raise ValueError(
                f"binary, lexical: got shapes {self.binary.shape} and {self.lexical.shape}, "
                "allowed are (N, N, N) and (N, V)"
            )
        rules = np.concatenate([self.binary.reshape(size, -1), self.lexical], axis=1)
        bad = np.flatnonzero(~((rules >= 0).all(1) & (abs(rules.sum(1) - 1) < TOLERANCE)))
        if bad.size:
            raise ValueError(
                f"binary, lexical: the rules of nonterminal {bad[0]} sum to {rules[bad[0]].sum()}, the least is "
                f"{rules[bad[0]].min()}; allowed are distributions"
            )
        self._rules = rules

    @classmethod
    def from_rules(
        cls, rules: Mapping[str, Sequence[tuple[str, float]]], terminals: Sequence[str], *, start: str = "S"
    ) -> PCFG:
        """Build a grammar from rules in words.

        Parameters
        ----------
        rules : mapping of str to sequence of (str, float)
            Nonterminal to right sides, symbols separated by a space: ``{"S": [("S S", 0.3), ("a", 0.7)]}``. A
            right side has two nonterminals or one terminal.
        terminals : sequence of str
            Names of the terminals; their order gives their numbers.
        start : str
            The start symbol.

        Returns
        -------
        PCFG

        Raises
        ------
        ValueError
            If the start has no rule, or a right side is not allowed.
        """
        if start not in rules:
            raise ValueError(f"start: got {start!r}, allowed are {sorted(rules)}")
        names = [start, *(name for name in rules if name != start)]
        number = {name: i for i, name in enumerate(names)}
        words = {name: i for i, name in enumerate(terminals)}
        binary, lexical = np.zeros((len(names),) * 3), np.zeros((len(names), len(words)))
        for name, sides in rules.items():
            for side, probability in sides:
                match side.split():
                    case [left, right] if left in number and right in number:
                        binary[number[name], number[left], number[right]] += probability
                    case [word] if word in words:
                        lexical[number[name], words[word]] += probability
                    case _:
                        raise ValueError(
                            f"rules: got {name!r} -> {side!r}, allowed are two of {sorted(number)} or one of "
                            f"{sorted(words)}"
                        )
        return cls(binary, lexical)

    @property
    def nonterminals(self) -> int:
        """How many nonterminals there are, N."""
        return len(self.lexical)

    @property
    def symbols(self) -> int:
        """How many terminals there are, V."""
        return self.lexical.shape[1]

    @cached_property
    def branching(self) -> Array:
        """Expected number of each nonterminal in one rewriting of each nonterminal, shape (N, N)."""
        return np.asarray(self.binary.sum(2) + self.binary.sum(1))

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Which nonterminals a derivation can contain, shape (N,)."""
        found = np.arange(self.nonterminals) == 0
        for _ in range(self.nonterminals):
            found = found | (self.branching[found] > 0).any(0)
        return found

    @property
    def spectral_radius(self) -> float:
        """Largest modulus of the eigenvalues of the branching matrix of what is reachable.

        Below one, derivations end and their expected length is finite; at one it is infinite; above one some
        derivations never end.
        """
        part = self.branching[np.ix_(self.reachable, self.reachable)]
        return float(abs(np.linalg.eigvals(part)).max())

    @cached_property
    def expected_rewritings(self) -> Array:
        """Expected number of rewritings of each nonterminal in a derivation, shape (N,).

        Raises
        ------
        ValueError
            If the expected length of a string is infinite.
        """
        radius = self.spectral_radius
        if radius > 1 - TOLERANCE:
            raise ValueError(
                f"binary: the branching matrix has spectral radius {radius:.9g}, allowed is below 1; "
                "the expected length of a string is infinite"
            )
        kept = np.flatnonzero(self.reachable)
        part = self.branching[np.ix_(kept, kept)]
        counts = np.zeros(self.nonterminals)
        counts[kept] = np.linalg.solve(np.eye(len(kept)) - part.T, (kept == 0).astype(float))
        return counts

    @property
    def expected_length(self) -> float:
        """Expected number of terminals of a string; errors as in `expected_rewritings`."""
        return float(self.expected_rewritings @ self.lexical.sum(1))

    @property
    def derivational_entropy(self) -> float:
        """Entropy of a derivation, nats: the local entropy of each rewriting, counted as often as it is expected.

        At least the entropy of the string, and equal to it if every string has one derivation. Errors as in
        `expected_rewritings`.
        """
        return float(self.expected_rewritings @ entr(self._rules).sum(1))

    def log_probability(self, strings: Sequence[ArrayLike]) -> Array:
        """Log-probability of each string, summed over its derivations (inside algorithm).

        Parameters
        ----------
        strings : sequence of array_like of int
            Each of its own length L, at least 1.

        Returns
        -------
        array of float64, shape (B,)
            Nats; -inf for a string that the grammar does not have. The time for a string grows as L^3 N^3.

        Raises
        ------
        ValueError
            If a value is no terminal, or a string is empty.
        """
        found = np.empty(len(strings))
        for row, string in enumerate(strings):
            text = check_symbols(f"strings[{row}]", string, self.symbols, ndim=1)
            if not text.size:
                raise ValueError(f"strings[{row}]: got an empty string, allowed is one terminal or more")
            found[row] = _inside(text, self.binary, self.lexical)
        return found

    def sample(self, count: int, *, seed: int = 0, max_length: int = 10_000) -> Derivations:
        """Sample derivations, leftmost nonterminal first.

        Parameters
        ----------
        count : int
            At least 0.
        seed : int
            Seed of the draw.
        max_length : int
            A string that would become longer raises: cutting it off would sample from another law.

        Returns
        -------
        Derivations
            Strings, and minus the log-probability of each one's derivation, shape (count,), nats.

        Raises
        ------
        ValueError
            If ``count`` is negative, or a string becomes longer than ``max_length``.
        """
        check_count("count", count, 0)
        check_count("max_length", max_length, 1)
        generator = np.random.default_rng(seed)
        size, cumulative = self.nonterminals, self._rules.cumsum(1)
        strings, surprisal = [], np.zeros(count)
        for row in range(count):
            stack, text = [0], list[int]()
            while stack:
                if len(stack) + len(text) > max_length:
                    raise ValueError(
                        f"max_length: string {row} has more than {max_length} symbols; the branching matrix has "
                        f"spectral radius {self.spectral_radius:.3g}"
                    )
                symbol = stack.pop()
                limits = cumulative[symbol]
                rule = int(np.searchsorted(limits, generator.random() * limits[-1], side="right"))
                surprisal[row] -= np.log(self._rules[symbol, rule])
                if rule >= size * size:
                    text.append(rule - size * size)
                else:
                    stack += [rule % size, rule // size]  # the left one is rewritten first
            strings.append(np.array(text, dtype=np.int64))
        return Derivations(strings, surprisal)


@exact
def _inside(text: NDArray[np.int64], binary: Array, lexical: Array) -> float:
    """Log-probability of a text; each span has a scale of its own, so that long texts do not underflow."""
    length, size = text.size, lexical.shape[0]
    chart = np.zeros((length, length, size))  # of a span, from its first to its last place
    scale = np.full((length, length), -np.inf)
    for i in range(length):
        top = 0.0
        for a in range(size):
            top = max(top, lexical[a, text[i]])
        if top > 0.0:
            scale[i, i] = np.log(top)
            for a in range(size):
                chart[i, i, a] = lexical[a, text[i]] / top
    for span in range(2, length + 1):
        for i in range(length - span + 1):
            last = i + span - 1
            base = -np.inf
            for split in range(i, last):
                base = max(base, scale[i, split] + scale[split + 1, last])
            if base == -np.inf:
                continue
            top = 0.0
            for split in range(i, last):
                weight = np.exp(scale[i, split] + scale[split + 1, last] - base)
                if weight == 0.0:
                    continue
                for b in range(size):
                    left = chart[i, split, b] * weight
                    if left == 0.0:
                        continue
                    for c in range(size):
                        both = left * chart[split + 1, last, c]
                        if both == 0.0:
                            continue
                        for a in range(size):
                            chart[i, last, a] += binary[a, b, c] * both
            for a in range(size):
                top = max(top, chart[i, last, a])
            if top > 0.0:
                scale[i, last] = base + np.log(top)
                for a in range(size):
                    chart[i, last, a] /= top
    found = chart[0, length - 1, 0]
    return np.log(found) + scale[0, length - 1] if found > 0.0 else -np.inf
