"""Compare samplers on the same prompts under the same random numbers: information level, repetition, variety."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.decoding.filters import top_k_filter, top_p_filter
from entropylab.decoding.text_metrics import distinct_ngrams, repetition_rate, zipf_exponent
from entropylab.decoding.typical import typical_filter
from entropylab.models.generation import Generation, LogitsFilter, generate


@dataclass(frozen=True)
class Sampler:
    """A way to choose the next token: a name, and what it makes of the logits (n, V) before a token is drawn."""

    name: str
    choose: LogitsFilter

    @classmethod
    def ancestral(cls) -> Sampler:
        """Sample from the model itself."""
        return cls("ancestral", lambda logits: logits)

    @classmethod
    def tempered(cls, temperature: float) -> Sampler:
        """Sample from softmax(logits / temperature)."""
        return cls(f"temperature {temperature:g}", lambda logits: logits / temperature)

    @classmethod
    def top_k(cls, k: int) -> Sampler:
        """Keep the k most likely tokens (Fan et al. 2018)."""
        return cls(f"top-k {k}", lambda logits: top_k_filter(logits, k))

    @classmethod
    def nucleus(cls, mass: float) -> Sampler:
        """Keep the fewest most likely tokens that hold the mass (Holtzman et al. 2020)."""
        return cls(f"nucleus {mass:.4g}", lambda logits: top_p_filter(logits, mass))

    @classmethod
    def typical(cls, mass: float) -> Sampler:
        """Keep the tokens of surprisal nearest to the entropy that hold the mass (Meister et al. 2023)."""
        return cls(f"typical {mass:.4g}", lambda logits: typical_filter(logits, mass))


@dataclass(frozen=True)
class Sample:
    """Texts of one sampler: a row a (seed, prompt) pair; ``zipf`` is that of the first seed's texts together."""

    rows: pd.DataFrame
    deviations: NDArray[np.float32]
    zipf: float

    def mean(self, column: str, seed: int | None = None) -> float:
        """Mean of a column over prompts, of one seed or of all."""
        rows = self.rows if seed is None else self.rows[self.rows["seed"] == seed]
        return float(rows[column].mean())


def run_samplers(
    samplers: Sequence[Sampler],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    tokens: int,
    seeds: Sequence[int],
    rows_at_once: int = 480,
) -> dict[str, Sample]:
    """Continue each prompt once for each sampler and seed, and measure the texts.

    Two samplers under one seed use the same uniform numbers, row by row and step by step, so that their
    difference has less noise than either.

    Parameters
    ----------
    samplers : sequence of Sampler
        How to choose; each with a name of its own.
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    prompts : sequence of str
        P texts.
    tokens : int
        Length of each continuation.
    seeds : sequence of int
        One set of uniform numbers each.
    rows_at_once : int
        Texts in one batch at most (one sampler's texts stay together); less needs less memory.

    Returns
    -------
    dict of str to Sample
        By the sampler's name. ``rows``: ``seed``, ``prompt``, means over the text of ``surprisal``,
        ``entropy`` and ``deviation`` |I - H| (nats), ``repetition`` (REP), ``distinct`` (D) and
        ``most_likely_cut`` (share of steps). ``deviations``: I - H of each token, shape (rows, tokens).
        ``zipf``: exponent of the first seed's texts together, so that the number of seeds does not change it.
    """
    uniforms = torch.cat(
        [
            torch.rand(
                len(prompts), tokens, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
            )
            for seed in seeds
        ]
    )
    group = max(1, rows_at_once // len(uniforms))
    samples: dict[str, Sample] = {}
    for together in (samplers[first : first + group] for first in range(0, len(samplers), group)):
        result = generate(
            model,
            tokenizer,
            list(prompts) * (len(seeds) * len(together)),
            max_new_tokens=tokens,
            filters=[_each_its_rows(together, len(uniforms))],
            uniforms=uniforms.repeat(len(together), 1),
        )
        parts = (
            Generation(*fields) for fields in zip(*(x.split(len(uniforms)) for x in result), strict=True)
        )
        samples |= {
            s.name: _measure(part, len(prompts), seeds) for s, part in zip(together, parts, strict=True)
        }
    return samples


def _each_its_rows(samplers: Sequence[Sampler], rows: int) -> LogitsFilter:
    """One filter for a batch in which each sampler owns a block of rows."""

    def choose(logits: torch.Tensor) -> torch.Tensor:
        return torch.cat([s.choose(block) for s, block in zip(samplers, logits.split(rows), strict=True)])

    return choose


def _measure(result: Generation, prompts: int, seeds: Sequence[int]) -> Sample:
    deviations, texts = (result.surprisal - result.entropy).numpy(), result.tokens.numpy()
    rows = pd.DataFrame(
        {
            "seed": np.repeat(seeds, prompts),
            "prompt": np.tile(np.arange(prompts), len(seeds)),
            "surprisal": result.surprisal.mean(1).numpy(),
            "entropy": result.entropy.mean(1).numpy(),
            "deviation": abs(deviations).mean(1),
            "repetition": [repetition_rate(text) for text in texts],
            "distinct": [distinct_ngrams(text) for text in texts],
            "most_likely_cut": result.most_likely_cut.double().mean(1).numpy(),
        }
    )
    return Sample(rows, deviations, zipf_exponent(np.bincount(texts[:prompts].ravel())))


def match_nucleus(
    target: float,
    level: Callable[[float], float],
    *,
    low: float = 0.5,
    high: float = 1.0,
    tolerance: float = 0.01,
    steps: int = 10,
) -> tuple[float, list[tuple[float, float]]]:
    """Find the nucleus mass at which sampled text has a given mean surprisal, by bisection.

    Parameters
    ----------
    target : float
        Mean surprisal to reach, nats.
    level : callable
        Gives the mean surprisal of text sampled at a mass; it should rise with the mass.
    low, high : float
        Masses between which to search.
    tolerance : float
        Stop when this near to the target, nats.
    steps : int
        Evaluations at most.

    Returns
    -------
    mass : float
        The best of the masses tried. If the target cannot be reached, it is near an end.
    tried : list of (float, float)
        Each mass tried, with its level.
    """
    tried: list[tuple[float, float]] = []
    while len(tried) < steps and not (tried and abs(tried[-1][1] - target) < tolerance):
        mass = (low + high) / 2
        tried.append((mass, level(mass)))
        low, high = (mass, high) if tried[-1][1] < target else (low, mass)
    return min(tried, key=lambda pair: abs(pair[1] - target))[0], tried


def removed_deviation(logits: torch.Tensor, mass: float) -> float:
    """How much nearer to the entropy typical sampling is than ancestral sampling, without sampling noise.

    e(tau) = mean over contexts of E_p|I - H| - E_q|I - H|, where q is p truncated to the typical set of mass
    tau and renormalised; I and H are those of p.

    Parameters
    ----------
    logits : torch.Tensor, shape (contexts, V)
        The model's logits.
    mass : float
        tau in (0, 1].

    Returns
    -------
    float
        Nats; 0 at tau = 1, never negative.
    """
    logits = logits.double()
    logp = logits.log_softmax(-1)
    p = logp.exp()
    entropy = -(p * logp.clamp_min(-1e4)).sum(-1, keepdim=True)
    deviation = (-logp.clamp_min(-1e4) - entropy).abs()
    q = typical_filter(logits, mass).softmax(-1)
    return float(((p - q) * deviation).sum(-1).mean())
