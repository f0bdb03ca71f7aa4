"""A rival in Triton: entropy by an online softmax, one program for each row.

It is the usual way to write such a kernel (one pass, running maximum, blocks of the row in turn), and computes the
entropy alone, where ours computes four figures. The module needs ``triton`` and is imported only where that is.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-not-found,unused-ignore]
import triton.language as tl  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor

BLOCK = 4096


@triton.jit
def _entropy_kernel(logits: Any, entropy: Any, columns: Any, stride: Any, block: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64)
    top = -float("inf")
    total = 0.0
    first = 0.0
    for start in range(0, columns, block):
        places = start + tl.arange(0, block)
        z = tl.load(logits + row * stride + places, mask=places < columns, other=-float("inf")).to(tl.float32)
        new_top = tl.maximum(top, tl.max(z, 0))
        # Sums of e^(z - top) and of e^(z - top) (z - top), moved to the new maximum.
        shift = tl.where(top == -float("inf"), 0.0, top - new_top)
        factor = tl.exp(shift)
        x = z - new_top
        e = tl.exp(x)
        first = (first + shift * total) * factor + tl.sum(tl.where(e > 0.0, e * x, 0.0), 0)
        total = total * factor + tl.sum(e, 0)
        top = new_top
    tl.store(entropy + row, tl.log(total) - first / total)


def triton_entropy(logits: Tensor) -> Tensor:
    """Entropy of every row of logits [N, V] on a GPU, float32 [N]."""
    entropy = torch.empty(len(logits), dtype=torch.float32, device=logits.device)
    _entropy_kernel[(len(logits),)](
        logits, entropy, logits.shape[1], logits.stride(0), block=BLOCK, num_warps=8
    )
    return entropy
