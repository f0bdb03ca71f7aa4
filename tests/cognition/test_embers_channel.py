"""The noisy channel: exact decoding against all plain texts, and the effects that it must and must not have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from entropylab.cognition.embers_stimuli import output_stimuli, written_segments
from entropylab.cognition.noisy_channel import (
    SPACE,
    SYMBOLS,
    decode,
    disturb,
    encode,
    first_letter_log_prior,
    neighbour_channel,
    text_log_probability,
    trigram_log_prior,
    viterbi_channel,
)
from entropylab.data import load_table


@pytest.fixture(scope="module")
def prior():
    counts = load_table("embers_trigrams")["count"].to_numpy().reshape(27, 27, 27)
    return trigram_log_prior(counts), first_letter_log_prior(counts)


def test_evidence_of_four_to_one_loses_against_a_prior_of_nine_to_one():
    """Two candidates, prior .9 and .1, likelihoods .2 and .8, as a text of one letter."""
    log_first = np.full(27, -np.inf)
    log_first[[0, 1]] = np.log([0.9, 0.1])
    channel = np.full((27, 27), -np.inf)
    channel[[0, 1], 2] = np.log([0.2, 0.8])
    posterior = np.exp(log_first[:2] + channel[:2, 2])
    assert posterior[1] / posterior.sum() == pytest.approx(0.3076923, abs=1e-7)
    trigrams = np.zeros((27, 27, 27))
    assert viterbi_channel(np.array([2]), trigrams, log_first, channel).tolist() == [0]
    # The prior wins above the exponent at which 9**x = 4.
    x = np.log(4) / np.log(9)
    assert viterbi_channel(np.array([2]), trigrams, log_first, channel, prior_exponent=x - 0.01).tolist() == [
        1
    ]
    assert viterbi_channel(np.array([2]), trigrams, log_first, channel, prior_exponent=x + 0.01).tolist() == [
        0
    ]


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_viterbi_is_the_best_of_all_plain_texts(prior, exponent):
    log_prior, log_first = prior
    channel = neighbour_channel(0.2)
    observed = encode("whe dzt")
    neighbours = [[c] if c == SPACE else [(c - 1) % 26, c, (c + 1) % 26] for c in observed.tolist()]

    def score(text):
        codes = np.array(text)
        return exponent * text_log_probability(codes, log_prior, log_first) + channel[codes, observed].sum()

    best = max(itertools.product(*neighbours), key=score)
    found = viterbi_channel(observed, log_prior, log_first, channel, prior_exponent=exponent)
    assert found.tolist() == list(best)


def test_known_word_is_repaired_and_an_unknown_one_spoiled(prior):
    channel = neighbour_channel(0.1)
    assert decode(viterbi_channel(encode("the man and thd dog"), *prior, channel)) == "the man and the dog"
    assert decode(viterbi_channel(encode("xq jz vkq"), *prior, channel)) != "xq jz vkq"


def test_probabilities_sum_to_one(prior):
    log_prior, log_first = prior
    np.testing.assert_allclose(np.exp(log_prior).sum(2), 1)
    assert np.exp(log_first).sum() == pytest.approx(1)
    np.testing.assert_allclose(np.exp(neighbour_channel(0.3)).sum(1), 1)
    two_letters = [np.array(pair) for pair in itertools.product(range(27), repeat=2)]
    total = sum(np.exp(text_log_probability(pair, log_prior, log_first)) for pair in two_letters)
    assert total == pytest.approx(1)
    assert text_log_probability(encode(""), log_prior, log_first) == 0


def test_disturbance_moves_letters_by_one_place_and_spaces_never():
    codes = np.tile(encode("az by"), 4000)
    observed = disturb(codes, 0.2, np.random.default_rng(0))
    step = (observed - codes) % 26
    letters = codes != SPACE
    assert np.array_equal(observed[~letters], codes[~letters])
    assert set(step[letters].tolist()) == {0, 1, 25}
    assert np.mean(step[letters] != 0) == pytest.approx(0.2, abs=0.01)
    assert np.array_equal(disturb(codes, 0.0, np.random.default_rng(0)), codes)


def test_without_noise_and_without_prior_a_text_is_copied(prior):
    text = encode("qxz jvk and so on")
    assert np.array_equal(viterbi_channel(text, *prior, neighbour_channel(0.0)), text)
    assert np.array_equal(viterbi_channel(text, *prior, neighbour_channel(0.3), prior_exponent=0), text)
    assert viterbi_channel(encode(""), *prior, neighbour_channel(0.3)).size == 0


def test_the_prior_helps_probable_texts_and_harms_improbable_ones(prior):
    stimuli = output_stimuli(written_segments("development"))
    right = {}
    for condition, texts in stimuli._asdict().items():
        generator = np.random.default_rng(0)
        pairs = [(codes, disturb(codes, 0.05, generator)) for codes in map(encode, texts)]
        right[condition] = np.mean(
            [np.array_equal(viterbi_channel(y, *prior, neighbour_channel(0.05)), x) for x, y in pairs]
        )
        right["copy"] = np.mean([np.array_equal(x, y) for x, y in pairs])
    assert right["high"] > right["copy"] > right["low"]
    assert right["high"] > right["medium"] > right["low"] - 1e-9


def test_the_trigrams_are_counts_of_english():
    table = load_table("embers_trigrams")
    counts = table["count"].to_numpy().reshape(27, 27, 27)
    index = SYMBOLS.index
    assert counts[index("t"), index("h")].argmax() == index("e")
    assert counts[SPACE, SPACE].sum() == counts[:, SPACE, SPACE].sum() == 0
    assert counts.sum() > 10_000_000
    assert {"source", "licence"} <= set(table.attrs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda prior: encode("A cat"), "text: got 'A'"),
        (lambda prior: trigram_log_prior(np.ones((27, 27))), "counts"),
        (lambda prior: trigram_log_prior(np.ones((27, 27, 27)), smoothing=0), "smoothing"),
        (lambda prior: neighbour_channel(1.5), "eps: got 1.5"),
        (
            lambda prior: viterbi_channel(encode("a"), *prior, neighbour_channel(0.1), prior_exponent=-1),
            "exponent",
        ),
        (lambda prior: viterbi_channel(encode("a"), *prior, np.full((27, 27), -np.inf)), "observed"),
    ],
)
def test_bad_input_is_named(prior, call, message):
    with pytest.raises(ValueError, match=message):
        call(prior)
