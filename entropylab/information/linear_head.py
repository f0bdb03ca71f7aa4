"""The logits of an output layer, one block after another: what the linear measures have in common.

A block is a matrix product by torch into memory that the next block uses again. The loop over the vocabulary is the
outer one, so that a piece of the output matrix is converted once, and its gradient is complete when the loop moves on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from entropylab.information.validation import FLOATS

# Rows and tokens of a block. On the CPU 8 MiB of float32, which stay in the last-level cache between the product and
# the kernel. On a GPU 32 MiB: large products, still within the cache of a large GPU. Multiples of the kernels' tile.
BLOCK = {"cpu": (1024, 2048), "cuda": (1024, 8192)}


@dataclass(frozen=True)
class LinearHead:
    """``softcap(hidden @ weight.T + bias)`` in blocks.

    Attributes
    ----------
    hidden : Tensor [N, D]
    weight : Tensor [V, D]
    bias : Tensor [V] or None
    softcap : float or None
        ``c`` in ``c tanh(z / c)``, before any temperature.
    block_rows, block_tokens : int
    order : int64 Tensor [V] or None
        Order in which the tokens are visited; ``None``: as they come.
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None = None
    softcap: float | None = None
    block_rows: int = 1024
    block_tokens: int = 2048
    order: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the logits: float32, or float64 for float64 input."""
        return torch.float64 if self.weight.dtype == torch.float64 else torch.float32

    def with_tensors(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, order: Tensor | None = None
    ) -> LinearHead:
        """This head with tensors that autograd saved, so that it notices if one was changed in place."""
        return replace(self, hidden=hidden.reshape(self.hidden.shape), weight=weight, bias=bias, order=order)

    def columns(self) -> Iterator[slice]:
        """Pieces of the vocabulary, as positions in the order of visit."""
        for start in range(0, len(self.weight), self.block_tokens):
            yield slice(start, min(start + self.block_tokens, len(self.weight)))

    def rows(self) -> Iterator[slice]:
        """Pieces of the rows."""
        for start in range(0, len(self.hidden), self.block_rows):
            yield slice(start, min(start + self.block_rows, len(self.hidden)))

    def tokens(self, columns: slice) -> Tensor | slice:
        """The tokens at these positions."""
        return columns if self.order is None else self.order[columns]

    def piece(self, columns: slice) -> Tensor:
        """The rows of the output matrix at these positions, in the dtype of the logits."""
        return self.weight[self.tokens(columns)].to(self.dtype)

    def buffer(self) -> Tensor:
        """Memory for one block."""
        size = min(self.block_rows, len(self.hidden)) * min(self.block_tokens, len(self.weight))
        return torch.empty(size, dtype=self.dtype, device=self.hidden.device)

    def logits(self, hidden: Tensor, piece: Tensor, columns: slice, buffer: Tensor) -> Tensor:
        """A block of logits [n, w] in the memory of `buffer`, before the soft-cap.

        Parameters
        ----------
        hidden : Tensor [n, D]
            In the dtype of the logits.
        piece : Tensor [w, D]
            As :meth:`piece` gives it.
        columns : slice
        buffer : Tensor
        """
        block = buffer[: len(hidden) * len(piece)].view(len(hidden), len(piece))
        if self.bias is None:
            torch.mm(hidden, piece.T, out=block)
        else:
            torch.addmm(self.bias[self.tokens(columns)].to(self.dtype), hidden, piece.T, out=block)
        return block

    def all_logits(self) -> Tensor:
        """The matrix [N, V] that the blocks avoid, after the soft-cap, differentiable."""
        whole = self.hidden.to(self.dtype) @ self.weight.to(self.dtype).T
        whole = whole if self.bias is None else whole + self.bias.to(self.dtype)
        return whole if self.softcap is None else self.softcap * torch.tanh(whole / self.softcap)

    def capped(self, block: Tensor) -> Tensor:
        """The soft-cap, in place."""
        return block if self.softcap is None else block.div_(self.softcap).tanh_().mul_(self.softcap)

    def slope(self, block: Tensor) -> Tensor | None:
        """Derivative of the soft-cap from the logits after it, a matrix as large as the block."""
        return None if self.softcap is None else 1.0 - (block / self.softcap).square()


def check_head(hidden: Any, weight: Any, bias: Any, softcap: Any, block: Any, prefix: str = "") -> LinearHead:
    """An output layer from the arguments of a public function, with hidden states as rows.

    Parameters
    ----------
    hidden : Tensor [..., D]
    weight : Tensor [V, D]
    bias : Tensor [V] or None
    softcap : float or None
    block : (int, int) or None
        Rows and tokens of a block.
    prefix : str
        Begins the names of the tensors in errors.

    Raises
    ------
    TypeError
        If an argument is no floating-point tensor, or the dtypes differ.
    ValueError
        If shapes or devices do not fit, or the soft-cap or the block is not above 0.
    """
    for label, value, dimensions in (("hidden", hidden, None), ("weight", weight, 2), ("bias", bias, 1)):
        if label == "bias" and value is None:
            continue
        if not isinstance(value, Tensor):
            raise TypeError(f"{prefix}{label}: got {type(value).__name__}, allowed is a torch tensor")
        if value.dtype not in FLOATS:
            raise TypeError(
                f"{prefix}{label}: got {value.dtype}, allowed are float16, bfloat16, float32 and float64"
            )
        if value.dtype != hidden.dtype:
            raise TypeError(f"{prefix}{label}: got {value.dtype}, allowed is that of hidden, {hidden.dtype}")
        if value.device != hidden.device:
            raise ValueError(
                f"{prefix}{label}: got {value.device}, allowed is that of hidden, {hidden.device}"
            )
        if dimensions is not None and value.ndim != dimensions:
            shape = "(V, D)" if dimensions == 2 else "(V,)"
            raise ValueError(f"{prefix}{label}: got shape {tuple(value.shape)}, allowed is {shape}")
    if hidden.ndim == 0 or hidden.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"{prefix}hidden: got shape {tuple(hidden.shape)}, allowed is (..., D) with D = {weight.shape[1]} of weight"
        )
    if weight.shape[0] == 0:
        raise ValueError(
            f"{prefix}weight: got shape {tuple(weight.shape)}, allowed is (V, D) with V at least 1"
        )
    if bias is not None and len(bias) != len(weight):
        raise ValueError(f"{prefix}bias: got shape {tuple(bias.shape)}, allowed is ({len(weight)},)")
    if softcap is not None and not 0.0 < float(softcap) < float("inf"):
        raise ValueError(f"softcap: got {softcap}, allowed are None and finite numbers above 0")
    sizes = BLOCK.get(hidden.device.type, BLOCK["cpu"]) if block is None else tuple(block)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"block: got {block}, allowed are two integers of at least 1: rows, tokens")
    return LinearHead(hidden.reshape(-1, hidden.shape[-1]), weight, bias, softcap, *sizes)
