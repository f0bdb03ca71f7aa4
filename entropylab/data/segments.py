"""Plain segments and rare words, written for this project, so that no model and no table has seen them."""

from __future__ import annotations

from importlib import resources


def plain_segments() -> list[str]:
    """Two hundred plain phrases of eight words, in the manner of the novels that the cipher models are trained on.

    Returns
    -------
    list of str
        Small letters and single spaces, at most 40 characters each; the first 40 are for development.
    """
    return _lines("plain_segments.txt")


def rare_words() -> dict[int, list[str]]:
    """Words that are rare in novels, by length.

    Returns
    -------
    dict of int to list of str
        Lengths 2 to 9, at least eight words each.
    """
    return {len(line.split()[0]): line.split() for line in _lines("rare_words.txt")}


def _lines(name: str) -> list[str]:
    return (resources.files("entropylab.data") / name).read_text(encoding="utf-8").splitlines()
