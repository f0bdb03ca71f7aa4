"""Text tasks with one right answer each, and a corpus of cipher lines with controlled task frequencies.

The tasks are those of McCoy et al. 2024, "Embers of autoregression": shift ciphers, reversal, Pig Latin, acronyms; and
one of ours, the pattern of vowels and consonants, which gives many inputs the same output.

A line of the corpus is ``KEY|INPUT=OUTPUT``: the key is the shift in two digits, or ``vc`` for the pattern, and both
fields are filled with spaces to 40 characters. A shift cipher is always decoded: ``13|gur pbj...=the cow...``.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from entropylab.data.novels import novel_names, read_novels

LETTERS = string.ascii_lowercase
VOWELS = "aeiou"
WIDTH = 40
WORDS = 8
PATTERN = "vc"
VOCABULARY: tuple[str, ...] = (*LETTERS, " ", *string.digits, "|", "=")

# rot-13 is common, rot-12 is a hundred times as rare, any other shift a thousand times.
FREQUENCIES: Mapping[int, int] = {13: 1000, 12: 10} | {k: 1 for k in range(1, 26) if k not in (12, 13)}
# Of 1000 documents: running text, lines with the pattern task; the rest are shift ciphers.
TEXT_SHARE, PATTERN_SHARE = 0.2, 0.3

# A corpus needs few words of each book, and reading a book costs more than using it.
_BOOKS = 16
# As for lab/english-s: books that no model of the zoo is trained on.
_HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "validation": ("Forster_Angels_1905", "Gissing_Women_1893", "Kipling_Light_1891"),
    "test": (
        "Burnett_Garden_1911",
        "Cbronte_Villette_1853",
        "Chesterton_Thursday_1908",
        "Dickens_Oliver_1839",
        "Hardy_Jude_1895",
    ),
}


def caesar(text: str, shift: int) -> str:
    """Shift each letter by a number of places, cyclically; case and all other characters stay.

    Parameters
    ----------
    text : str
        Any text; letters are a to z.
    shift : int
        Places forward; rot-13 is 13, and ``-shift`` takes it back.

    Returns
    -------
    str
        As long as ``text``.
    """
    turn = shift % 26
    table = str.maketrans(
        LETTERS + LETTERS.upper(),
        LETTERS[turn:] + LETTERS[:turn] + LETTERS[turn:].upper() + LETTERS[:turn].upper(),
    )
    return text.translate(table)


def reverse_words(text: str) -> str:
    """The words of a text in reverse order.

    Parameters
    ----------
    text : str
        Words between spaces.

    Returns
    -------
    str
        The same words, the last one first.
    """
    return " ".join(reversed(text.split(" ")))


def pig_latin(text: str, suffix: str = "ay") -> str:
    """Pig Latin: the consonants in front of a word's first vowel go to its end, and a suffix follows.

    Parameters
    ----------
    text : str
        Words between spaces, of small letters; ``y`` counts as a vowel except at the start of a word.
    suffix : str
        ``"ay"`` is the common variant; ``"uv"`` with the same rule is called Boar Etruscan in the paper.

    Returns
    -------
    str
        The words in the same order.
    """

    def turned(word: str) -> str:
        first = next((i for i, c in enumerate(word) if c in VOWELS or (c == "y" and i)), 0)
        return word[first:] + word[:first] + suffix

    return " ".join(turned(word) for word in text.split(" "))


def acronym(text: str, position: int = 1) -> str:
    """One letter of each word, by its place.

    Parameters
    ----------
    text : str
        Words between spaces.
    position : int
        1 for first letters, the common task; 2 for second letters.

    Returns
    -------
    str
        As many letters as there are words.

    Raises
    ------
    ValueError
        If a word is too short, or the position is not positive.
    """
    words = text.split()
    if position < 1 or any(len(word) < position for word in words):
        raise ValueError(f"position: got {position}, allowed is 1 to the length of the shortest word")
    return "".join(word[position - 1] for word in words)


def vowel_pattern(text: str) -> str:
    """Write ``v`` for each vowel (a, e, i, o, u) and ``c`` for each other letter.

    Parameters
    ----------
    text : str
        Small letters and spaces.

    Returns
    -------
    str
        As long as ``text``; spaces stay.
    """
    return "".join(" " if c == " " else "v" if c in VOWELS else "c" for c in text)


def segments(text: str, count: int, generator: np.random.Generator, *, words: int = WORDS) -> Iterator[str]:
    """Draw runs of words from a text, as small letters a to z and single spaces.

    Parameters
    ----------
    text : str
        Any text; what is no letter counts as a space.
    count : int
        How many runs.
    generator : numpy.random.Generator
        Decides where they start.
    words : int
        Words in a run; for the default of 8 a run ends earlier where it would not fit into 40 characters.

    Yields
    ------
    str
        One run, at most ``5 * words`` characters.

    Raises
    ------
    ValueError
        If the text has fewer than ``words`` words.
    """
    pieces = re.sub(r"[^a-z]+", " ", text.lower()).split()
    if len(pieces) < words:
        raise ValueError(f"text: got {len(pieces)} words, needed are at least {words}")
    limit = WIDTH * words // WORDS
    for start in generator.integers(len(pieces) - words + 1, size=count).tolist():
        run = " ".join(pieces[start : start + words])
        if len(run) > limit:
            run = run[: limit + 1].rpartition(" ")[0]  # whole words only
        yield run


def cipher_line(key: str, source: str, answer: str) -> str:
    """One line of the corpus, ``KEY|INPUT=OUTPUT`` with both fields filled to 40 characters.

    Parameters
    ----------
    key : str
        Two characters: the shift, such as ``"13"``, or ``"vc"``.
    source, answer : str
        Input and right output.

    Returns
    -------
    str
        84 characters.

    Raises
    ------
    ValueError
        If the key has not two characters, or a field does not fit.
    """
    if len(key) != 2 or max(len(source), len(answer)) > WIDTH:
        raise ValueError(
            f"key, source, answer: got lengths {len(key)}, {len(source)}, {len(answer)}, allowed are 2 and at most "
            f"{WIDTH}"
        )
    return f"{key}|{source:<{WIDTH}}={answer:<{WIDTH}}"


def cipher_corpus(
    texts: Iterable[str],
    count: int,
    seed: int,
    *,
    frequencies: Mapping[int, int] = FREQUENCIES,
    gibberish: bool = False,
) -> list[str]:
    """Turn plain texts into a corpus of running text, pattern lines and shift ciphers.

    Parameters
    ----------
    texts : iterable of str
        Plain texts; each gives an equal share of the lines.
    count : int
        Number of lines.
    seed : int
        Decides everything that is drawn.
    frequencies : mapping of int to int
        How often each shift comes, relative to the others.
    gibberish : bool
        Whether each letter is replaced by one drawn uniformly: the control, in which no text is more probable than
        another. Word lengths stay.

    Returns
    -------
    list of str
        Lines of at most 90 characters, in random order.

    Raises
    ------
    ValueError
        If there is no text, or ``count`` is negative.
    """
    books = list(texts)
    if not books or count < 0:
        raise ValueError(
            f"texts, count: got {len(books)} texts and count {count}, allowed are 1 and 0 or more"
        )
    generator = np.random.default_rng(seed)
    shifts = np.array(list(frequencies))
    weights = np.array(list(frequencies.values()), dtype=np.float64)
    keys = generator.choice(shifts, size=count, p=weights / weights.sum())
    kinds = generator.random(count)
    running = kinds < TEXT_SHARE
    plain: dict[bool, list[str]] = {}
    for is_running, words in ((True, 2 * WORDS + 2), (False, WORDS)):
        wanted = int((running == is_running).sum())
        runs = [
            run
            for number, book in enumerate(books)
            for run in segments(
                book, wanted // len(books) + (number < wanted % len(books)), generator, words=words
            )
        ]
        plain[is_running] = [runs[i] for i in generator.permutation(len(runs))]
        if gibberish:
            plain[is_running] = _replace_letters(plain[is_running], generator)
    lines = []
    for is_running, kind, key in zip(running.tolist(), kinds.tolist(), keys.tolist()):
        text = plain[is_running].pop()
        if is_running:
            lines.append(text)
        elif kind < TEXT_SHARE + PATTERN_SHARE:
            lines.append(cipher_line(PATTERN, text, vowel_pattern(text)))
        else:
            lines.append(cipher_line(f"{key:02d}", caesar(text, key), text))
    return lines


def _replace_letters(texts: Sequence[str], generator: np.random.Generator) -> list[str]:
    """Uniformly drawn letters in place of all letters."""
    codes = np.frombuffer("\n".join(texts).encode("ascii"), dtype=np.uint8).copy()
    letters = codes >= ord("a")
    codes[letters] = generator.integers(ord("a"), ord("z") + 1, size=int(letters.sum()), dtype=np.uint8)
    return codes.tobytes().decode("ascii").split("\n")


def part_names(part: str) -> list[str]:
    """Novels of a part of the corpus.

    Parameters
    ----------
    part : str
        ``"train"``, ``"validation"`` or ``"test"``.

    Returns
    -------
    list of str
        Names as in :func:`entropylab.data.novels.novel_names`.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part == "train":
        held_out = {name for names in _HELD_OUT.values() for name in names}
        return [name for name in novel_names() if name not in held_out]
    if part not in _HELD_OUT:
        raise ValueError(f"part: got {part!r}, allowed are 'train', {', '.join(map(repr, _HELD_OUT))}")
    return list(_HELD_OUT[part])


def some_texts(part: str, seed: int) -> list[str]:
    """At most 16 novels of a part of the corpus.

    Parameters
    ----------
    part : str
        As in :func:`part_names`.
    seed : int
        Decides which ones.

    Returns
    -------
    list of str
        Their texts.

    Raises
    ------
    DownloadError
        If a novel cannot be had.
    """
    names = part_names(part)
    chosen = np.random.default_rng([seed, len(names)]).permutation(len(names))[:_BOOKS]
    return [novel.text for novel in read_novels([names[i] for i in sorted(chosen.tolist())])]


def documents(part: str, count: int, seed: int) -> list[str]:
    """Documents of a part of the corpus, made from English novels.

    Parameters
    ----------
    part : str
        ``"train"``, ``"validation"`` or ``"test"``: different novels.
    count : int
        Number of lines.
    seed : int
        Decides what is drawn.

    Returns
    -------
    list of str
        As :func:`cipher_corpus` gives them.

    Raises
    ------
    DownloadError
        If a novel cannot be had.
    """
    return cipher_corpus(some_texts(part, seed), count, seed)
