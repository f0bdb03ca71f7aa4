"""Edit distance: known pairs, and the axioms of a distance."""

from __future__ import annotations

import itertools

import pytest

from entropylab.statistics import levenshtein


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("kitten", "sitting", 3), ("", "", 0), ("", "abc", 3), ("flaw", "lawn", 2), ("näïve", "naive", 2)],
)
def test_known_pairs(first, second, distance):
    assert levenshtein(first, second) == levenshtein(second, first) == distance


def test_triangle_inequality_on_all_short_texts():
    texts = ["".join(letters) for length in range(4) for letters in itertools.product("ab", repeat=length)]
    for a, b, c in itertools.product(texts, repeat=3):
        assert levenshtein(a, c) <= levenshtein(a, b) + levenshtein(b, c)


def test_only_texts_have_an_edit_distance():
    with pytest.raises(TypeError, match="first, second"):
        levenshtein("a", 1)
