from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from entropylab.sources import PCFG

ONE_WORD = PCFG.from_rules({"S": [("S S", 0.3), ("a", 0.7)]}, ["a"])
ENGLISH = PCFG.from_rules(
    {
        "S": [("NP VP", 1.0)],
        "NP": [("NP PP", 0.2), ("she", 0.5), ("stars", 0.3)],
        "VP": [("V NP", 0.6), ("VP PP", 0.2), ("sleeps", 0.2)],
        "PP": [("P NP", 1.0)],
        "V": [("sees", 1.0)],
        "P": [("with", 1.0)],
    },
    ["she", "stars", "sleeps", "sees", "with"],
)


def catalan(n):
    return math.comb(2 * n, n) // (n + 1)


def test_strings_of_one_word_count_their_trees():
    lengths = range(1, 9)
    found = ONE_WORD.log_probability([[0] * n for n in lengths])
    expected = [math.log(catalan(n - 1) * 0.3 ** (n - 1) * 0.7**n) for n in lengths]
    assert found == pytest.approx(expected, abs=1e-12)


def test_closed_forms_of_the_grammar_of_one_word():
    # Each rewriting has 0.6 nonterminals: 1 / (1 - 0.6) rewritings, of which 0.7 give a word.
    assert ONE_WORD.spectral_radius == pytest.approx(0.6)
    assert ONE_WORD.expected_length == pytest.approx(1.75)
    local = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert ONE_WORD.derivational_entropy == pytest.approx(2.5 * local)


def test_an_ambiguous_sentence_has_the_sum_of_its_trees():
    # "she sees stars with stars": the phrase belongs to the verb or to the noun.
    shared = 0.5 * 0.6 * 0.3 * 0.3
    text = [0, 3, 1, 4, 1]
    assert np.exp(ENGLISH.log_probability([text])) == pytest.approx(shared * 0.2 + shared * 0.2)
    assert ENGLISH.log_probability([[3, 3]]) == -np.inf


def test_all_short_strings_have_the_mass_of_short_derivations():
    words = [w for n in range(1, 6) for w in itertools.product(range(5), repeat=n)]
    mass = np.exp(ENGLISH.log_probability(words)).sum()
    lengths = np.array([len(s) for s in ENGLISH.sample(20_000, seed=1).strings])
    assert mass == pytest.approx((lengths <= 5).mean(), abs=0.015)


@pytest.mark.parametrize("grammar", [ONE_WORD, ENGLISH])
def test_samples_have_the_expected_length_and_derivational_entropy(grammar):
    drawn = grammar.sample(20_000, seed=7)
    lengths = np.array([len(s) for s in drawn.strings])
    error = lengths.std() / math.sqrt(20_000)
    assert lengths.mean() == pytest.approx(grammar.expected_length, abs=4 * error)
    error = drawn.surprisal.std() / math.sqrt(20_000)
    assert drawn.surprisal.mean() == pytest.approx(grammar.derivational_entropy, abs=4 * error)
    # A string is at least as likely as the derivation that gave it.
    few = slice(50)
    assert (grammar.log_probability(drawn.strings[few]) >= -drawn.surprisal[few] - 1e-9).all()


def test_without_ambiguity_derivation_and_string_are_the_same():
    right = PCFG.from_rules({"S": [("A S", 0.5), ("b", 0.5)], "A": [("a", 0.9), ("b", 0.1)]}, ["a", "b"])
    drawn = right.sample(200, seed=0)
    assert right.log_probability(drawn.strings) == pytest.approx(-drawn.surprisal)


def test_long_strings_do_not_underflow():
    n = 600
    expected = math.log(catalan(n - 1)) + (n - 1) * math.log(0.3) + n * math.log(0.7)
    long = PCFG.from_rules({"S": [("S S", 0.3), ("a", 0.7)], "X": [("a", 1.0)]}, ["a"])
    assert long.log_probability([[0] * n])[0] == pytest.approx(expected, rel=1e-10)
    right = PCFG.from_rules({"S": [("A S", 1e-9), ("b", 1 - 1e-9)], "A": [("a", 1.0)]}, ["a", "b"])
    assert right.log_probability([[0] * 80 + [1]])[0] == pytest.approx(80 * math.log(1e-9), rel=1e-9)


@pytest.mark.parametrize("grow", [0.5, 0.7])
def test_a_grammar_of_infinite_expected_length_is_refused(grow):
    grammar = PCFG.from_rules({"S": [("S S", grow), ("a", 1 - grow)]}, ["a"])
    for name in ("derivational_entropy", "expected_length", "expected_rewritings"):
        with pytest.raises(ValueError, match="expected length of a string is infinite"):
            getattr(grammar, name)


def test_what_cannot_be_reached_does_not_matter():
    grammar = PCFG.from_rules({"S": [("a", 1.0)], "X": [("X X", 0.9), ("a", 0.1)]}, ["a"])
    assert grammar.derivational_entropy == pytest.approx(0)
    assert grammar.expected_length == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PCFG(np.zeros((1, 1, 1)), [[0.5]]), "nonterminal 0 sum to 0.5"),
        (lambda: PCFG([[[1.5]]], [[-0.5]]), "nonterminal 0"),
        (lambda: PCFG(np.zeros((2, 2)), [[1.0]]), "got shapes"),
        (lambda: PCFG.from_rules({"S": [("a", 1.0)]}, ["a"], start="T"), "start: got 'T'"),
        (lambda: PCFG.from_rules({"S": [("S a", 1.0)]}, ["a"]), "rules: got 'S' -> 'S a'"),
        (lambda: ONE_WORD.log_probability([[0], [1]]), r"strings\[1\]: got 1 to 1"),
        (lambda: ONE_WORD.log_probability([[]]), "empty string"),
        (lambda: ONE_WORD.sample(-1), "count: got -1"),
        (
            lambda: PCFG.from_rules({"S": [("S S", 0.9), ("a", 0.1)]}, ["a"]).sample(9, max_length=99),
            "max_length: string 0",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
