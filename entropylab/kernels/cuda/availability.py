"""Is there a GPU that these kernels can run on, and if not, what is missing?"""

from __future__ import annotations

import importlib.util


def unavailable_reason() -> str | None:
    """What keeps the CUDA kernels from running here, in one sentence; ``None`` if nothing does.

    Numba's simulator (``NUMBA_ENABLE_CUDASIM=1``) counts as a device.

    Returns
    -------
    str or None
    """
    if importlib.util.find_spec("numba_cuda") is None:
        return "the package numba-cuda is not installed"
    try:
        from entropylab.kernels.cuda import _device
    except ImportError as error:
        return f"numba-cuda cannot be imported ({error})"
    if _device.SIMULATOR:
        return None
    try:
        count = len(_device.cuda.gpus)
    except (
        Exception
    ) as error:  # numba-cuda raises several kinds: no driver, no permission, a driver that is too old
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[1] if len(lines) > 1 and lines[0].endswith(":") else (lines or [type(error).__name__])[0]
    return None if count else "no CUDA device is visible"


_ready = False


def require_device() -> None:
    """Return if the kernels can run here.

    Raises
    ------
    RuntimeError
        Otherwise, with what is missing and how to get it.
    """
    global _ready
    if _ready:  # a device that was there stays there
        return
    reason = unavailable_reason()
    if reason is not None:
        raise RuntimeError(
            f"the CUDA kernels cannot run: {reason.rstrip('.')}. They need an NVIDIA GPU with its driver and "
            "numba-cuda with the toolkit of the same major version: "
            'pip install "entropylab-book[gpu-cu12]" or "entropylab-book[gpu-cu13]". '
            "entropylab.kernels.cpu has the same functions for the CPU."
        )
    _ready = True
