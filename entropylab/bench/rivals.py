"""The other ways to the same figures: torch as it is, torch compiled, transformers, Triton, NumPy."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropylab.detection import LAMBDAS
from entropylab.information.linear_head import check_head

ALPHA = 0.05


@dataclass(frozen=True)
class Rival:
    """Somebody else's way.

    Attributes
    ----------
    name : str
    compute : callable
        Takes the data, returns what was computed.
    threads : int, optional
        Threads of torch while it runs, on the CPU.
    """

    name: str
    compute: Callable[[Any], Any]
    threads: int | None = None


def softmax_entropy(logits: Tensor) -> Tensor:
    """Entropy as it is usually written in torch: ``-sum p log p`` from ``log_softmax``."""
    log_p = logits.float().log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def blocked_product(data: tuple[Tensor, Tensor]) -> Tensor:
    """The matrix products of the linear measures alone: all blocks of the logits, of which the last one is left."""
    head = check_head(*data, None, None, None)
    hidden, buffer = head.hidden.to(head.dtype), head.buffer()
    for columns in head.columns():
        piece = head.piece(columns)
        for rows in head.rows():
            block = head.logits(hidden[rows], piece, columns, buffer)
    return block


def entropy_of_product(data: tuple[Tensor, Tensor]) -> Tensor:
    """Entropy from hidden states and output matrix with all logits in memory."""
    hidden, weight = data
    return softmax_entropy(hidden @ weight.T)


def gradient_of(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Forward and backward pass of the sum of a measure over the rows."""

    def compute(logits: Tensor) -> Tensor:
        leaf = logits.detach().requires_grad_()
        measure(leaf).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    return compute


def warper(mass: float) -> Callable[[Tensor], Tensor]:
    """transformers' locally typical truncation, by sorting; in float32, as ``generate`` calls it."""
    from transformers.generation.logits_process import TypicalLogitsWarper

    warp = TypicalLogitsWarper(mass)

    def compute(logits: Tensor) -> Tensor:
        empty = torch.empty((len(logits), 0), dtype=torch.long, device=logits.device)
        return warp(empty, logits.float())

    return compute


def warp_and_draw(mass: float) -> Callable[[Tensor], Tensor]:
    """Truncation by transformers, then torch's multinomial draw: what ``generate`` does for each token."""
    warp = warper(mass)
    return lambda logits: warp(logits).softmax(-1).multinomial(1)


def compiled(make: Callable[[], Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """A function that ``make`` makes of ``torch.compile``d parts, at its first call, for exactly that shape."""
    ready: list[Callable[[Tensor], Tensor]] = []

    def compute(logits: Tensor) -> Tensor:
        if not ready:
            # Without the reset the compiler gives up after a few shapes and runs eagerly, without a word.
            torch._dynamo.reset()
            ready.append(make())
        return ready[0](logits)

    return compute


def of_entropy(device: str, backward: bool = False) -> list[Rival]:
    """Rivals for the entropy of rows, or for its gradient."""
    form = gradient_of if backward else (lambda measure: measure)
    names = "autograd" if backward else "log_softmax entropy"
    if device == "cpu":
        # On small batches a second thread costs torch more than it gives: both are measured.
        found = [Rival(f"{names}, {_threads(n)}", form(softmax_entropy), n) for n in thread_counts()]
    else:
        found = [Rival(names, form(softmax_entropy))]
    found.append(
        Rival("torch.compile", compiled(lambda: form(torch.compile(softmax_entropy, dynamic=False))))
    )
    if device == "cuda" and not backward and importlib.util.find_spec("triton") is not None:
        from entropylab.bench.triton_entropy import triton_entropy

        found.append(Rival("Triton", triton_entropy))
    return found


def thread_counts() -> list[int]:
    """One thread, and as many as torch would take."""
    return sorted({1, torch.get_num_threads()})


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def vectorised_concentration(arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Figures of sequences of one length in NumPy, in blocks of ten sequences that stay in the cache."""
    grid, blocks = np.array(LAMBDAS), []
    s, h, v, cgf = arrays
    for start in range(0, len(s), 10):
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
