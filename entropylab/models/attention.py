"""Causal attention by blocks of queries, for training on a CPU.

torch's fused attention is slow in bfloat16 on a CPU, and a plain product computes the half that the mask throws
away. A block of queries needs the keys up to its own end only: products of the blocks cost little more than half, and
run in the fast matrix kernels. At 512 tokens and width 64 this took under half the processor time of the fused kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface

BLOCKWISE = "entropylab_blockwise"
_BLOCK = 128


def blockwise_causal_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each position to itself and what stands before it; the signature is transformers'.

    Parameters
    ----------
    module : torch.nn.Module
        The attention layer (not used).
    query, key, value : torch.Tensor, shape (batch, heads, length, width)
        As many heads of keys as of queries.
    attention_mask : None
        Rows without padding only: every window of a training batch is full.
    scaling : float
        Factor of the scores.

    Returns
    -------
    torch.Tensor, shape (batch, length, heads, width)
        In the dtype of the values.
    None
        In the place of the attention weights.

    Raises
    ------
    ValueError
        If there is a mask, or keys and queries do not stand for the same positions.
    """
    if attention_mask is not None:
        raise ValueError("attention_mask: got a mask, allowed is None; this attention is for full windows")
    if query.shape != key.shape:
        raise ValueError(f"key: got shape {tuple(key.shape)}, allowed is that of query, {tuple(query.shape)}")
    length = query.shape[2]
    later = torch.full((_BLOCK, _BLOCK), float("-inf"), device=query.device).triu(1)
    blocks = []
    for start in range(0, length, _BLOCK):
        end = min(start + _BLOCK, length)
        scores = (query[:, :, start:end] @ key[:, :, :end].mT).float() * scaling
        own = scores[..., start:] + later[: end - start, : end - start]
        weights = torch.softmax(torch.cat([scores[..., :start], own], dim=-1), dim=-1)
        blocks.append(weights.to(value.dtype) @ value[:, :, :end])
    return torch.cat(blocks, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(BLOCKWISE, blockwise_causal_attention)
