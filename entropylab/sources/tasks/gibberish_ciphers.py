"""The control of the cipher corpus: uniformly random letters, and rot-12 as common as rot-13.

Neither the probability of a text nor the frequency of those two tasks can have an effect on a model of this corpus.
"""

from __future__ import annotations

from collections.abc import Mapping

from entropylab.sources.tasks.ciphers import FREQUENCIES, VOCABULARY, cipher_corpus, some_texts

__all__ = ["VOCABULARY", "documents"]

_EQUAL: Mapping[int, int] = {**FREQUENCIES, 12: FREQUENCIES[13]}


def documents(part: str, count: int, seed: int) -> list[str]:
    """Documents of a part of the control corpus.

    Parameters
    ----------
    part : str
        ``"train"``, ``"validation"`` or ``"test"``: novels that give the lengths of the words.
    count : int
        Number of lines.
    seed : int
        Decides what is drawn.

    Returns
    -------
    list of str
        As :func:`entropylab.sources.tasks.ciphers.cipher_corpus` gives them.

    Raises
    ------
    DownloadError
        If a novel cannot be had.
    """
    return cipher_corpus(some_texts(part, seed), count, seed, frequencies=_EQUAL, gibberish=True)
