"""How many letters must change: Levenshtein 1966."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entropylab.kernels.cpu.compiling import exact


def levenshtein(first: str, second: str) -> int:
    """Least number of insertions, deletions and replacements of characters that turn one text into another.

    Parameters
    ----------
    first, second : str
        Any texts.

    Returns
    -------
    int
        0 for equal texts, at most the length of the longer one.

    Raises
    ------
    TypeError
        If an argument is not a str.
    """
    if not (isinstance(first, str) and isinstance(second, str)):
        raise TypeError(
            f"first, second: got {type(first).__name__} and {type(second).__name__}, allowed is str"
        )
    codes = (np.array([ord(character) for character in text], dtype=np.int32) for text in (first, second))
    return int(_distance(*codes))


@exact
def _distance(a: NDArray[np.int32], b: NDArray[np.int32]) -> int:
    row = np.arange(b.size + 1)
    for i in range(a.size):
        diagonal, row[0] = row[0], i + 1
        for j in range(b.size):
            replaced = diagonal + (0 if a[i] == b[j] else 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
    return row[b.size]
