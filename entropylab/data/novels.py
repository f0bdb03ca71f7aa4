"""English novels of 1840 to 1930, in the public domain: the corpus of the English models.

Source: the benchmark corpus "100 English Novels" of the Computational Stylistics Group, of which the registry
pins 91 texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from entropylab.data.downloads import fetch, registry

PREFIX = "novels/"


class Novel(NamedTuple):
    """One book: its name in the registry, without the prefix, and its text."""

    name: str
    text: str


def novel_names() -> list[str]:
    """Names of all registered novels, sorted, such as ``"Woolf_Lighthouse_1927"`` (author, title, year)."""
    return sorted(name.removeprefix(PREFIX) for name in registry() if name.startswith(PREFIX))


def read_novels(names: Iterable[str]) -> list[Novel]:
    """Read novels, downloading them if need be.

    The text is as in the source, printed line breaks included; only the byte-order mark goes, and line ends
    are ``\\n``.

    Parameters
    ----------
    names : iterable of str
        Names as :func:`novel_names` gives them.

    Returns
    -------
    list of Novel
        In the order asked for.

    Raises
    ------
    ValueError
        If a name is not registered.
    DownloadError
        If a file cannot be had.
    """
    return [Novel(name, fetch(PREFIX + name).read_text(encoding="utf-8-sig")) for name in names]
