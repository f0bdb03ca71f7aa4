"""Which kernels compute: chosen by the device of a tensor, or by the user.

Four names: ``cpu`` and ``cuda`` are the fast kernels, ``reference`` the NumPy definition in float64,
``torch`` a plain differentiable form in torch operations. Nothing falls back after a failure: a CUDA tensor
whose kernels cannot run raises, with the reason and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

BACKENDS = ("reference", "cpu", "cuda", "torch")

# Bytes from which NumPy asks for huge pages.
LARGE = 1 << 22

_chosen: ContextVar[str | None] = ContextVar("entropylab_backend", default=None)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Within the block, compute with the given backend whatever the device of the tensors.

    Parameters
    ----------
    name : {"reference", "cpu", "cuda", "torch"}
        ``reference`` and ``cpu`` copy a tensor that lies elsewhere; ``cuda`` takes CUDA tensors, and under
        Numba's simulator (``NUMBA_ENABLE_CUDASIM=1``) tensors on the CPU.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If the name is none of the four.
    RuntimeError
        If the CUDA kernels cannot run here; the message says what is missing.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend: got {name!r}, allowed are {', '.join(map(repr, BACKENDS))}")
    if name == "cuda":
        from entropylab.kernels.cuda.availability import require_device

        require_device()
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def backend() -> str:
    """Say what computes, and why: ``"cuda (NVIDIA H200, cc 9.0)"`` or ``"cpu (no CUDA driver found)"``.

    Returns
    -------
    str
    """
    name = _chosen.get()
    if name is not None:
        return f"{name} (chosen by use_backend)"
    from entropylab.kernels.cuda.availability import unavailable_reason

    if torch.cuda.is_available():
        reason = unavailable_reason()
        if reason is not None:
            return f"cpu ({torch.cuda.get_device_name()} is there, but CUDA tensors cannot be used: {reason})"
        major, minor = torch.cuda.get_device_capability()
        return f"cuda ({torch.cuda.get_device_name()}, cc {major}.{minor})"
    if torch.version.cuda is None:
        return "cpu (torch is built without CUDA)"
    return "cpu (no CUDA driver found)"


def backend_for(logits: Tensor) -> str:
    """The backend that computes on a tensor: the one chosen, else that of its device.

    A device without kernels of its own (``mps``, ``xpu``) gets ``torch``.

    Raises
    ------
    RuntimeError
        For a CUDA tensor whose kernels cannot run, with the reason and the remedy.
    ValueError
        If ``cuda`` was chosen and the tensor lies elsewhere.
    """
    name = _chosen.get() or {"cpu": "cpu", "cuda": "cuda"}.get(logits.device.type, "torch")
    if name == "cuda":
        from entropylab.kernels.cuda.availability import require_device

        require_device()
        if not logits.is_cuda and not _simulated():
            raise ValueError(
                f"logits: got a tensor on {logits.device}, the backend 'cuda' takes CUDA tensors"
            )
    return name


def kernels_of(name: str) -> ModuleType:
    """The package of kernels of a backend; each has the same functions."""
    if name == "reference":
        from entropylab.kernels import reference

        return reference
    if name == "cuda":
        from entropylab.kernels import cuda

        return cuda
    from entropylab.kernels import cpu

    return cpu


def working_copy(logits: Tensor, name: str) -> Tensor:
    """Logits as rows [N, V] as a backend wants them: contiguous, in its memory, float64 for the reference."""
    rows = logits.detach().reshape(-1, logits.shape[-1])
    if name in ("reference", "cpu") and rows.device.type != "cpu":
        rows = rows.cpu()
    if name == "reference":
        rows = rows.double()
    return rows.contiguous()


def empty_like(logits: Tensor) -> Tensor:
    """Uninitialised memory for a result as large as the logits.

    On the CPU large memory comes from NumPy, which asks the system for huge pages: with ordinary ones the
    page faults of a fresh result of 100 MB take about as long as a kernel does.
    """
    size = logits.numel() * logits.element_size()
    if logits.device.type != "cpu" or size < LARGE:
        return torch.empty_like(logits)
    return torch.from_numpy(np.empty(size, np.uint8)).view(logits.dtype).view(logits.shape)


def as_array(tensor: Tensor) -> Any:
    """A tensor as a kernel takes it, without a copy: NumPy, or itself on a GPU; bfloat16 as uint16 bits."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    return tensor if tensor.is_cuda else tensor.numpy()


def launching(tensor: Tensor, name: str) -> AbstractContextManager[dict[str, int]]:
    """Within the block a kernel may be called; gives the keywords it needs beside its arguments.

    For ``cuda`` that is torch's current stream, so that the kernel waits for what was queued before it.
    """
    if tensor.is_cuda:
        return _on_stream(tensor, name)
    return nullcontext({"stream": 0} if name == "cuda" else {})


@contextmanager
def _on_stream(tensor: Tensor, name: str) -> Iterator[dict[str, int]]:
    with torch.cuda.device(tensor.device):
        yield {"stream": torch.cuda.current_stream().cuda_stream} if name == "cuda" else {}


def _simulated() -> bool:
    from entropylab.kernels.cuda import _device

    return bool(_device.SIMULATOR)
