"""Words at a temperature: which of them are scaled, and what a word costs when its end counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from entropylab.cognition import ScaledWords


@pytest.fixture
def words():
    return ScaledWords(
        pd.DataFrame(
            {
                "subwords": np.array([1, 2, 3, 1], dtype=np.int8),
                "s_1": np.array([4.0, 6.0, 9.0, 2.0], dtype=np.float32),
                "s_2": [3.0, 5.0, 12.0, 2.5],
                "h_2": [1.0, 2.0, 3.0, 4.0],
                "o_1": [0.5, 0.25, 0.125, 1.0],
            }
        )
    )


def test_all_or_some_words_are_scaled(words):
    np.testing.assert_array_equal(words.split, [False, True, True, False])
    np.testing.assert_array_equal(words.surprisal(), [4, 6, 9, 2])
    np.testing.assert_array_equal(words.surprisal(2), [3, 5, 12, 2.5])
    np.testing.assert_array_equal(words.surprisal(2, scaled=words.split), [4, 5, 12, 2])
    np.testing.assert_array_equal(words.surprisal(2, scaled=~words.split), [3, 6, 9, 2.5])
    np.testing.assert_array_equal(words.mean_surprisal(2), [3, 2.5, 4, 2.5])
    np.testing.assert_array_equal(words.renyi(2.0), [1, 2, 3, 4])
    assert words.surprisal(1).dtype == np.float64


def test_the_end_of_a_word_counts_to_it(words):
    got = words.word_boundary_surprisal(1, [1, 1, 2, 2])
    np.testing.assert_array_equal(got, [4 - 0.5 + 0.25, 6 - 0.25, 9 - 0.125 + 1.0, 2 - 1.0])


def test_unknown_temperatures_and_shapes_are_named(words):
    with pytest.raises(ValueError, match=r"temperature: got 1\.7, allowed are 1, 2"):
        words.surprisal(1.7)
    with pytest.raises(ValueError, match="temperature: got 1, allowed are 2"):
        words.renyi(1)
    with pytest.raises(ValueError, match=r"scaled: got shape \(2,\)"):
        words.surprisal(2, scaled=[True, False])
    with pytest.raises(ValueError, match=r"story: got shape \(1,\)"):
        words.word_boundary_surprisal(1, [1])
    with pytest.raises(ValueError, match="columns s_1, subwords are missing"):
        ScaledWords(pd.DataFrame({"s_2": [1.0]}))
