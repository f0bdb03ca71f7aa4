"""The state of rows of logits while their blocks come and go: the kernels ``fold`` and ``fold_backward`` on tensors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from entropylab.information.backends import as_array, kernels_of, launching
from entropylab.information.linear_head import LinearHead
from entropylab.kernels import Fold, Statistics


def begin(head: LinearHead, backend: str) -> Fold:
    """The state of the rows of a head before the first block.

    float64 on the CPU. A GPU is slow in float64: there the state has the dtype of the logits, and lies beside them.
    """
    on_gpu = backend == "cuda"
    dtype, device = (head.dtype, head.hidden.device) if on_gpu else (torch.float64, torch.device("cpu"))
    n = len(head.hidden)
    peak, rest, first, spread = (
        torch.full((n,), start, dtype=dtype, device=device) for start in (-math.inf, -1.0, 0.0, 0.0)
    )
    return Fold(peak, rest, first, spread, torch.zeros(n, dtype=torch.int64, device=device))


def fold_block(
    block: Tensor, state: Fold, rows: slice, column: int, temperature: float, backend: str
) -> None:
    """Fold a block of logits [n, w], whose first column is token `column`, into the state of its rows, in place."""
    work = _working(block, backend)
    with launching(work, backend) as options:
        kernels_of(backend).fold(as_array(work), _part(state, rows), column, temperature, **options)


def unfold_block(
    block: Tensor,
    state: Fold,
    rows: slice,
    column: int,
    temperature: float,
    targets: Tensor | None,
    gradients: Statistics,
    backend: str,
) -> Tensor:
    """The gradient of a block of logits [n, w], in its memory, from those of the statistics of its rows [n]."""
    work = _working(block, backend)
    with launching(work, backend) as options:
        kernels_of(backend).fold_backward(
            as_array(work),
            _part(state, rows),
            column,
            temperature,
            None if targets is None else as_array(targets),
            Statistics(*(None if g is None else as_array(g) for g in gradients)),
            out=as_array(work),
            **options,
        )
    return work.to(block)


def is_valid(state: Fold) -> Any:
    """Rows, bool [N], that had a finite logit and neither NaN nor +inf."""
    return (state.rest >= 0.0) & state.peak.isfinite()


def logsumexp(state: Fold, temperature: float) -> Tensor:
    """Log-sum-exp [N] of the logits over the temperature; NaN for a row that is not valid."""
    found: Tensor = state.peak / temperature + state.rest.log1p()
    return found.masked_fill(~is_valid(state), math.nan)


def refuse(logsumexp: Tensor, name: str = "hidden") -> None:
    """Raise if a row was not valid.

    Raises
    ------
    ValueError
    """
    if bool(logsumexp.isnan().any()):
        row = int(logsumexp.isnan().nonzero()[0, 0])
        raise ValueError(
            f"{name}: the logits of row {row} have NaN or +inf, or are all -inf; allowed are hidden states, weights "
            "and biases that give finite numbers and -inf, with at least one finite number in a row"
        )


def _part(state: Fold, rows: slice) -> Fold:
    return Fold(*(as_array(field[rows]) for field in state))


def _working(block: Tensor, backend: str) -> Tensor:
    """A block as the kernels of a backend take it: itself, but for the reference and tensors elsewhere."""
    if backend in ("cpu", "reference") and block.device.type != "cpu":
        block = block.cpu()
    return block.double() if backend == "reference" else block
