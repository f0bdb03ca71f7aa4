"""What the tasks with chains of thought share: their words, parts that have no problem in common, and ways to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

from entropylab.sources.tasks.calculator import calculate

Part = Literal["train", "validation", "test"]

HIGHEST = 99
_WORDS = (
    *("+", "-", "*", "/", "=", "->", ":", "%", "?", "(", ")"),
    *("try", "product", "sum", "difference", "first", "work", "from", "target", "then", "next", "so", "thus"),
    *("no", "yes", "go", "back", "ans", "check", "again", "call", "ret", "step", "img"),
)
# The symbols that texts are made of; the space belongs to the word before it. One list, so that a policy of one task
# can go on with another.
VOCABULARY: tuple[str, ...] = tuple(f"{word} " for word in (*map(str, range(HIGHEST + 1)), *_WORDS))


def part_of(problem: str) -> Part:
    """A fifth of the problems are test, by a hash; of the others, a tenth are validation.

    Parameters
    ----------
    problem : str
        The problem as a text, always the same for one problem.

    Returns
    -------
    {"train", "validation", "test"}
    """
    place = int(hashlib.md5(problem.encode(), usedforsecurity=False).hexdigest(), 16)
    if place % 5 == 0:
        return "test"
    return "validation" if place // 5 % 10 == 0 else "train"


def text_of(words: Iterable[str]) -> str:
    """Words as a text of the symbols in ``VOCABULARY``, a space after each."""
    return "".join(f"{word} " for word in words)


def answer_of(words: Sequence[str]) -> list[str]:
    """What stands after the last ``ans``; nothing if there is none."""
    places = [place for place, word in enumerate(words) if word == "ans"]
    return list(words[places[-1] + 1 :]) if places else []


class WordReader:
    """A cursor over words: each step takes one, or finds the chain malformed.

    Parameters
    ----------
    words : sequence of str
    place : int
        Where to begin.
    """

    def __init__(self, words: Sequence[str], place: int = 0) -> None:
        self.words, self.place = words, place

    @property
    def following(self) -> str:
        """The next word, which stays; "" at the end."""
        return self.words[self.place] if self.place < len(self.words) else ""

    def take(self, *allowed: str) -> str:
        """The next word.

        Raises
        ------
        ValueError
            If it is none of those allowed, where some are named.
        """
        word = self.following
        if allowed and word not in allowed:
            raise ValueError(f"words: got {word[:12]!r} at {self.place}, allowed is one of {allowed}")
        self.place += 1
        return word

    def number(self) -> int:
        """The next word as a number from 0 to 99; ``ValueError`` if it is none."""
        return calculate([self.take()])
