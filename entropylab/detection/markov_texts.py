"""Texts of Markov chains, many at once, with every figure exact: the source on which theorems are checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.detection.evidence import TokenEvidence
from entropylab.detection.renyi_cgf import LAMBDAS, check_lambdas
from entropylab.sources import MarkovChain

Array = NDArray[np.float64]


def markov_rivals(seed: int, *, states: int = 64, floor: float = 1e-12) -> tuple[MarkovChain, MarkovChain]:
    """Two chains: A with sparse rows, Dirichlet(0.08), and B = 0.7 A + 0.3 rows Dirichlet(0.3).

    Parameters
    ----------
    seed : int
    states : int
        K, at least 2.
    floor : float
        Least transition probability, before the rows are normalised again.

    Returns
    -------
    a, b : MarkovChain

    Raises
    ------
    ValueError
        If there are fewer than 2 states.
    """
    if states < 2:
        raise ValueError(f"states: got {states}, allowed is 2 or more")
    generator = np.random.default_rng(seed)
    a = generator.dirichlet(np.full(states, 0.08), states).clip(floor)
    a /= a.sum(1, keepdims=True)
    b = 0.7 * a + 0.3 * generator.dirichlet(np.full(states, 0.3), states)
    return MarkovChain(a), MarkovChain(b / b.sum(1, keepdims=True))


def truncated(chain: MarkovChain, keep: int) -> MarkovChain:
    """The chain that follows only the `keep` likeliest transitions of each state, renormalised (top-k sampling).

    Parameters
    ----------
    chain : MarkovChain
    keep : int
        1 to V.

    Returns
    -------
    MarkovChain

    Raises
    ------
    ValueError
        If `keep` is out of range.
    """
    rows = chain.transitions
    if not 1 <= keep <= len(rows):
        raise ValueError(f"keep: got {keep}, allowed is 1 to {len(rows)}")
    rank = (-rows).argsort(1, kind="stable").argsort(1, kind="stable")
    kept = np.where(rank < keep, rows, 0.0)
    return MarkovChain(kept / kept.sum(1, keepdims=True))


def sample_texts(chain: MarkovChain, texts: int, tokens: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Sample many texts at once.

    Parameters
    ----------
    chain : MarkovChain
    texts, tokens : int
        B and N, at least 1.
    seed : int

    Returns
    -------
    int64 array [B, N + 1]
        Each text after a first state, drawn uniformly, which is context.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    for name, value in (("texts", texts), ("tokens", tokens)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, allowed is 1 or more")
    generator = np.random.default_rng(seed)
    cumulative = chain.transitions.cumsum(1)
    states = np.empty((texts, tokens + 1), dtype=np.int64)
    states[:, 0] = generator.integers(len(cumulative), size=texts)
    for n in range(tokens):
        rows = cumulative[states[:, n]]
        uniforms = generator.random(texts) * rows[:, -1]
        states[:, n + 1] = (rows <= uniforms[:, None]).sum(1)
    return states


def markov_evidence(
    chain: MarkovChain, states: ArrayLike, *, lambdas: tuple[float, ...] = LAMBDAS
) -> TokenEvidence:
    """Exact figures of texts under a chain, whoever wrote them.

    Parameters
    ----------
    chain : MarkovChain
    states : int array [B, N + 1]
        As :func:`sample_texts` gives them.
    lambdas : tuple of float

    Returns
    -------
    TokenEvidence of float64 arrays [B, N] and [B, N, G].
    """
    texts = np.asarray(states)
    before, after = texts[:, :-1], texts[:, 1:]
    rows, grid = chain.transitions, check_lambdas(lambdas)
    with np.errstate(divide="ignore"):
        surprisal = -np.log(rows)
    entropy = chain.conditional_entropies
    cgf = np.stack([np.log((rows ** (1 - g)).sum(1)) - g * entropy for g in grid], axis=1)
    return TokenEvidence(
        surprisal[before, after], entropy[before], chain.conditional_varentropies[before], cgf[before]
    )


def transition_cross_entropies(writer: MarkovChain, evaluator: MarkovChain) -> Array:
    """``C = -sum q ln p`` after each state, for the writer q and the evaluator p.

    Parameters
    ----------
    writer, evaluator : MarkovChain
        Of one size.

    Returns
    -------
    float64 array [V]
        Nats.
    """
    q, p = writer.transitions, evaluator.transitions
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(q > 0, q * np.log(p), 0.0).sum(1))
