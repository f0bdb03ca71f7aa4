from __future__ import annotations

import math

import numpy as np
import pytest

from entropylab.sources.stopping import StoppingSource


def test_the_reference_case():
    source = StoppingSource(0.05, 4)
    assert np.exp(source.next_log_p()) == pytest.approx([0.2375] * 4 + [0.05])
    assert math.exp(source.log_probability(0)) == pytest.approx(0.05)
    assert math.exp(source.log_probability(1)) == pytest.approx(0.011875)
    assert math.exp(source.log_probability(5)) == pytest.approx(3.778227233886718e-05)
    assert source.mean_length == pytest.approx(19)
    assert source.step_entropy == pytest.approx(1.5154948864097686, abs=1e-14)


def test_the_step_entropy_is_that_of_its_distribution():
    p = np.exp(StoppingSource(0.3, 5).next_log_p((1, 2)))
    assert p.sum() == pytest.approx(1)
    assert StoppingSource(0.3, 5).step_entropy == pytest.approx(-(p * np.log(p)).sum())


def test_samples_have_the_lengths_and_letters_of_the_law():
    source = StoppingSource(0.2, 3)
    texts = source.sample(40_000, seed=0)
    lengths = np.array([len(text) for text in texts])
    assert lengths.mean() == pytest.approx(source.mean_length, abs=0.1) and lengths.max() > 30
    assert (lengths == 0).mean() == pytest.approx(0.2, abs=0.01)
    counts = np.unique(list("".join(texts)), return_counts=True)
    assert counts[0].tolist() == ["a", "b", "c"]
    assert counts[1] / counts[1].sum() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert texts == source.sample(40_000, seed=0) != source.sample(40_000, seed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StoppingSource(0.0), "stop: got 0.0"),
        (lambda: StoppingSource(0.5, 27), "symbols: got 27"),
        (lambda: StoppingSource(0.5).log_probability(-1), "length: got -1"),
        (lambda: StoppingSource(0.5).sample(0, seed=0), "count: got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
