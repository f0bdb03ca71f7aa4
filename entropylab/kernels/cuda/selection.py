"""Locally typical truncation (Meister et al., 2023, "Locally Typical Sampling", TACL 11) on the GPU, without
a sort.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from entropylab.kernels.cuda.availability import require_device
from entropylab.kernels.cuda.measures import run_statistics

# The modules that import Numba are imported inside the functions: this one must load where Numba or a driver
# is missing.


def _target(mass: float) -> int:
    """The mass to keep as an integer, rounded up: a sum of integers reaches it if and only if it reaches
    ``mass``.

    From 1 on no sum may reach it, whatever its rounding, so that everything is kept.
    """
    from entropylab.kernels.cuda._formats import MASS_BITS

    return math.ceil(Fraction(mass) * 2**MASS_BITS) if mass < 1 else 1 << 62


def typical_filter(
    logits: Any,
    mass: float,
    min_tokens_to_keep: int = 1,
    filter_value: float = -math.inf,
    *,
    out: Any = None,
    stream: int = 0,
) -> Any:
    """Replace the logits of the tokens outside each row's locally typical set.

    Tokens are taken in order of ``|-log p - H|`` until they hold the mass; tokens that tie with the last are
    kept too. The rule is that of transformers' ``TypicalLogitsWarper``; a logit of -inf is never kept.

    Parameters
    ----------
    logits : array [N, V]
        C-contiguous, with ``__cuda_array_interface__``; float32, float64, float16, or uint16 holding bfloat16
        bits.
    mass : float
        Probability to keep, above 0; from 1 on the logits are returned unchanged.
    min_tokens_to_keep : int
        Keep at least so many tokens (and those that tie with the last).
    filter_value : float
        What the other logits become.
    out : array [N, V], optional
        Where to write, dtype of the logits. It may be the logits themselves.
    stream : int
        Handle of the CUDA stream to run on; 0 is the default stream. The call does not wait for the result.

    Returns
    -------
    array [N, V]
        The filtered logits. A row with NaN or +inf, or with nothing but -inf, becomes NaN.

    Raises
    ------
    RuntimeError
        If there is no GPU, driver or numba-cuda; the message says which.
    TypeError, ValueError
        If an array has the wrong dtype, shape or layout.

    Notes
    -----
    Deterministic: masses are summed as integers in units of 2**-50. Three reads of the logits and one write;
    one more read where more than `launch.CAPACITY` tokens crowd the 1/64 nat that holds the cut. The kept set
    is that of exact arithmetic unless a cumulative sum lies within 1e-9 (float64) or 1e-5 (other formats) of
    the mass.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _statistics, _typical, launch

    rows = _arrays.rows_of(logits)
    wanted = _arrays.stream_of(stream)
    if out is None:
        out = _arrays.allocate((rows.rows, rows.columns), rows.dtype, wanted)
    result = _arrays.rows_of(out, "out")
    if (result.rows, result.columns, result.dtype) != (rows.rows, rows.columns, rows.dtype):
        raise ValueError(f"out must be of shape ({rows.rows}, {rows.columns}) and dtype {rows.dtype}")
    if rows.rows == 0 or rows.columns == 0:
        return out
    if mass >= 1:
        result.flat.copy_to_device(rows.flat, stream=wanted)
        return out
    with _arrays.LAUNCH_LOCK:
        moments = run_statistics(rows, None, 1.0, [], _statistics.WRITE_MOMENTS, stream)
        kernel = _typical.filter_kernel(rows.form.name)
        kernel[rows.rows, launch.SELECT_THREADS, wanted](
            rows.flat, result.flat, moments, rows.columns, rows.misalignment, result.misalignment,
            _target(mass), int(min_tokens_to_keep), rows.form.real(filter_value),
        )  # fmt: skip
    return out


def typical_sample(
    logits: Any,
    mass: float,
    uniforms: Any,
    min_tokens_to_keep: int = 1,
    *,
    out: Any = None,
    stream: int = 0,
) -> Any:
    """Draw one token of each row from its locally typical set, without writing the filtered logits.

    The token is the first, in vocabulary order, at which the cumulative mass of the kept tokens exceeds u
    times their total mass.

    Parameters
    ----------
    logits, mass, min_tokens_to_keep, stream
        As for `typical_filter`; a mass of 1 or more keeps every token.
    uniforms : array [N] of float64 or float32
        Numbers in [0, 1), one for each row.
    out : array [N] of int64, optional
        Where to write.

    Returns
    -------
    array [N] of int64
        Tokens; -1 for a row with NaN or +inf, or with nothing but -inf.

    Raises
    ------
    RuntimeError, TypeError, ValueError
        As `typical_filter`.

    Notes
    -----
    Deterministic, by integer sums. Three reads of the logits and a sixteenth of a fourth.
    """
    require_device()
    from entropylab.kernels.cuda import _arrays, _statistics, _typical, launch
    from entropylab.kernels.cuda._device import wrap

    rows = _arrays.rows_of(logits)
    n = rows.rows
    wanted = _arrays.stream_of(stream)
    if out is None:
        out = _arrays.allocate((n,), np.int64, wanted)
    tokens = _arrays.vector_of(out, np.int64, n, "out")
    # The kernel takes the bits of the uniforms apart itself: float32 kernels have no float64 instruction.
    kind = str(wrap(uniforms).dtype)
    if kind not in ("float32", "float64"):
        raise TypeError(f"uniforms has dtype {kind}; float32 or float64 is needed")
    bits = 32 if kind == "float32" else 64
    numbers = _arrays.vector_of(uniforms, kind, n, "uniforms").view(np.int32 if bits == 32 else np.int64)
    if n == 0:
        return out
    with _arrays.LAUNCH_LOCK:
        moments = run_statistics(rows, None, 1.0, [], _statistics.WRITE_MOMENTS, stream)
        kernel = _typical.sample_kernel(rows.form.name, bits)
        kernel[n, launch.SELECT_THREADS, wanted](
            rows.flat,
            tokens,
            numbers,
            moments,
            rows.columns,
            rows.misalignment,
            _target(mass),
            int(min_tokens_to_keep),
        )
    return out
