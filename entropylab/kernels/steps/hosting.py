"""How the CUDA steps reach the device: a few lines that a reader of the kernels may take as given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cuda._device import SIMULATOR, cuda

# Threads of a block. The simulator has one Python thread for each.
THREADS = 8 if SIMULATOR else 256


def send(array: NDArray[Any]) -> Any:
    """A copy of the array on the device, flat."""
    return cuda.to_device(np.ascontiguousarray(array).reshape(-1))


def zeros(size: int, dtype: Any) -> Any:
    """A flat array of zeros on the device."""
    return cuda.to_device(np.zeros(size, dtype))


def receive(array: Any) -> NDArray[Any]:
    """A copy on the host."""
    return np.asarray(array.copy_to_host())


def device_name() -> str:
    """``"simulator"``, or the name of the GPU."""
    if SIMULATOR:
        return "simulator"
    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)
