from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entropylab.decoding.text_metrics import distinct_ngrams, repetition_rate, zipf_exponent


def naive_repetition_rate(tokens, windows):
    shares = [
        np.mean([token in tokens[max(0, i - window) : i] for i, token in enumerate(tokens)])
        for window in windows
    ]
    return np.mean(shares)


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=60),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
)
def test_repetition_rate_equals_its_definition(tokens, windows):
    assert repetition_rate(tokens, windows) == pytest.approx(naive_repetition_rate(tokens, windows))


def test_repetition_rate_of_constant_and_of_distinct_text():
    assert repetition_rate([5] * 100) == pytest.approx(0.99)
    assert repetition_rate(range(100)) == 0
    assert repetition_rate([1]) == 0


def test_a_repetition_just_outside_the_window_does_not_count():
    assert repetition_rate([9, 1, 2, 3, 9], windows=(3,)) == 0
    assert repetition_rate([9, 1, 2, 3, 9], windows=(4,)) == pytest.approx(1 / 5)


def test_distinct_ngrams_of_known_texts():
    assert distinct_ngrams([1, 2, 3, 4, 5]) == 1
    # 1-grams 2/4, 2-grams (12, 21, 12) 2/3
    assert distinct_ngrams([1, 2, 1, 2], n=(1, 2)) == pytest.approx((2 / 4 + 2 / 3) / 2)


def test_zipf_exponent_of_an_exact_power_law_does_not_depend_on_order_or_scale():
    counts = 1e6 * np.arange(1, 501) ** -1.25
    shuffled = np.random.default_rng(0).permutation(counts)
    assert zipf_exponent(shuffled) == pytest.approx(1.25)
    assert zipf_exponent(np.append(3 * counts, np.zeros(20))) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: repetition_rate([0.5, 1.5]), "tokens"),
        (lambda: repetition_rate([[1, 2]]), "tokens"),
        (lambda: repetition_rate([1, 2], windows=(0,)), "windows"),
        (lambda: repetition_rate([1, 2], windows=()), "windows"),
        (lambda: distinct_ngrams([1, 2, 3]), "tokens"),
        (lambda: distinct_ngrams([1, 2, 3], n=(0,)), "n:"),
        (lambda: zipf_exponent([3]), "counts"),
        (lambda: zipf_exponent([3, -1]), "counts"),
        (lambda: zipf_exponent([3, 1], max_rank=1), "max_rank"),
    ],
)
def test_bad_arguments_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
