"""Ciphers against the standard library, and the corpus against its own rules."""

from __future__ import annotations

import codecs
import re
from collections import Counter

import numpy as np
import pytest

from entropylab.sources.tasks import ciphers, gibberish_ciphers
from entropylab.sources.tasks.ciphers import (
    FREQUENCIES,
    VOCABULARY,
    WIDTH,
    acronym,
    caesar,
    cipher_corpus,
    cipher_line,
    documents,
    part_names,
    pig_latin,
    reverse_words,
    segments,
    vowel_pattern,
)

TEXT = "The rain had stopped, and the road to the village lay open before them. " * 200


@pytest.mark.parametrize(
    ("shift", "expected"), [(13, "Uryyb, Jbeyq!"), (12, "Tqxxa, Iadxp!"), (-12, "Vszzc, Kcfzr!")]
)
def test_known_shifts(shift, expected):
    assert caesar("Hello, World!", shift) == expected


def test_shifts_agree_with_the_standard_library_and_undo_each_other():
    assert caesar(TEXT, 13) == codecs.encode(TEXT, "rot13")
    for shift in range(-30, 30):
        assert caesar(caesar(TEXT, shift), -shift) == TEXT


def test_other_tasks_on_known_words():
    assert reverse_words("one two three") == "three two one"
    assert pig_latin("the quick apple my") == "ethay uickqay appleay ymay"
    assert pig_latin("string", suffix="uv") == "ingstruv"
    assert acronym("open book now") == "obn"
    assert acronym("open book now", 2) == "poo"
    assert vowel_pattern("a cat sees") == "v cvc cvvc"


def test_an_acronym_needs_long_enough_words():
    with pytest.raises(ValueError, match="position: got 2"):
        acronym("a cat", 2)


def test_segments_are_whole_words_that_fit():
    words = set(re.sub("[^a-z]+", " ", TEXT.lower()).split())
    for run in segments(TEXT, 200, np.random.default_rng(0)):
        assert len(run) <= WIDTH
        assert set(run.split()) <= words
        assert 1 <= len(run.split()) <= 8


def test_lines_have_one_length_and_hold_what_they_say():
    line = cipher_line("13", caesar("the cow", 13), "the cow")
    assert len(line) == 84
    assert line.startswith("13|gur pbj ") and line[43] == "=" and line[44:].rstrip() == "the cow"
    assert set(line) <= set(VOCABULARY)
    with pytest.raises(ValueError, match="key, source, answer"):
        cipher_line("13", "a" * 41, "a")


@pytest.fixture(scope="module")
def corpus():
    return cipher_corpus([TEXT, TEXT[7:]], 6000, seed=3)


def test_every_line_of_the_corpus_is_right(corpus):
    for line in corpus:
        if "|" not in line:
            continue
        key, source, answer = line[:2], line[3:43], line[44:]
        assert answer == (vowel_pattern(source) if key == "vc" else caesar(source, -int(key)))


def test_tasks_come_with_the_frequencies_that_were_asked_for(corpus):
    keys = Counter(line[:2] for line in corpus if "|" in line)
    shifted = sum(count for key, count in keys.items() if key != "vc")
    assert shifted / 6000 == pytest.approx(0.5, abs=0.03)
    assert keys["vc"] / 6000 == pytest.approx(0.3, abs=0.03)
    assert keys["13"] / shifted == pytest.approx(1000 / sum(FREQUENCIES.values()), abs=0.02)
    assert 0 < keys["12"] < 0.03 * shifted


def test_gibberish_has_uniform_letters_and_the_same_word_lengths():
    plain = cipher_corpus([TEXT], 4000, seed=1)
    gibberish = cipher_corpus([TEXT], 4000, seed=1, gibberish=True)
    texts = "".join(line[44:] for line in gibberish if line[:2] == "13").replace(" ", "")
    shares = np.array([count / len(texts) for count in Counter(texts).values()])
    assert len(shares) == 26 and abs(shares - 1 / 26).max() < 0.005
    assert Counter(map(len, plain)) == Counter(map(len, gibberish))
    lengths = lambda lines: Counter(len(w) for line in lines if "|" not in line for w in line.split())  # noqa: E731
    assert lengths(plain) == lengths(gibberish)


def test_a_seed_decides_everything():
    assert cipher_corpus([TEXT], 50, seed=5) == cipher_corpus([TEXT], 50, seed=5)
    assert cipher_corpus([TEXT], 50, seed=5) != cipher_corpus([TEXT], 50, seed=6)


@pytest.fixture
def novels(monkeypatch):
    """Short texts in place of the novels."""
    asked = []

    def read(names):
        from entropylab.data import Novel

        asked.extend(names)
        return [Novel(name, TEXT) for name in names]

    monkeypatch.setattr(ciphers, "read_novels", read)
    return asked


def test_parts_share_no_novel(novels):
    parts = [set(part_names(part)) for part in ("train", "validation", "test")]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert len(documents("validation", 30, seed=0)) == 30
    assert set(novels) == parts[1]
    novels.clear()
    documents("train", 30, seed=0)
    assert len(set(novels)) == 16 and set(novels) <= parts[0]


def test_the_control_has_both_tasks_equally_often(novels):
    keys = Counter(line[:2] for line in gibberish_ciphers.documents("test", 4000, seed=0) if "|" in line)
    assert keys["12"] / keys["13"] == pytest.approx(1, abs=0.1)
    assert gibberish_ciphers.VOCABULARY == VOCABULARY


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: list(segments("too short", 1, np.random.default_rng(0))), "text: got 2 words"),
        (lambda: cipher_corpus([], 1, seed=0), "texts, count"),
        (lambda: cipher_corpus([TEXT], -1, seed=0), "texts, count"),
        (lambda: part_names("dev"), "part: got 'dev'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
