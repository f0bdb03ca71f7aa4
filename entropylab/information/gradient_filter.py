"""Leaving out gradients of logits that are too small to matter (Wijmans et al. 2025, section 4.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from entropylab.information.validation import check_count


@dataclass
class GradientFilter:
    """Which blocks of the gradient of the logits are set to zero, and what was lost.

    The paper's kernel skips the products of these blocks and saves their time. This one computes with the zeros: it
    shows the effect on training, and saves no time.

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

    def apply(self, gradient: Tensor, rows: slice, in_block: Tensor) -> Tensor:
        """Count what a piece of the gradient would lose, and return it without that.

        Parameters
        ----------
        gradient : Tensor [n, w]
            ``p - [token is target]``.
        rows : slice
            Its rows among all.
        in_block : bool Tensor [n]
            Rows whose target is among these tokens.

        Returns
        -------
        Tensor [n, w]
            A copy with zeros in the blocks that are left out.
        """
        mask = block_mask(gradient, self.threshold, self.block)
        self.kept += int(mask.sum())
        self.blocks += mask.numel()
        n, w = gradient.shape
        spread = mask.repeat_interleave(self.block, 0)[:n].repeat_interleave(self.block, 1)[:, :w]
        filtered = torch.where(spread, gradient, 0.0)
        lost = (gradient - filtered).sum(1)
        # A target that is left out has p above 1 - threshold, and stands as p - 1 in the sum.
        lost += (in_block & ((gradient - filtered).amin(1) < 0.0)).to(lost.dtype)
        self.dropped_probability[rows] += lost.to(self.dropped_probability.dtype)
        return filtered


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
    rows, columns = (math.ceil(size / block) for size in values.shape)
    reached = torch.nn.functional.pad(
        values.abs() >= threshold, (0, columns * block - values.shape[1], 0, rows * block - values.shape[0])
    )
    return reached.view(rows, block, columns, block).any(3).any(1)
