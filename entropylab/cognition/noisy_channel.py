"""A decoder that knows what texts are probable: the argument of McCoy et al. 2024, made exact.

A plain text is drawn from a prior over character trigrams; each of its letters is then moved by one place of the
alphabet with probability eps. The best guess of the plain text x from the observed y maximises
``prior_exponent * ln p(x) + ln p(y | x)`` (MAP; exponent 1 is Bayes' rule, exponent 0 copies). With a trigram prior
this is a shortest path over pairs of letters, which Viterbi 1967 solves exactly.

Letters have the codes 0 to 25, a space 26.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.kernels.cpu.compiling import exact

SYMBOLS = "abcdefghijklmnopqrstuvwxyz "
SPACE = 26
SIZE = 27


def encode(text: str) -> NDArray[np.int64]:
    """Codes of a text of small letters and spaces.

    Parameters
    ----------
    text : str
        Characters a to z and spaces.

    Returns
    -------
    numpy.ndarray of int64, shape (len(text),)
        0 to 26.

    Raises
    ------
    ValueError
        If the text has another character.
    """
    codes = np.array([SYMBOLS.find(character) for character in text], dtype=np.int64)
    if (codes < 0).any():
        raise ValueError(f"text: got {text[int(np.argmin(codes))]!r}, allowed are a to z and the space")
    return codes


def decode(codes: ArrayLike) -> str:
    """The text of codes 0 to 26.

    Parameters
    ----------
    codes : array_like of int
        As :func:`encode` gives them.

    Returns
    -------
    str
    """
    return "".join(SYMBOLS[code] for code in np.asarray(codes))


def trigram_log_prior(counts: ArrayLike, *, smoothing: float = 0.01) -> NDArray[np.float64]:
    """Logarithm of ``p(c | a, b)`` from the counts of three characters in a row.

    Parameters
    ----------
    counts : array_like of int, shape (27, 27, 27)
        How often c follows a, b.
    smoothing : float
        Added to each count.

    Returns
    -------
    numpy.ndarray of float64, shape (27, 27, 27)
        Nats; each row sums to 1 after exponentiation.

    Raises
    ------
    ValueError
        If the shape is wrong, a count is negative, or the smoothing is not positive.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (SIZE, SIZE, SIZE) or (table < 0).any():
        raise ValueError(f"counts: got shape {table.shape}, allowed are counts of shape (27, 27, 27)")
    if not smoothing > 0:
        raise ValueError(f"smoothing: got {smoothing}, allowed is a positive number")
    table = table + smoothing
    result: NDArray[np.float64] = np.log(table / table.sum(2, keepdims=True))
    return result


def first_letter_log_prior(counts: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of the probability of a character after a space, for the start of a text.

    Parameters
    ----------
    counts : array_like of int, shape (27, 27, 27)
        As in :func:`trigram_log_prior`.

    Returns
    -------
    numpy.ndarray of float64, shape (27,)
        Nats.
    """
    after_space = np.asarray(counts, dtype=np.float64)[:, SPACE].sum(0) + 0.01
    result: NDArray[np.float64] = np.log(after_space / after_space.sum())
    return result


def text_log_probability(
    codes: NDArray[np.int64], log_prior: NDArray[np.float64], log_first: NDArray[np.float64]
) -> float:
    """Logarithm of a text's prior probability, where the text follows a space.

    Parameters
    ----------
    codes : numpy.ndarray of int64, shape (n,)
        The text.
    log_prior : numpy.ndarray of float64, shape (27, 27, 27)
        As :func:`trigram_log_prior` gives it.
    log_first : numpy.ndarray of float64, shape (27,)
        As :func:`first_letter_log_prior` gives it.

    Returns
    -------
    float
        Nats; 0 for an empty text.
    """
    if not len(codes):
        return 0.0
    previous = np.concatenate([[SPACE], codes])
    rest = log_prior[previous[:-2], previous[1:-1], codes[1:]]
    return float(log_first[codes[0]] + rest.sum())


def neighbour_channel(eps: float) -> NDArray[np.float64]:
    """Logarithm of ``p(observed | plain)``: a letter moves one place up or down with probability eps/2 each.

    Parameters
    ----------
    eps : float
        0 to 1; z and a are neighbours, and a space stays.

    Returns
    -------
    numpy.ndarray of float64, shape (27, 27)
        Rows plain, columns observed; -inf where it cannot be.

    Raises
    ------
    ValueError
        If ``eps`` is out of range.
    """
    if not 0 <= eps <= 1:
        raise ValueError(f"eps: got {eps}, allowed is 0 to 1")
    table = np.zeros((SIZE, SIZE))
    letters = np.arange(26)
    table[letters, letters] = 1 - eps
    for step in (-1, 1):
        table[letters, (letters + step) % 26] = eps / 2
    table[SPACE, SPACE] = 1
    with np.errstate(divide="ignore"):
        result: NDArray[np.float64] = np.log(table)
    return result


def disturb(codes: NDArray[np.int64], eps: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Send a text through the channel of :func:`neighbour_channel`.

    Parameters
    ----------
    codes : numpy.ndarray of int64, shape (n,)
        The plain text.
    eps : float
        Probability that a letter moves.
    generator : numpy.random.Generator
        One draw for each character, whatever eps: texts of one seed are disturbed alike at different eps.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        What is observed.
    """
    draws = generator.random(len(codes))
    step = np.where(draws < eps / 2, -1, np.where(draws < eps, 1, 0))
    result: NDArray[np.int64] = np.where(codes == SPACE, SPACE, (codes + step) % 26)
    return result


def viterbi_channel(
    observed: NDArray[np.int64],
    log_prior: NDArray[np.float64],
    log_first: NDArray[np.float64],
    log_channel: NDArray[np.float64],
    *,
    prior_exponent: float = 1.0,
) -> NDArray[np.int64]:
    """The plain text with the largest posterior probability.

    Parameters
    ----------
    observed : numpy.ndarray of int64, shape (n,)
        Codes that came through the channel.
    log_prior : numpy.ndarray of float64, shape (27, 27, 27)
        ``ln p(c | a, b)``.
    log_first : numpy.ndarray of float64, shape (27,)
        ``ln p(c)`` of the first character, which follows a space.
    log_channel : numpy.ndarray of float64, shape (27, 27)
        ``ln p(observed | plain)``, rows plain.
    prior_exponent : float
        1 for Bayes' rule, 0 to ignore the prior.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        The best plain text. Of equally good ones, that with the smaller codes at the end.

    Raises
    ------
    ValueError
        If no plain text can give what is observed, or the exponent is negative or not finite.
    """
    if not (prior_exponent >= 0 and math.isfinite(prior_exponent)):
        raise ValueError(f"prior_exponent: got {prior_exponent}, allowed is 0 or more")
    if not len(observed):
        return np.zeros(0, dtype=np.int64)
    best, score = _viterbi(
        np.ascontiguousarray(observed, dtype=np.int64),
        np.ascontiguousarray(log_prior),
        np.ascontiguousarray(log_first),
        np.ascontiguousarray(log_channel),
        float(prior_exponent),
    )
    if score == -math.inf:
        raise ValueError("observed: got a text that the channel cannot give")
    return best


@exact
def _viterbi(
    observed: NDArray[np.int64],
    log_prior: NDArray[np.float64],
    log_first: NDArray[np.float64],
    log_channel: NDArray[np.float64],
    exponent: float,
) -> tuple[NDArray[np.int64], float]:
    n, size = observed.size, log_first.size
    before = np.full((size, size), -np.inf)  # best log posterior of a text that ends with a, b
    for c in range(size):
        before[size - 1, c] = exponent * log_first[c] + log_channel[c, observed[0]]
    came_from = np.zeros((n, size, size), dtype=np.int8)
    for t in range(1, n):
        after = np.full((size, size), -np.inf)
        for a in range(size):
            for b in range(size):
                if before[a, b] == -np.inf:  # a channel that moves letters by one place leaves few pairs
                    continue
                for c in range(size):
                    score = before[a, b] + exponent * log_prior[a, b, c] + log_channel[c, observed[t]]
                    if score > after[b, c]:
                        after[b, c] = score
                        came_from[t, b, c] = a
        before = after
    best = int(np.argmax(before))
    text = np.empty(n, dtype=np.int64)
    b, c = best // size, best % size
    score = before[b, c]
    for t in range(n - 1, -1, -1):
        text[t] = c
        b, c = int(came_from[t, b, c]), b
    return text, score
