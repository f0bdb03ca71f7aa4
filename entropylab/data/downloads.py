"""One registry of public files, each pinned to a commit and a SHA-256 checksum.

A file is read from GitHub's raw server, or from the folder that ``ENTROPYLAB_MIRROR`` names, laid out as
``<mirror>/<owner>/<repository>/<commit>/<path>``. The checksum is the same either way.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

MIRROR_VARIABLE = "ENTROPYLAB_MIRROR"


class DownloadError(RuntimeError):
    """A registered file could not be had, or is not the file that was registered."""


class RemoteFile(NamedTuple):
    """One line of the registry: where a file is, and how to know that it is the right one."""

    name: str
    repository: str
    commit: str
    path: str
    bytes: int
    sha256: str
    licence: str

    @property
    def url(self) -> str:
        """Address of the pinned file."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.path}"

    @property
    def location(self) -> Path:
        """Path of the file below a mirror or below the cache."""
        return Path(self.repository) / self.commit / self.path


@cache
def registry() -> dict[str, RemoteFile]:
    """All files that the package knows how to download.

    Returns
    -------
    dict of str to RemoteFile
        By name, for example ``"novels/Woolf_Lighthouse_1927"``.
    """
    text = (resources.files("entropylab.data") / "registry.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    files = [RemoteFile(bytes=int(row.pop("bytes")), **row) for row in rows]
    return {file.name: file for file in files}


def fetch(name: str) -> Path:
    """Give a local copy of a registered file, downloading it if need be.

    Parameters
    ----------
    name : str
        A name of :func:`registry`.

    Returns
    -------
    Path
        A file whose SHA-256 is the registered one.

    Raises
    ------
    ValueError
        If the name is not registered.
    DownloadError
        If the file cannot be reached, or its checksum is wrong. No partial file is left behind.
    """
    file = registry().get(name)
    if file is None:
        near = difflib.get_close_matches(name, registry(), n=3)
        hint = (
            f"did you mean {', '.join(map(repr, near))}?"
            if near
            else "entropylab.data.registry() lists the names"
        )
        raise ValueError(f"name: no registered file is called {name!r}; {hint}")
    mirror = os.environ.get(MIRROR_VARIABLE)
    return _from_mirror(file, Path(mirror)) if mirror else _from_network(file)


def _from_mirror(file: RemoteFile, mirror: Path) -> Path:
    path = mirror / file.location
    if not path.is_file():
        raise DownloadError(f"{file.name}: {MIRROR_VARIABLE} is set, but there is no file {path}")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise DownloadError(f"{file.name}: {path} has SHA-256 {found}, registered is {file.sha256}")
    return path


def _from_network(file: RemoteFile) -> Path:
    import pooch

    target = Path(pooch.os_cache("entropylab")) / file.location
    try:
        # pooch downloads beside the target, checks, and only then moves: a failure leaves no half file.
        path = pooch.retrieve(
            url=file.url, known_hash=f"sha256:{file.sha256}", fname=target.name, path=target.parent
        )
    except ValueError as error:
        raise DownloadError(
            f"{file.name}: what {file.url} sent is not the registered file ({error}); nothing was kept"
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{file.name}: {file.url} cannot be reached ({type(error).__name__}); check the network, or name a "
            f"folder that holds <owner>/<repository>/<commit>/<path> in {MIRROR_VARIABLE}"
        ) from error
    return Path(path)
