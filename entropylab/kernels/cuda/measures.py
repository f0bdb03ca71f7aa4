"""Statistics of rows of logits on the GPU, their gradient, and the search for invalid rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from entropylab.kernels import Statistics
from entropylab.kernels.cuda.availability import require_device

# The modules that import Numba are imported inside the functions: this one must load where Numba or a driver
# is missing.


def statistics(
    logits: Any,
    targets: Any = None,
    temperature: float = 1.0,
    *,
    out: Statistics | None = None,
    stream: int = 0,
) -> Statistics:
    """Entropy, varentropy, log-sum-exp, largest probability and surprisal of each row, in one read of the
    logits.

    All figures are of ``softmax(logits / temperature)``, in nats; a logit of -inf contributes nothing.

    Parameters
    ----------
    logits : array [N, V]
        C-contiguous, with ``__cuda_array_interface__``; float32, float64, float16, or uint16 holding bfloat16
        bits.
    targets : array [N] of int64, optional
        Tokens whose surprisal is wanted: ``logsumexp - z[target] / temperature``, +inf if that logit is -inf.
    temperature : float
        Divisor of the logits, above 0.
    out : Statistics, optional
        Arrays [N] to write into (``surprisal`` may be None without targets).
    stream : int
        Handle of the CUDA stream to run on; 0 is the default stream. The call does not wait for the result.

    Returns
    -------
    Statistics
        Arrays [N] of float32 (float64 for float64 logits), on the device. A row with NaN or +inf, or with
        nothing but -inf, is NaN; nothing is validated. So is the surprisal of a target outside 0 .. V - 1.

    Raises
    ------
    RuntimeError
        If there is no GPU, driver or numba-cuda; the message says which.
    TypeError, ValueError
        If an array has the wrong dtype, shape or layout.

    Notes
    -----
    Deterministic: a row's results are bit-identical whatever the batch and the GPU's load, for its columns
    are summed by the same thread in the same order always. One exponential an element; float32 arithmetic for
    formats up to float32. A small batch has its rows split over blocks, in slices that depend on V only.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _statistics

    rows = _arrays.rows_of(logits)
    real = rows.form.real
    n = rows.rows
    wanted = _arrays.stream_of(stream)
    if out is None:
        fields = [_arrays.allocate((n,), real, wanted) for _ in range(4 if targets is None else 5)]
        out = Statistics(*fields)
    views = [_arrays.vector_of(a, real, n, f"out.{f}") for f, a in zip(out._fields[:4], out[:4], strict=True)]
    results = _statistics.WRITE_STATISTICS
    target_view = None
    if targets is not None:
        results |= _statistics.WRITE_SURPRISAL
        target_view = _arrays.vector_of(targets, np.int64, n, "targets")
        views.append(_arrays.vector_of(out.surprisal, real, n, "out.surprisal"))
    if n:
        with _arrays.LAUNCH_LOCK:
            run_statistics(rows, target_view, temperature, views, results, stream)
    return out


def run_statistics(
    rows: Any, targets: Any, temperature: float, views: list[Any], results: int, stream: int
) -> Any:
    """Launch the statistics kernel and return the device array [3 N] of moments (meaningful if asked for).

    Parameters
    ----------
    rows : _arrays.Rows
    targets : device array [N] of int64 or None
    temperature : float
    views : list of device arrays
        Where entropy, varentropy, log-sum-exp, largest probability and surprisal go, as far as ``results``
        asks.
    results : int
        The ``WRITE_`` bits of `_statistics`.
    stream : int
        The caller holds ``_arrays.LAUNCH_LOCK``.
    """
    from entropylab.kernels.cuda import _arrays, _statistics, launch

    real = rows.form.real
    plan = launch.statistics_plan(rows.columns)
    blocks = launch.blocks_per_row(rows.rows, plan.slices)
    per_block = -(-plan.slices // blocks)
    blocks = -(-plan.slices // per_block)
    kernel = _statistics.statistics_kernel(rows.form.name, plan.threads, plan.slice_columns)
    moments = _arrays.scratch(
        "moments", 3 * rows.rows if results & _statistics.WRITE_MOMENTS else 1, real, stream
    )
    partials = rows.rows * plan.slices * 4 * plan.threads if blocks > 1 else 1
    workspace = _arrays.scratch("partials", partials, real, stream)
    unused = [moments] * (5 - len(views))  # never written: `results` has no bit for them
    if targets is None:
        targets = _arrays.scratch("targets", 1, np.int64, stream)
    arrays = (rows.flat, targets, workspace, *views, *unused, moments)
    scale = real(1 / (math.log(2) * temperature))
    numbers = (rows.columns, rows.misalignment, scale, real(temperature))

    def launch_mode(grid: tuple[int, int], mode: int, slices_per_block: int) -> None:
        configured = kernel[grid, plan.threads, _arrays.stream_of(stream)]
        configured(*arrays, *numbers, mode, plan.slices, slices_per_block, results)

    if blocks == 1:
        launch_mode((rows.rows, 1), _statistics.FINISH, plan.slices)
    else:
        launch_mode((rows.rows, blocks), _statistics.PARTIAL, per_block)
        launch_mode((rows.rows, 1), _statistics.COMBINE, plan.slices)
    return moments


def statistics_backward(
    logits: Any,
    targets: Any,
    temperature: float,
    entropy: Any,
    varentropy: Any,
    logsumexp: Any,
    max_probability: Any,
    grad: Statistics,
    *,
    out: Any = None,
    stream: int = 0,
) -> Any:
    """Gradient of a weighted sum of the statistics with respect to the logits; one read and one write.

    With a = log p + H and nu the varentropy, the gradient at z is p / T times

        -g_H a + g_nu (a^2 + 2 a - nu) + g_lse + g_s - g_max p_max

    plus g_max p_max / T at the first largest logit and -g_s / T at the target. A logit of -inf gets exactly
    0.

    Parameters
    ----------
    logits, targets, temperature
        As given to `statistics`.
    entropy, varentropy, logsumexp, max_probability : array [N]
        As returned by it.
    grad : Statistics
        Upstream gradients, arrays [N] of float32 (float64 for float64 logits), any of them None.
    out : array [N, V], optional
        Where to write, dtype of the logits. It may be the logits themselves.
    stream : int
        Handle of the CUDA stream to run on.

    Returns
    -------
    array [N, V]
        The gradient, in the dtype of the logits (uint16: bfloat16 bits, rounded to nearest).

    Raises
    ------
    RuntimeError, TypeError, ValueError
        As `statistics`.

    Notes
    -----
    Deterministic; each element is computed alone. The gradient of ``max_probability`` costs one more read, to
    find the first maximum.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _backward, launch

    rows = _arrays.rows_of(logits)
    n, real = rows.rows, rows.form.real
    wanted = _arrays.stream_of(stream)
    if out is None:
        out = _arrays.allocate((n, rows.columns), rows.dtype, wanted)
    result = _arrays.rows_of(out, "out")
    if (result.rows, result.columns, result.dtype) != (n, rows.columns, rows.dtype):
        raise ValueError(f"out must be of shape ({n}, {rows.columns}) and dtype {rows.dtype}")
    saved = [
        _arrays.vector_of(array, real, n, name)
        for name, array in zip(
            Statistics._fields, (entropy, varentropy, logsumexp, max_probability), strict=False
        )
    ]
    upstream, given = _arrays.upstream_of(grad, real, n, saved[0])
    if n == 0 or rows.columns == 0:
        return out

    with _arrays.LAUNCH_LOCK:
        argmax = _arrays.scratch("argmax", n, np.int64, stream)
        target_view = argmax
        if given & _backward.HAS_SURPRISAL:
            target_view = _arrays.vector_of(targets, np.int64, n, "targets")
        if given & _backward.HAS_MAX:
            find = _backward.argmax_kernel(rows.form.name)
            find[n, launch.SCAN_THREADS, wanted](rows.flat, argmax, rows.columns, rows.misalignment)
        kernel = _backward.backward_kernel(rows.form.name)
        vectors = -(-(rows.columns + rows.form.width - 1) // rows.form.width)
        runs = -(-vectors // (launch.BACKWARD_THREADS * launch.BACKWARD_VECTORS))
        kernel[(n, runs), launch.BACKWARD_THREADS, wanted](
            rows.flat, result.flat, target_view, argmax, *saved, *upstream,
            rows.columns, rows.misalignment, result.misalignment, real(1 / temperature), given,
        )  # fmt: skip
    return out


def find_invalid_row(logits: Any, *, stream: int = 0) -> int:
    """The first row with NaN or +inf, or with nothing but -inf.

    Parameters
    ----------
    logits : array [N, V]
        As for `statistics`.
    stream : int
        Handle of the CUDA stream to run on. The call waits for the answer.

    Returns
    -------
    int
        Index of the row; -1 if all are valid.

    Raises
    ------
    RuntimeError, TypeError, ValueError
        As `statistics`.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _backward, launch
    from entropylab.kernels.cuda._device import cuda

    rows = _arrays.rows_of(logits)
    if rows.rows == 0:
        return -1
    wanted = _arrays.stream_of(stream)
    result = cuda.to_device(np.array([rows.rows], np.int64), stream=wanted)
    kernel = _backward.invalid_kernel(rows.form.name)
    kernel[rows.rows, launch.SCAN_THREADS, wanted](rows.flat, result, rows.columns, rows.misalignment)
    first = np.empty(1, np.int64)
    result.copy_to_host(first, stream=wanted)
    if wanted:
        wanted.synchronize()
    return int(first[0]) if first[0] < rows.rows else -1
