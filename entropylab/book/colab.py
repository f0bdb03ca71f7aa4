"""The first cell of every notebook: on Colab it completes the installation, elsewhere it says the backend."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "entropylab-book"

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
# Colab's torch and CUDA packages fit its driver; another version of one of them breaks the session.
_UNTOUCHED = re.compile(r"^(torch|nvidia|cuda|triton|cupy|jax)", re.IGNORECASE)


def bootstrap() -> None:
    """Make the package usable in this notebook, and print one line with the backend.

    On Colab, requirements that are not installed are installed; whatever is installed keeps its version,
    because pip gets all of them as constraints. Torch and CUDA packages are never named to pip. Elsewhere
    nothing is installed.

    Raises
    ------
    RuntimeError
        If pip fails; its last lines are in the message.
    """
    if "google.colab" in sys.modules:
        install_missing()
    import entropylab

    print(f"entropylab {entropylab.__version__}, backend: {entropylab.backend()}")


def missing_requirements(requirements: list[str], installed: set[str]) -> list[str]:
    """Those requirements that have to be installed.

    Parameters
    ----------
    requirements : list of str
        As in a wheel's metadata, extras included (those are left out).
    installed : set of str
        Names of the installed distributions.

    Returns
    -------
    list of str
        Requirements of the package itself that are not installed, without torch and CUDA packages.
    """
    have = {_normal(name) for name in installed}
    wanted = []
    for line in requirements:
        requirement, _, marker = line.partition(";")
        match = _NAME.match(requirement)
        if match is None or "extra" in marker or _UNTOUCHED.match(match[0]) or _normal(match[0]) in have:
            continue
        wanted.append(requirement.strip())
    return wanted


def install_missing() -> list[str]:
    """Install what is missing under constraints that freeze everything else; returns what was asked for."""
    frozen = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    wanted = missing_requirements(metadata.requires(DISTRIBUTION) or [], set(frozen))
    if not wanted:
        return []
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in frozen.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "-c", str(constraints), *wanted]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"pip could not install {', '.join(wanted)}: {answer.stderr.strip()[-500:]}")
    return wanted


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
