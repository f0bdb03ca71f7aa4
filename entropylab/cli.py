"""The command line: ``entropylab`` or ``python -m entropylab``.

Imports of anything heavy stand inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import difflib
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="entropylab",
    help="Entropy of language models: what runs here, the models, benchmarks, training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, for example english-s.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default training/RECIPE.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint, or start anew.")] = True,
) -> None:
    """Train a model of the zoo from its recipe. Stop it at any time: the next call goes on.

    \f
    Parameters
    ----------
    recipe : str
        A name of ``entropylab.models.training.recipe_names()``.
    out : Path, optional
        Folder of the run.
    resume : bool
        Go on from the last checkpoint.
    """
    from entropylab.models import training

    names = training.recipe_names()
    if recipe not in names:
        near = difflib.get_close_matches(recipe, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        _fail(f"There is no recipe {recipe!r}.{hint} There are: {', '.join(names)}.")
    run = out or Path("training") / recipe
    if not resume and run.exists():
        typer.confirm(f"Remove {run} and start anew?", abort=True)
    try:
        folder = training.train(recipe, out, resume)
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on from the last checkpoint.", status=130)
    except (RuntimeError, OSError) as error:
        _fail(str(error))
    typer.echo(f"The model is in {folder}")


@app.command()
def bench(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="File to write; default results/benchmarks/DEVICE.json.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a first look.")] = False,
) -> None:
    """Time the kernels beside torch and transformers, on the same data in one process.

    \f
    Parameters
    ----------
    device : str
        ``"cpu"`` or ``"cuda"``.
    out : Path, optional
        The JSON file to write.
    quick : bool
        Small sizes.
    """
    from entropylab import bench as benchmarks

    try:
        benchmarks.run(device=device, out=out, quick=quick)
    except (ValueError, RuntimeError) as error:
        _fail(str(error))


@app.command()
def backend() -> None:
    """Say in one line which kernels run, and why."""
    import entropylab

    typer.echo(entropylab.backend())


@app.command()
def models() -> None:
    """List the models that come with the package."""
    from entropylab.models import list_models

    for name in list_models():
        typer.echo(name)


@app.command()
def doctor() -> None:
    """Say what is installed, what runs where, and what is missing."""
    for name, answer in _checks():
        typer.echo(f"{name:<14}{answer}")


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)


def _checks() -> Iterator[tuple[str, str]]:
    """What `doctor` prints. A check that fails says so, and the others still run."""
    for name, check in _CHECKS.items():
        try:
            yield name, check()
        except Exception as error:  # a broken installation is what this command is for
            yield name, f"broken: {type(error).__name__}: {error}"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _package() -> str:
    import entropylab

    return f"{entropylab.__version__} in {Path(entropylab.__file__).parent}"


def _backend() -> str:
    import entropylab

    return entropylab.backend()


def _torch() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.__version__}, {torch.cuda.get_device_name()}"
    built = f"built for CUDA {torch.version.cuda}, no device in reach" if torch.version.cuda else "CPU build"
    return f"{torch.__version__}, {built}"


def _numba() -> str:
    import numba

    return numba.__version__


def _numba_cuda() -> str:
    if version := _version("numba-cuda"):
        return version
    return "not installed (only a GPU needs it): pip install 'entropylab-book[gpu-cu12]' or '[gpu-cu13]'"


def _driver() -> str:
    import ctypes

    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return f"none ({name} not found): everything runs on the CPU"
    version = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return "found, but it does not answer"
    return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"


def _threads() -> str:
    import numba
    import torch

    return f"{numba.get_num_threads()} numba, {torch.get_num_threads()} torch, {os.cpu_count()} cores"


def _scale() -> str:
    from entropylab.book import scale

    return f"{scale()} (ENTROPYLAB_SCALE {'set' if os.environ.get('ENTROPYLAB_SCALE') else 'not set'})"


def _mirror() -> str:
    folder = os.environ.get("ENTROPYLAB_MIRROR")
    if not folder:
        return "not set (ENTROPYLAB_MIRROR): files are downloaded when they are needed"
    return (
        folder if Path(folder).is_dir() else f"ENTROPYLAB_MIRROR names {folder}, and there is no such folder"
    )


def _zoo() -> str:
    from entropylab.models import list_models

    return ", ".join(list_models()) or "no models"


_CHECKS: dict[str, Callable[[], str]] = {
    "entropylab": _package,
    "python": _python,
    "backend": _backend,
    "torch": _torch,
    "transformers": lambda: _version("transformers") or "not installed",
    "numba": _numba,
    "numba-cuda": _numba_cuda,
    "CUDA driver": _driver,
    "threads": _threads,
    "scale": _scale,
    "mirror": _mirror,
    "models": _zoo,
}
