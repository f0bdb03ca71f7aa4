"""Choosing a string: the mode by search and by enumeration, and the winner of minimum Bayes risk."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entropylab.information.decision_rules import (
    beam_search,
    edit_similarity,
    enumerate_strings,
    minimum_bayes_risk,
)
from entropylab.sources.stopping import StoppingSource


def random_language(seed, symbols=3):
    """A law of the next symbol that depends on all symbols so far."""

    def next_log_p(so_far):
        rng = np.random.default_rng([seed, len(so_far), *so_far])
        return np.log(rng.dirichlet(np.ones(symbols)))

    return next_log_p


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_mode_of_the_enumeration(seed):
    language = random_language(seed)
    strings = enumerate_strings(language, 5, end=2)
    found = beam_search(language, 200, 5, end=2)
    assert found.symbols == strings[0].symbols
    assert found.log_probability == pytest.approx(strings[0].log_probability)
    assert beam_search(language, 1, 5, end=2).log_probability <= strings[0].log_probability


def test_the_enumeration_has_all_strings_and_all_mass_but_that_of_longer_ones():
    source = StoppingSource(0.4, 2)
    strings = enumerate_strings(source.next_log_p, 3, end=source.end)
    assert len(strings) == 1 + 2 + 4 + 8
    assert sum(math.exp(s.log_probability) for s in strings) == pytest.approx(1 - 0.6**4)
    for symbols, log_probability in strings:
        assert log_probability == pytest.approx(source.log_probability(len(symbols)))


def test_the_mode_of_the_stopping_source_is_the_empty_string():
    source = StoppingSource(0.05)
    assert enumerate_strings(source.next_log_p, 4, end=4)[0].symbols == ()
    assert beam_search(source.next_log_p, 5, 10, end=4).symbols == ()
    # Greedy choice ends nowhere before it has to: a content symbol is likelier than the end.
    assert len(beam_search(source.next_log_p, 1, 10, end=4).symbols) == 10


def test_strings_that_cannot_come_are_left_out():
    def sure(so_far):
        return np.log([1.0, 0.0, 0.0]) if len(so_far) < 2 else np.log([0.0, 0.0, 1.0])

    with np.errstate(divide="ignore"):
        assert [s.symbols for s in enumerate_strings(sure, 5, end=2)] == [(0, 0)]
        assert beam_search(sure, 3, 5, end=2) == ((0, 0), 0.0)


def test_edit_similarity_by_hand():
    assert edit_similarity("", "") == 1 and edit_similarity("", "ab") == 0
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_minimum_bayes_risk_takes_the_middle_and_the_first_of_equals():
    assert minimum_bayes_risk(["xyz", "abcd", "abce", "abcf", ""]) == 1
    assert minimum_bayes_risk(["a", "a"]) == 0
    assert minimum_bayes_risk(["b", "aa", "a"], lambda a, b: -abs(len(a) - len(b))) == 0


def test_minimum_bayes_risk_against_the_definition():
    texts = StoppingSource(0.2).sample(12, seed=0)
    means = [np.mean([edit_similarity(a, b) for b in texts]) for a in texts]
    assert minimum_bayes_risk(texts) == int(np.argmax(means))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: beam_search(random_language(0), 0, 3, end=2), ValueError, "width: got 0"),
        (lambda: beam_search(random_language(0), 1, -1, end=2), ValueError, "max_length: got -1"),
        (lambda: beam_search(random_language(0), 1, 3, end=3), ValueError, "end: got 3, allowed is 0 to 2"),
        (lambda: enumerate_strings(random_language(0), 2, end=-1), ValueError, "end: got -1"),
        (lambda: minimum_bayes_risk([]), ValueError, "candidates: got"),
        (lambda: minimum_bayes_risk("abc"), ValueError, "candidates: got 'abc'"),
        (lambda: edit_similarity("a", 1), TypeError, "allowed is str"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
