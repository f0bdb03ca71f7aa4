"""The texts that a recipe trains on, by corpus: novels, the standard library's source code, generated tasks."""

from __future__ import annotations

import importlib
import platform
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from entropylab.data.novels import novel_names, read_novels

# Not human prose in Python: tests with generated data, demonstrations, bundled wheels and grammars.
_LEFT_OUT = frozenset(
    {"test", "idlelib", "lib2to3", "turtledemo", "ensurepip", "pydoc_data", "this", "antigravity"}
)


class Document(NamedTuple):
    """Texts under one name: a book, a module with its files, or a set of generated problems."""

    name: str
    texts: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Size of the texts in UTF-8."""
        return sum(len(text.encode()) for text in self.texts)


class Reader(NamedTuple):
    """A corpus: what it consists of, which documents it has, and how one of them is read."""

    about: str
    names: Callable[[Mapping[str, int]], list[str]]
    read: Callable[[str, Mapping[str, int]], tuple[str, ...]]


def module_names() -> list[str]:
    """Top-level modules of the running interpreter's standard library that exist as Python source, sorted."""
    return sorted(name for name in sys.stdlib_module_names - _LEFT_OUT if _module_files(name))


def _module_files(name: str) -> list[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    if (library / f"{name}.py").is_file():
        return [library / f"{name}.py"]
    files = (library / name).rglob("*.py")
    return sorted(file for file in files if not {"test", "tests"} & set(file.relative_to(library).parts))


def _read_module(name: str, _: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8", errors="replace") for file in _module_files(name))


def _task(module: str, about: str = "", **chosen: str) -> Reader:
    """A generated task: one document for each part, of as many texts as the recipe asks for."""

    def read(part: str, options: Mapping[str, int]) -> tuple[str, ...]:
        source = importlib.import_module(f"entropylab.sources.tasks.{module}")
        return tuple(source.documents(part, options[part], options["seed"], **chosen))

    def names(options: Mapping[str, int]) -> list[str]:
        return [part for part in ("train", "validation", "test") if part in options]

    return Reader(f"generated texts of the task '{module}'{about}", names, read)


READERS: dict[str, Reader] = {
    "novels": Reader(
        "English novels of 1840 to 1930 (public domain; pinned in the package's registry)",
        lambda _: novel_names(),
        lambda name, _: (read_novels([name])[0].text,),
    ),
    "python": Reader(
        f"modules of the standard library of Python {platform.python_version()} (PSF licence)",
        lambda _: module_names(),
        _read_module,
    ),
    "arithmetic": _task("arithmetic"),
    "ciphers": _task("ciphers"),
    "countdown": _task("countdown", ", without synonyms", style="plain"),
    "countdown_chatty": _task("countdown", ", with free synonyms", style="chatty"),
    "gibberish_ciphers": _task("gibberish_ciphers"),
}


def document_names(corpus: str, options: Mapping[str, int]) -> list[str]:
    """Names of the documents of a corpus.

    Parameters
    ----------
    corpus : str
        A key of ``READERS``.
    options : mapping of str to int
        For a generated task: the number of texts in each part, and the seed.

    Returns
    -------
    list of str
        In a fixed order.

    Raises
    ------
    ValueError
        If there is no such corpus.
    """
    if corpus not in READERS:
        raise ValueError(f"corpus: got {corpus!r}, allowed are {sorted(READERS)}")
    return READERS[corpus].names(options)


def read_documents(corpus: str, names: tuple[str, ...], options: Mapping[str, int]) -> list[Document]:
    """Read or generate documents of a corpus; see :func:`document_names`.

    Raises
    ------
    DownloadError
        If a novel cannot be had.
    """
    return [Document(name, READERS[corpus].read(name, options)) for name in names]
