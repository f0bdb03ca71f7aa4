"""Rules that choose one string when the law of strings is known: beam search, the mode, minimum Bayes risk.

Bojun and Yuan 2023 ask which rules are compatible with reading outputs as probabilities. The mode and its trouble:
Stahlberg and Byrne 2019, Eikema and Aziz 2020. Greedy choice needs the order only; all rules here add or average
probabilities, so they are not invariant under maps that keep the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.statistics import levenshtein

NextLogProbabilities = Callable[[tuple[int, ...]], ArrayLike]


class Scored(NamedTuple):
    """A string without its end symbol, and its log-probability in nats."""

    symbols: tuple[int, ...]
    log_probability: float


def beam_search(next_log_p: NextLogProbabilities, width: int, max_length: int, *, end: int) -> Scored:
    """Search a likely string from left to right, with a number of hypotheses at a time.

    Parameters
    ----------
    next_log_p : callable
        From the symbols so far to log-probabilities of the next one, shape (V,).
    width : int
        Hypotheses kept, at least 1; 1 is greedy choice.
    max_length : int
        Symbols before the end, at most; what has not ended by then must end.
    end : int
        Symbol that ends a string.

    Returns
    -------
    Scored
        The likeliest of the finished hypotheses.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    _check(width, "width", 1)
    _check(max_length, "max_length", 0)
    live, finished = [Scored((), 0.0)], []
    for length in range(max_length + 1):
        grown = []
        for symbols, score in live:
            log_p = np.asarray(next_log_p(symbols), dtype=np.float64)
            if not 0 <= end < log_p.size:
                raise ValueError(f"end: got {end}, allowed is 0 to {log_p.size - 1}")
            choices = [end] if length == max_length else range(log_p.size)
            grown += [(symbols, symbol, score + float(log_p[symbol])) for symbol in choices]
        best = sorted(grown, key=lambda item: -item[2])[:width]
        finished += [Scored(symbols, score) for symbols, symbol, score in best if symbol == end]
        live = [Scored((*symbols, symbol), score) for symbols, symbol, score in best if symbol != end]
        # A longer string is never likelier than its beginning.
        if not live or (finished and max(s.log_probability for s in finished) >= live[0].log_probability):
            break
    return max(finished, key=lambda item: item.log_probability)


def enumerate_strings(next_log_p: NextLogProbabilities, max_length: int, *, end: int) -> list[Scored]:
    """All strings up to a length, with their log-probabilities, the likeliest first.

    Parameters
    ----------
    next_log_p, end
        As in :func:`beam_search`.
    max_length : int
        Symbols before the end; the number of strings grows as ``(V - 1) ** max_length``.

    Returns
    -------
    list of Scored
        Strings of probability 0 are left out. Ties keep the order of the shorter string, then of the symbols.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    _check(max_length, "max_length", 0)
    found, layer = [], [Scored((), 0.0)]
    for length in range(max_length + 1):
        following = []
        for symbols, score in layer:
            log_p = np.asarray(next_log_p(symbols), dtype=np.float64)
            if not 0 <= end < log_p.size:
                raise ValueError(f"end: got {end}, allowed is 0 to {log_p.size - 1}")
            if np.isfinite(log_p[end]):
                found.append(Scored(symbols, score + float(log_p[end])))
            if length < max_length:
                following += [
                    Scored((*symbols, symbol), score + float(log_p[symbol]))
                    for symbol in range(log_p.size)
                    if symbol != end and np.isfinite(log_p[symbol])
                ]
        layer = following
    return sorted(found, key=lambda item: -item.log_probability)


def edit_similarity(first: str, second: str) -> float:
    """1 minus the edit distance over the longer length: 1 for equal strings, 0 where nothing agrees.

    Parameters
    ----------
    first, second : str
        Two empty strings have similarity 1.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    TypeError
        If an argument is not a str.
    """
    longest = max(len(first), len(second)) if isinstance(first, str) and isinstance(second, str) else 1
    return 1.0 - levenshtein(first, second) / longest if longest else 1.0


def minimum_bayes_risk(
    candidates: Sequence[str], similarity: Callable[[str, str], float] = edit_similarity
) -> int:
    """The candidate that is most similar, on average, to all candidates: samples serve as references too.

    Parameters
    ----------
    candidates : sequence of str
        Samples, at least one.
    similarity : callable
        Symmetric; from two strings to a number.

    Returns
    -------
    int
        Place of the winner, the first of equally good ones.

    Raises
    ------
    ValueError
        If there is no candidate.
    """
    if isinstance(candidates, str) or not len(candidates):
        raise ValueError(f"candidates: got {candidates!r}, allowed is a sequence of at least one str")
    return int(_similarities(candidates, similarity).mean(1).argmax())


def _similarities(candidates: Sequence[str], similarity: Callable[[str, str], float]) -> NDArray[np.float64]:
    table = np.empty((len(candidates), len(candidates)))
    for i, first in enumerate(candidates):
        for j in range(i + 1):
            table[i, j] = table[j, i] = similarity(first, candidates[j])
    return table


def _check(value: int, name: str, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}: got {value}, allowed is {least} or more")
