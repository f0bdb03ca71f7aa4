"""What is timed: ours and the peer's way to the same figures, on the same data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropylab.decoding import typical_filter, typical_sample
from entropylab.detection import LAMBDAS, TokenEvidence, concentration_figures
from entropylab.information import entropy, token_statistics

MASS = 0.9
SEED = 0
ALPHA = 0.05


def random_logits(case: Case, device: str) -> Tensor:
    """Normal logits [rows, width] of standard deviation 3."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(case.rows, case.width, generator=generator).mul(3.0).to(device, case.dtype)


@dataclass(frozen=True)
class Case:
    """Two ways to one result.

    Attributes
    ----------
    path : str
        What is computed.
    peer : str
        Whose way it is compared with.
    rows, width : int
        Size of the logits, or number of sequences and tokens in each.
    dtype : torch.dtype
    floor : float
        The least traffic possible, in reads of the data: a write counts as a read.
    ours, theirs : callable
        Take the data, return what was computed.
    data : callable
        Makes the data from the case and the device.
    """

    path: str
    peer: str
    rows: int
    width: int
    dtype: torch.dtype
    floor: float
    ours: Callable[[Any], object]
    theirs: Callable[[Any], object]
    data: Callable[[Case, str], Any] = random_logits


def softmax_entropy(logits: Tensor) -> Tensor:
    """Entropy as it is usually written in torch: ``-sum p log p`` from ``log_softmax``."""
    log_p = logits.float().log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def gradient_of(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Forward and backward pass of the sum of a measure over the rows."""

    def compute(logits: Tensor) -> Tensor:
        leaf = logits.detach().requires_grad_()
        measure(leaf).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    return compute


def warper(logits: Tensor) -> Tensor:
    """transformers' locally typical truncation, by sorting."""
    from transformers.generation.logits_process import TypicalLogitsWarper

    empty = torch.empty((len(logits), 0), dtype=torch.long, device=logits.device)
    return TypicalLogitsWarper(MASS)(empty, logits)


def warp_and_draw(logits: Tensor) -> Tensor:
    """Truncation by transformers, then torch's multinomial draw: what ``generate`` does for each token."""
    return warper(logits).softmax(-1).multinomial(1)


def random_evidence(case: Case, device: str) -> tuple[Tensor, ...]:
    """Figures of tokens of which the model's moments are true: surprisal, entropy, varentropy, cgf; and offsets.

    Flat, with sequences of one length, so that the NumPy version may reshape them. The surprisal is gamma
    distributed, whose cumulant generating function is known.
    """
    generator = np.random.default_rng(SEED)
    tokens = case.rows * case.width
    shape = generator.uniform(1.0, 8.0, tokens).astype(np.float32)
    surprisal = generator.standard_gamma(shape, dtype=np.float32)
    grid = np.array(LAMBDAS, np.float32)
    # A gamma variable of shape k has mean and variance k and ln E e^(l s) = -k ln(1 - l).
    cgf = shape[:, None] * (-np.log1p(-grid) - grid)
    offsets = torch.arange(case.rows + 1) * case.width
    return (*(torch.from_numpy(x).to(device) for x in (surprisal, shape, shape, cgf)), offsets)


def concentration(data: tuple[Tensor, ...]) -> tuple[np.ndarray, ...]:
    """Sums, e-values, supremum of the mixture and stopping time by the kernel."""
    found = concentration_figures(TokenEvidence(*data[:4]), data[4], alpha=ALPHA)
    names = ("surprisal", "entropy", "varentropy", "log_e", "log_supremum", "stopping_time")
    return tuple(getattr(found, name) for name in names)


def vectorised_concentration(data: tuple[Tensor, ...]) -> tuple[np.ndarray, ...]:
    """The same in NumPy, for sequences of one length, in blocks of ten that stay in the cache."""
    sequences = len(data[4]) - 1
    s, h, v, cgf = (x.cpu().numpy().reshape(sequences, -1, *x.shape[1:]) for x in data[:4])
    grid, blocks = np.array(LAMBDAS), []
    for start in range(0, sequences, 10):
        rows = slice(start, start + 10)
        paths = ((s[rows] - h[rows])[..., None] * grid - cgf[rows]).cumsum(1)
        top = paths.max(-1)
        mixture = top + np.log(np.exp(paths - top[..., None]).mean(-1))
        reached = mixture >= -math.log(ALPHA)
        blocks.append(
            (
                *(x[rows].sum(1, dtype=np.float64) for x in (s, h, v)),
                paths[:, -1],
                np.maximum(mixture.max(1), 0.0),
                np.where(reached.any(1), reached.argmax(1) + 1, -1),
            )
        )
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def cases(device: str, quick: bool) -> Iterator[Case]:
    """The cases of a device, the important ones first.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    quick : bool
        Small sizes.

    Yields
    ------
    Case
    """
    single = torch.float32
    many, width = (32, 5_003) if quick else (512, 50_257 if device == "cpu" else 131_072)
    for rows in (many, 8, 1):
        yield Case(
            "all statistics",
            "log_softmax entropy",
            rows,
            width,
            single,
            1.0,
            token_statistics,
            softmax_entropy,
        )
    for rows in (many, 8, 1):
        yield Case(
            "typical filter",
            "TypicalLogitsWarper",
            rows,
            width,
            single,
            3.0,
            lambda logits: typical_filter(logits, MASS),
            warper,
        )
    yield Case(
        "typical sample",
        "warper + multinomial",
        many,
        width,
        single,
        2.0,
        lambda logits: typical_sample(logits, MASS),
        warp_and_draw,
    )
    # Forward: one read. Backward: one read and one write.
    yield Case(
        "entropy, forward and backward",
        "autograd",
        many,
        width,
        single,
        3.0,
        gradient_of(entropy),
        gradient_of(softmax_entropy),
    )
    for half in (torch.bfloat16, torch.float16):
        yield Case(
            "all statistics", "log_softmax entropy", many, width, half, 1.0, token_statistics, softmax_entropy
        )
    # One read of the figures, twelve numbers a token; what is written is small.
    sequences, tokens = (200, 500) if quick else (10_000, 1_000)
    yield Case(
        "concentration",
        "vectorised NumPy",
        sequences,
        tokens,
        single,
        1.0,
        concentration,
        vectorised_concentration,
        random_evidence,
    )
