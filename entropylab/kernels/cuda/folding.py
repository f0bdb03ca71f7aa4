"""Figures of rows whose logits come in blocks: the state, and the gradient of a block, on the GPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from entropylab.kernels import Fold, Statistics
from entropylab.kernels.cuda.availability import require_device

# The modules that import Numba are imported inside the functions: this one must load where Numba or a driver
# is missing.


def fold(block: Any, state: Fold, column: int, temperature: float = 1.0, *, stream: int = 0) -> None:
    """Fold a block of logits into the state of its rows, in place.

    Parameters
    ----------
    block : array [N, W]
        Logits of the tokens ``column`` to ``column + W - 1``: C-contiguous, with ``__cuda_array_interface__``;
        float32, float64, float16, or uint16 holding bfloat16 bits. NaN or +inf make the row's ``rest`` NaN.
    state : Fold of arrays [N]
        float32 (float64 for float64 logits), and int64 for ``likeliest``; see :class:`entropylab.kernels.Fold` for
        its beginning.
    column : int
        Token of the first column.
    temperature : float
        Divides the logits.
    stream : int
        Handle of the CUDA stream to run on; 0 is the default stream. The call does not wait for the result.

    Raises
    ------
    RuntimeError
        If there is no GPU, driver or numba-cuda; the message says which.
    TypeError, ValueError
        If an array has the wrong dtype, shape or layout.

    Notes
    -----
    Deterministic: a row's state is bit-identical whatever the batch, for the same blocks in the same order. Another
    cut into blocks rounds differently.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _fold, launch

    rows = _arrays.rows_of(block, "block")
    views = _state_views(state, rows)
    if rows.rows and rows.columns:
        kernel = _fold.fold_kernel(rows.form.name)
        scale = rows.form.real(1 / (math.log(2) * temperature))
        kernel[rows.rows, launch.FOLD_THREADS, _arrays.stream_of(stream)](
            rows.flat, *views, rows.columns, rows.misalignment, scale, column
        )


def fold_backward(
    block: Any,
    state: Fold,
    column: int,
    temperature: float,
    targets: Any,
    grad: Statistics,
    *,
    out: Any,
    stream: int = 0,
) -> None:
    """Gradient of a weighted sum of the statistics with respect to one block of the logits.

    The formulas stand in :func:`statistics_backward`.

    Parameters
    ----------
    block, column, temperature, stream
        As given to :func:`fold`.
    state : Fold of arrays [N]
        After all blocks were folded.
    targets : int64 array [N] or None
        Tokens whose surprisal was asked for.
    grad : Statistics
        Upstream gradients, arrays [N] of float32 (float64 for float64 logits), any of them ``None``.
    out : array [N, W] of the dtype of `block`
        Where to write; it may be the block itself. A logit of -inf gets exactly 0.

    Raises
    ------
    RuntimeError, TypeError, ValueError
        As :func:`fold`.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _fold, launch

    rows = _arrays.rows_of(block, "block")
    n, real = rows.rows, rows.form.real
    result = _arrays.rows_of(out, "out")
    if (result.rows, result.columns, result.dtype) != (n, rows.columns, rows.dtype):
        raise ValueError(f"out must be of shape ({n}, {rows.columns}) and dtype {rows.dtype}")
    views = _state_views(state, rows)
    upstream, given = _arrays.upstream_of(grad, real, n, views[0])
    chosen = views[4] if targets is None else _arrays.vector_of(targets, np.int64, n, "targets")
    if n == 0 or rows.columns == 0:
        return
    kernel = _fold.fold_backward_kernel(rows.form.name)
    vectors = -(-(rows.columns + rows.form.width - 1) // rows.form.width)
    runs = -(-vectors // (launch.BACKWARD_THREADS * launch.BACKWARD_VECTORS))
    kernel[(n, runs), launch.BACKWARD_THREADS, _arrays.stream_of(stream)](
        rows.flat, result.flat, *views, chosen, *upstream,
        rows.columns, rows.misalignment, result.misalignment, real(1 / temperature), column, given,
    )  # fmt: skip


def _state_views(state: Fold, rows: Any) -> list[Any]:
    """The state as the kernels take it."""
    from entropylab.kernels.cuda import _arrays

    return [
        _arrays.vector_of(
            array, np.int64 if name == "likeliest" else rows.form.real, rows.rows, f"state.{name}"
        )
        for name, array in zip(Fold._fields, state, strict=True)
    ]
