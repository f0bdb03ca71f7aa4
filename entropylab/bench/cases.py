"""What is timed: ours and the peer's way to the same figures, on the same logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from entropylab.decoding import typical_filter, typical_sample
from entropylab.information import entropy, token_statistics

MASS = 0.9


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
        Size of the logits.
    dtype : torch.dtype
    floor : float
        The least traffic possible, in reads of the logits: a write counts as a read.
    ours, theirs : callable
        Take the logits, return what was computed.
    """

    path: str
    peer: str
    rows: int
    width: int
    dtype: torch.dtype
    floor: float
    ours: Callable[[Tensor], object]
    theirs: Callable[[Tensor], object]


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
