"""From the gradient of blocks of logits to those of hidden states, output matrix and bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from entropylab.information.linear_head import LinearHead

Parts = Sequence[tuple[slice, slice]] | None


class Needed(NamedTuple):
    """Which gradients are asked for."""

    hidden: bool
    weight: bool
    bias: bool


class HeadGradients:
    """Sums the two matrix products of the backward pass over blocks.

    For each piece of the vocabulary: :meth:`begin`, then :meth:`add` for its blocks of rows, then :meth:`end`.

    Parameters
    ----------
    head : LinearHead
    needed : Needed
    """

    def __init__(self, head: LinearHead, needed: Needed) -> None:
        self.head, self.needed = head, needed
        self.inputs = head.hidden.to(head.dtype)
        self.hidden = self.inputs.new_zeros(self.inputs.shape) if needed.hidden else None
        self.weight = head.weight.new_empty(head.weight.shape) if needed.weight else None
        self.bias = None if head.bias is None or not needed.bias else head.bias.new_empty(head.bias.shape)

    def begin(self, columns: slice, piece: Tensor) -> None:
        """Go on to the tokens at these positions; `piece` [w, D] is their part of the output matrix."""
        self.columns, self.piece = columns, piece
        self.of_piece = piece.new_zeros(piece.shape) if self.needed.weight else None
        self.of_bias = piece.new_zeros(len(piece)) if self.bias is not None else None

    def add(self, gradient: Tensor, rows: slice, for_hidden: Parts = None, for_weight: Parts = None) -> None:
        """Add the products of the gradient of one block of logits.

        Parameters
        ----------
        gradient : Tensor [n, w]
        rows : slice
            Its rows among all.
        for_hidden, for_weight : sequence of (slice, slice), optional
            Parts of the block that count, as rows and columns of it; by default all. The bias goes with the weight.
        """
        everything = [(slice(0, len(gradient)), slice(0, len(self.piece)))]
        if self.hidden is not None:
            into = self.hidden[rows]
            for within, across in everything if for_hidden is None else for_hidden:
                into[within].addmm_(gradient[within, across], self.piece[across])
        part = self.inputs[rows]
        for within, across in everything if for_weight is None else for_weight:
            if self.of_piece is not None:
                self.of_piece[across].addmm_(gradient[within, across].T, part[within])
            if self.of_bias is not None:
                self.of_bias[across] += gradient[within, across].sum(0)

    def end(self) -> None:
        """Store what belongs to the current tokens."""
        where = self.head.tokens(self.columns)
        if self.weight is not None and self.of_piece is not None:
            self.weight[where] = self.of_piece.to(self.weight.dtype)
        if self.bias is not None and self.of_bias is not None:
            self.bias[where] = self.of_bias.to(self.bias.dtype)

    def found(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients of hidden states, output matrix and bias, where they were asked for."""
        return (
            None if self.hidden is None else self.hidden.to(self.head.hidden.dtype),
            self.weight,
            self.bias,
        )
