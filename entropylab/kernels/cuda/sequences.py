"""Concentration tests of a ragged batch of sequences on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from entropylab.kernels import Concentration
from entropylab.kernels.cuda.availability import require_device


def concentration(
    surprisal: Any,
    entropy: Any,
    varentropy: Any,
    cgf: Any,
    offsets: Any,
    lambdas: Any,
    log_weights: Any,
    log_threshold: float,
    variance_factor: float,
    *,
    stream: int = 0,
) -> Concentration:
    """Sums, gap, tail bounds and the anytime e-process of every sequence of a ragged batch.

    Parameters
    ----------
    surprisal, entropy, varentropy : array [n] of float32 or float64
        Of each token, with ``__cuda_array_interface__``, all sequences one after the other; nats.
    cgf : array [n, G], C-contiguous, of the same dtype
        ``psi(lambda)`` of each token's distribution.
    offsets : int64 array [B + 1]
        Sequence ``b`` has the tokens ``offsets[b]`` to ``offsets[b + 1] - 1``. On the device.
    lambdas, log_weights : float64 array [G]
        Grid of the mixture and the logarithms of its weights. NumPy arrays.
    log_threshold : float
        ``ln(1 / alpha)``.
    variance_factor : float
        ``M_K``, for the tail bounds.
    stream : int
        Handle of the CUDA stream to run on; 0 is the default stream. The call does not wait for the result.

    Returns
    -------
    Concentration
        Arrays on the device, of the dtype of the input (int64 for ``length`` and ``stopping_time``). Nothing
        is validated.

    Raises
    ------
    RuntimeError
        If there is no GPU, driver or numba-cuda; the message says which.
    TypeError, ValueError
        If an array has the wrong dtype, shape or layout.

    Notes
    -----
    Deterministic: a sequence is read by one thread in the order of its tokens, whatever the batch. Float32
    totals are compensated; the rounding of single steps remains, about 1e-5 in the log-e-values after a
    thousand tokens.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _concentration, launch
    from entropylab.kernels.cuda._device import cuda, wrap

    matrix = _arrays.rows_of(cgf, "cgf")
    tokens, grid, real = matrix.rows, matrix.columns, matrix.form.real
    if matrix.form.name not in ("float32", "float64"):
        raise TypeError(f"cgf has dtype {matrix.dtype}; float32 or float64 is needed")
    vectors = [
        _arrays.vector_of(array, real, tokens, name)
        for name, array in (("surprisal", surprisal), ("entropy", entropy), ("varentropy", varentropy))
    ]
    sequences = len(wrap(offsets)) - 1
    places = _arrays.vector_of(offsets, np.int64, sequences + 1, "offsets")
    wanted = _arrays.stream_of(stream)
    on_grid = []
    for name, array in (("lambdas", lambdas), ("log_weights", log_weights)):
        if np.shape(array) != (grid,):
            raise ValueError(f"{name} must be of shape ({grid},), not {np.shape(array)}")
        on_grid.append(cuda.to_device(np.asarray(array, real), stream=wanted))

    length, stopping_time = (_arrays.allocate((sequences,), np.int64, wanted) for _ in range(2))
    figures = _arrays.allocate((_concentration.FIGURES, sequences), real, wanted)
    log_e = _arrays.allocate((sequences, grid), real, wanted)
    if sequences:
        kernel = _concentration.concentration_kernel(matrix.form.name, grid)
        blocks = -(-sequences // launch.SEQUENCE_THREADS)
        kernel[blocks, launch.SEQUENCE_THREADS, wanted](
            *vectors, matrix.flat, places, *on_grid, real(log_threshold), real(variance_factor),
            length, wrap(figures).reshape(figures.size), wrap(log_e).reshape(log_e.size),
            stopping_time, sequences,
        )  # fmt: skip
    rows = tuple(figures[row] for row in range(_concentration.FIGURES))
    return Concentration.of_rows(length, rows, log_e, stopping_time)
