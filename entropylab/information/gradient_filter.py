"""Leaving out gradients of logits that are too small to matter (Wijmans et al. 2025, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from entropylab.information.validation import check_count


@dataclass
class GradientFilter:
    """Which blocks of the gradient of the logits take part in no product, and what was lost.

    A block of rows and tokens is left out if each ``|p - [token is target]|`` in it is below the threshold; upstream
    gradients and the mean over tokens come later. The softmax of a trained model is so peaked that this leaves few
    blocks. It is no free lunch: what is dropped is all of the push against unlikely tokens, and a row of high entropy
    has much of it (at most ``H / ln(1 / threshold)`` of its probability).

    Parameters
    ----------
    threshold : float
        In (0, 1); the default 2^-12 is the paper's, below which bfloat16 loses an addition to 2^-5.
    block : int
        Rows and tokens of a block.
    hidden, weight : bool
        Filter the gradient of the hidden states, and of the output matrix (and the bias). Training from scratch
        needs the latter in full, says the paper.
    sort : bool
        Visit the tokens in the order of their mean logit, so that blocks are nearly all likely or all unlikely.

    Attributes
    ----------
    kept, blocks : int
        Blocks that were not left out, and all there were, in the last backward pass.
    dropped_probability : Tensor [N]
        Probability of the tokens left out of each row that has a target, in the last backward pass.

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 1, or the block is no count.
    """

    threshold: float = 2.0**-12
    block: int = 128
    hidden: bool = True
    weight: bool = True
    sort: bool = True
    kept: int = field(default=0, init=False)
    blocks: int = field(default=0, init=False)
    dropped_probability: Tensor = field(default_factory=lambda: torch.empty(0), init=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, float) and 0.0 < self.threshold < 1.0):
            raise ValueError(f"threshold: got {self.threshold!r}, allowed are numbers between 0 and 1")
        check_count(self.block, "block")

    def begin(self, rows: int, device: torch.device) -> None:
        """Forget the last backward pass."""
        self.kept = self.blocks = 0
        self.dropped_probability = torch.zeros(rows, device=device)

    def runs(self, gradient: Tensor, rows: slice, targets: Tensor) -> Iterator[tuple[slice, slice]]:
        """Pieces of a gradient that are kept, and the account of what is not.

        Parameters
        ----------
        gradient : Tensor [n, w]
            ``p - [token is target]``; not changed.
        rows : slice
            Its rows among all.
        targets : int64 Tensor [n]
            Column of each row's target; outside 0 to w - 1 if it is not among these tokens.

        Yields
        ------
        rows, columns : slice
            Of `gradient`: neighbouring blocks of one row of blocks, together.
        """
        mask = block_mask(gradient, self.threshold, self.block)
        self.kept += int(mask.sum())
        self.blocks += mask.numel()
        lost = self.dropped_probability[rows]
        n, w = gradient.shape
        for group, kept in enumerate(mask.cpu().numpy()):
            within = slice(group * self.block, min((group + 1) * self.block, n))
            edges = np.flatnonzero(np.diff(kept, prepend=not kept[0], append=not kept[-1]))
            for start, stop in pairwise(edges):
                columns = slice(int(start) * self.block, min(int(stop) * self.block, w))
                if kept[start]:
                    yield within, columns
                else:
                    lost[within] += gradient[within, columns].sum(1)
                    # A target that is left out has p above 1 - threshold, and stands as p - 1 in the sum.
                    target = targets[within]
                    lost[within] += (target >= columns.start) & (target < columns.stop)


def block_mask(values: Tensor, threshold: float, block: int) -> Tensor:
    """Which blocks of a matrix have an entry whose absolute value reaches the threshold.

    Parameters
    ----------
    values : Tensor [N, V]
        For example ``p - [token is target]``; blocks at the edges may be smaller.
    threshold : float
    block : int
        Rows and columns of a block.

    Returns
    -------
    bool Tensor [ceil(N / block), ceil(V / block)]
    """
    columns = math.ceil(values.shape[1] / block)
    # Row by row of blocks, so that no second matrix is made.
    peaks = torch.stack([part.abs().amax(0) for part in values.split(block)])
    peaks = torch.nn.functional.pad(peaks, (0, columns * block - values.shape[1]))
    return peaks.view(len(peaks), columns, block).amax(2) >= threshold
