"""Stimuli with controlled probability, after McCoy et al. 2024: the same item at high, medium and low probability.

For *outputs*, medium replaces the words by rare ones of the same length, and low shuffles all letters (a character
model hardly notices shuffled words). For *inputs* at equal outputs, letters are exchanged within their class, vowel or
consonant, so that the pattern of vowels and consonants, which is the right output, stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from entropylab.data.segments import plain_segments, rare_words
from entropylab.sources.tasks.ciphers import VOWELS

DEVELOPMENT = 40


class Stimuli(NamedTuple):
    """Texts of three conditions; entry i of each stems from the same segment."""

    high: list[str]
    medium: list[str]
    low: list[str]


def written_segments(part: str = "test") -> list[str]:
    """Segments that were written for this book: 40 for development, 160 for the test.

    Parameters
    ----------
    part : {"development", "test"}
        Which ones.

    Returns
    -------
    list of str
        Eight words each, at most 40 characters.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part not in ("development", "test"):
        raise ValueError(f"part: got {part!r}, allowed are 'development' and 'test'")
    texts = plain_segments()
    return texts[:DEVELOPMENT] if part == "development" else texts[DEVELOPMENT:]


def output_stimuli(segments: Sequence[str], *, seed: int = 0) -> Stimuli:
    """Segments, rare words of the same lengths, and shuffled letters.

    Parameters
    ----------
    segments : sequence of str
        Small letters and spaces.
    seed : int
        Decides the rare words and the shuffles.

    Returns
    -------
    Stimuli
        All three texts of an item have the same length and their spaces at the same places; high and low have the same
        letters. Words of one letter, and of a length that has no rare words, stay in medium.
    """
    generator = np.random.default_rng(seed)
    rare = rare_words()
    medium = [
        " ".join(
            str(generator.choice(rare[len(word)])) if len(word) in rare else word for word in text.split(" ")
        )
        for text in segments
    ]
    low = [shuffle_letters(text, generator) for text in segments]
    return Stimuli(list(segments), medium, low)


def input_stimuli(segments: Sequence[str], *, seed: int = 0) -> Stimuli:
    """Segments, and the same with vowels exchanged among vowels and consonants among consonants.

    Parameters
    ----------
    segments : sequence of str
        Small letters and spaces.
    seed : int
        Decides the shuffles.

    Returns
    -------
    Stimuli
        Medium: exchanged within each word; low: within the segment. All three have the same letters and the same
        pattern of vowels and consonants.
    """
    generator = np.random.default_rng(seed)

    def within_words(text: str) -> str:
        return " ".join(shuffle_letters(word, generator, kind=_is_vowel) for word in text.split(" "))

    return Stimuli(
        list(segments),
        [within_words(text) for text in segments],
        [shuffle_letters(text, generator, kind=_is_vowel) for text in segments],
    )


def shuffle_letters(
    text: str, generator: np.random.Generator, *, kind: Callable[[str], object] = lambda letter: None
) -> str:
    """Shuffle the letters of a text over the places that letters have; spaces stay.

    Parameters
    ----------
    text : str
        Any text.
    generator : numpy.random.Generator
        Decides the order.
    kind : callable
        Letters are exchanged only with letters of the same kind; by default all are of one kind.

    Returns
    -------
    str
        The same letters, the same places of spaces.
    """
    places: dict[object, list[int]] = {}
    for place, letter in enumerate(text):
        if letter != " ":
            places.setdefault(kind(letter), []).append(place)
    result = list(text)
    for same in places.values():
        for place, source in zip(same, generator.permutation(same).tolist(), strict=True):
            result[place] = text[source]
    return "".join(result)


def _is_vowel(letter: str) -> bool:
    return letter in VOWELS
