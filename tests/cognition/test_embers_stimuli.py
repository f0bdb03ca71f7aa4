"""Stimuli: what must be equal between the conditions is equal, and probability differs as it should."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab.cognition.embers_stimuli import (
    input_stimuli,
    output_stimuli,
    shuffle_letters,
    written_segments,
)
from entropylab.cognition.embers_transformer import log_probability_per_character
from entropylab.data.segments import plain_segments, rare_words
from entropylab.sources.tasks.ciphers import vowel_pattern


def test_segments_are_eight_plain_words_that_fit():
    texts = plain_segments()
    assert len(texts) == len(set(texts)) == 200
    for text in texts:
        assert len(text.split(" ")) == 8 and len(text) <= 40
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert written_segments("development") + written_segments("test") == texts
    assert len(written_segments()) == 160


def test_rare_words_are_sorted_by_length():
    words = rare_words()
    assert sorted(words) == list(range(2, 10))
    assert all(len(word) == length for length, group in words.items() for word in group)
    assert all(len(set(group)) == len(group) >= 8 for group in words.values())
    common = {word for text in plain_segments() for word in text.split()}
    assert not common & {word for group in words.values() for word in group}


def _spaces(text):
    return [place for place, letter in enumerate(text) if letter == " "]


def test_output_conditions_share_lengths_and_spaces():
    stimuli = output_stimuli(written_segments())
    for high, medium, low in zip(*stimuli, strict=True):
        assert _spaces(high) == _spaces(medium) == _spaces(low)
        assert sorted(high) == sorted(low)
    means = [log_probability_per_character(texts).mean() for texts in stimuli]
    assert means[0] > means[1] + 1 > means[2] + 2


def test_input_conditions_share_letters_and_right_outputs():
    stimuli = input_stimuli(written_segments())
    for high, medium, low in zip(*stimuli, strict=True):
        assert vowel_pattern(high) == vowel_pattern(medium) == vowel_pattern(low)
        assert sorted(high) == sorted(medium) == sorted(low)
    means = [log_probability_per_character(texts).mean() for texts in stimuli]
    assert means[0] > means[1] > means[2]


def test_a_seed_decides_everything():
    texts = written_segments("development")
    assert output_stimuli(texts, seed=1) == output_stimuli(texts, seed=1) != output_stimuli(texts, seed=2)


def test_shuffles_reach_every_order():
    generator = np.random.default_rng(0)
    assert {shuffle_letters("ab c", generator) for _ in range(200)} == {
        "ab c", "ac b", "ba c", "bc a", "ca b", "cb a"
    }  # fmt: skip


def test_parts_are_named():
    with pytest.raises(ValueError, match="part: got 'train'"):
        written_segments("train")
