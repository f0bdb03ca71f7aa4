"""``entropylab doctor``: what is installed, what runs where and why, what is missing, and what to do about it."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "entropylab-book"

# The optional parts, the package by which each is known, and what one has it for.
EXTRAS = {
    "book": ("jupyter-book", "building the book"),
    "ray": ("ray", "entropylab score --engine ray"),
    "trl": ("trl", "credit rules inside TRL's GRPOTrainer"),
    "test": ("pytest", "running the tests"),
}
_GPU_EXTRAS = {12: "gpu-cu12", 13: "gpu-cu13"}


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes
    ----------
    name : str
    answer : str
        One line, or several.
    remedy : str
        What to do, one line; empty if there is nothing to do.
    broken : bool
        Whether something is broken that the package cannot do without.
    """

    name: str
    answer: str
    remedy: str = ""
    broken: bool = False


def examine() -> Iterator[Finding]:
    """Run all checks. One that fails says so, and the others still run.

    Yields
    ------
    Finding
    """
    for name, (check, required) in CHECKS.items():
        try:
            answer, remedy = check()
        except Exception as error:  # a broken installation is what this command is for
            again = "pip install --force-reinstall --no-deps" if required else "pip install --upgrade"
            yield Finding(
                name,
                f"broken: {type(error).__name__}: {error}",
                f"{again} {_PACKAGES.get(name, DISTRIBUTION)}",
                required,
            )
        else:
            yield Finding(name, answer, remedy)


def report(finding: Finding) -> str:
    """A finding as it is printed: the name in the first 14 columns, the remedy below.

    Parameters
    ----------
    finding : Finding

    Returns
    -------
    str
    """
    first, *others = finding.answer.splitlines() or [""]
    lines = [f"{finding.name:<14}{first}", *(f"{'':<14}{line}" for line in others)]
    if finding.remedy:
        lines.append(f"{'':<14}remedy: {finding.remedy}")
    return "\n".join(lines)


_Answer = tuple[str, str]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _install(extra: str) -> str:
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def _package() -> _Answer:
    import entropylab

    return f"{entropylab.__version__} in {Path(entropylab.__file__).parent}", ""


def _python() -> _Answer:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}", ""


def _backend() -> _Answer:
    import entropylab

    return entropylab.backend(), ""


def _torch() -> _Answer:
    import torch

    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return f"{torch.__version__}, {built}", ""


def _imported(name: str) -> Callable[[], _Answer]:
    def check() -> _Answer:
        import importlib

        return str(importlib.import_module(name).__version__), ""

    return check


def _kernels() -> _Answer:
    """The CPU kernels compile, run, and give a number that is known."""
    import torch

    import entropylab
    from entropylab.information import entropy

    with entropylab.use_backend("cpu"):
        value = float(entropy(torch.zeros(8)))
    if abs(value - math.log(8)) > 1e-6:
        raise RuntimeError(f"the entropy of 8 equal logits is ln 8, and {value} came out")
    return "work (the entropy of 8 equal logits is ln 8)", ""


def _gpu() -> _Answer:
    import torch

    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        return "\n".join(
            f"{d.name}, {d.total_memory / 2**30:.0f} GiB, cc {d.major}.{d.minor}" for d in devices
        ), ""
    version = driver_version()
    if version is None:
        return "none in reach (no CUDA driver): everything runs on the CPU", ""
    if torch.version.cuda is None:
        return "not used: there is a CUDA driver, and torch is built without CUDA", (
            "install the CUDA build of torch, https://pytorch.org/get-started/locally"
        )
    return "none in reach of torch, although there is a CUDA driver", (
        "see that nvidia-smi lists the GPU, and that CUDA_VISIBLE_DEVICES does not hide it"
    )


def _driver() -> _Answer:
    version = driver_version()
    if version is None:
        return f"none ({_driver_library()} not found)", ""
    if version == 0:
        return "found, but it does not answer", "update the NVIDIA driver"
    return f"CUDA {version // 1000}.{version % 1000 // 10}", ""


def _driver_library() -> str:
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def driver_version() -> int | None:
    """Version of the CUDA driver, 13000 for 13.0; 0 if it does not answer, ``None`` if there is none."""
    try:
        library = ctypes.CDLL(_driver_library())
    except OSError:
        return None
    version = ctypes.c_int()
    return version.value if library.cuDriverGetVersion(ctypes.byref(version)) == 0 else 0


def _numba_cuda() -> _Answer:
    from entropylab.kernels.cuda.availability import unavailable_reason

    installed, driver = _version("numba-cuda"), driver_version()
    reason = unavailable_reason()
    if reason is None:
        return f"{installed}, usable", ""
    # Without a GPU there is nothing to be done, and nothing is lacking.
    extra = _GPU_EXTRAS.get((driver or 0) // 1000)
    remedy = _install(extra) if driver and extra else ""
    if installed is None:
        return "not installed (only a GPU needs it)", remedy
    return f"{installed}, not usable: {reason.rstrip('.')}", remedy


def _cpu() -> _Answer:
    import torch

    from entropylab.kernels.cpu.threads import thread_count

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores in reach; threads: {thread_count()} for the kernels (NUMBA_NUM_THREADS), "
        f"{torch.get_num_threads()} for torch (OMP_NUM_THREADS)"
    ), ""


def _scale() -> _Answer:
    from entropylab.book import scale

    return f"{scale()} (ENTROPYLAB_SCALE {'set' if os.environ.get('ENTROPYLAB_SCALE') else 'not set'})", ""


def _mirror() -> _Answer:
    folder = os.environ.get("ENTROPYLAB_MIRROR")
    if not folder:
        return "not set (ENTROPYLAB_MIRROR): files are downloaded when they are needed", ""
    if Path(folder).is_dir():
        return folder, ""
    return f"ENTROPYLAB_MIRROR names {folder}, and there is no such folder", (
        "name another folder, or unset ENTROPYLAB_MIRROR to download"
    )


def _cache() -> _Answer:
    import pooch

    return _writable(Path(pooch.os_cache("entropylab")), "XDG_CACHE_HOME")


def _hub_cache() -> _Answer:
    from huggingface_hub import constants

    return _writable(Path(constants.HF_HUB_CACHE), "HF_HOME")


def _writable(folder: Path, variable: str) -> _Answer:
    """Whether files can be written below a folder, which need not be there yet."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return f"{folder}, writable" + ("" if nearest == folder else " (made at the first download)"), ""
    return f"{folder}, not writable", f"name a folder that you may write to: {variable}=<folder>"


def _zoo() -> _Answer:
    from entropylab.models import list_models, model_folder

    names = list_models()
    if not names:
        raise FileNotFoundError("the package has no models with it")
    sizes = {
        name: sum(f.stat().st_size for f in model_folder(name).iterdir() if f.is_file()) for name in names
    }
    width = max(map(len, names))
    lines = [f"{len(names)} in the zoo, {sum(sizes.values()) / 1e6:.1f} MB"]
    return "\n".join(lines + [f"{name:<{width}} {size / 1e6:5.1f} MB" for name, size in sizes.items()]), ""


def _extra(extra: str) -> Callable[[], _Answer]:
    def check() -> _Answer:
        probe, purpose = EXTRAS[extra]
        if version := _version(probe):
            return f"{probe} {version}, for {purpose}", ""
        return f"{probe} is not installed; it is optional, for {purpose}", _install(extra)

    return check


# Name, check, and whether the package cannot do without.
CHECKS: dict[str, tuple[Callable[[], _Answer], bool]] = {
    "entropylab": (_package, True),
    "python": (_python, True),
    "backend": (_backend, True),
    "torch": (_torch, True),
    "transformers": (_imported("transformers"), True),
    "numba": (_imported("numba"), True),
    "pyarrow": (_imported("pyarrow"), True),
    "CPU kernels": (_kernels, True),
    "GPU": (_gpu, False),
    "CUDA driver": (_driver, False),
    "numba-cuda": (_numba_cuda, False),
    "CPU": (_cpu, False),
    "scale": (_scale, False),
    "mirror": (_mirror, False),
    "cache": (_cache, False),
    "hub cache": (_hub_cache, False),
    **{f"extra {name}": (_extra(name), False) for name in EXTRAS},
    "models": (_zoo, True),
}
_PACKAGES = {name: name for name in ("torch", "transformers", "numba", "pyarrow", "numba-cuda")}
