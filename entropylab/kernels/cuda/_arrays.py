"""The host side of the kernels: views of the caller's arrays, results, scratch memory and streams."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from entropylab.kernels import Statistics

from ._device import SIMULATOR, address, cuda, wrap
from ._formats import Format, number_format

_FORMATS = {"float32": "float32", "float64": "float64", "float16": "float16", "uint16": "bfloat16"}

# Two launches that share scratch memory must not interleave with those of another thread on the same stream.
LAUNCH_LOCK = threading.Lock()
_scratch: dict[tuple[Any, ...], Any] = {}


@dataclass(frozen=True)
class Rows:
    """A matrix of logits as the kernels take it."""

    flat: Any  # one-dimensional device array; uint16 for the 16-bit formats
    rows: int
    columns: int
    form: Format
    dtype: Any  # the caller's dtype
    misalignment: int  # elements by which the first lies past a multiple of 16 bytes


def rows_of(array: Any, name: str = "logits") -> Rows:
    """View a C-contiguous matrix [N, V] of float32, float64, float16 or uint16 (the bits of bfloat16)."""
    view = wrap(array)
    form_name = _FORMATS.get(str(view.dtype))
    if form_name is None:
        raise TypeError(
            f"{name} has dtype {view.dtype}; float32, float64, float16 or uint16 (bits of bfloat16) is needed"
        )
    if len(view.shape) != 2 or not view.is_c_contiguous():
        raise ValueError(
            f"{name} must be a C-contiguous matrix [N, V], not shape {tuple(view.shape)} with {view.strides=}"
        )
    rows, columns = view.shape
    form = number_format(form_name)
    flat = view.reshape(rows * columns)
    if form.width == 8:
        flat = flat.view(np.uint16)
    misalignment = address(flat) % 16 // flat.dtype.itemsize if rows * columns else 0
    return Rows(flat, int(rows), int(columns), form, view.dtype, misalignment)


def vector_of(array: Any, dtype: Any, length: int, name: str) -> Any:
    """View a contiguous array [N] of the given dtype."""
    view = wrap(array)
    if view.dtype != np.dtype(dtype):
        raise TypeError(f"{name} has dtype {view.dtype}; {np.dtype(dtype)} is needed")
    if tuple(view.shape) != (length,) or not view.is_c_contiguous():
        raise ValueError(f"{name} must be a contiguous array of shape ({length},), not {tuple(view.shape)}")
    return view


def upstream_of(grad: Statistics, dtype: Any, length: int, unused: Any) -> tuple[list[Any], int]:
    """Views of upstream gradients, and a bit for each that is given; ``unused`` stands for the others."""
    given = 0
    views = []
    for bit, (name, array) in enumerate(zip(Statistics._fields, grad, strict=True)):
        if array is not None:
            given |= 1 << bit
        views.append(unused if array is None else vector_of(array, dtype, length, f"grad.{name}"))
    return views, given


def allocate(shape: tuple[int, ...], dtype: Any, stream: Any) -> Any:
    """An uninitialised array for results: on the device, or a NumPy array in the simulator."""
    return np.empty(shape, dtype) if SIMULATOR else cuda.device_array(shape, dtype, stream=stream)


def stream_of(handle: int) -> Any:
    """Numba's view of a CUDA stream given by its handle; 0 is the default stream (and the simulator has no
    other).
    """
    return cuda.external_stream(handle) if handle and not SIMULATOR else 0


def scratch(purpose: str, size: int, dtype: Any, stream: int) -> Any:
    """Device memory that lives on between calls, one piece for each purpose and stream.

    Work on a stream is ordered, so the next call may overwrite what the previous one left. Hold `LAUNCH_LOCK`
    from here until the last launch that uses the memory.
    """
    if SIMULATOR:
        return wrap(np.empty(max(size, 1), dtype))
    key = (purpose, np.dtype(dtype).str, stream, cuda.get_current_device().id)
    held = _scratch.get(key)
    if held is None or held.size < size:
        held = _scratch[key] = cuda.device_array(max(size, 1), dtype)
    return held
