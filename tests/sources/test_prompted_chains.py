from __future__ import annotations

import numpy as np
import pytest

from entropylab.sources.prompted_chains import PromptedChains

SOURCE = PromptedChains([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]], [0.5, 0.5])


def test_path_laws_are_products():
    laws = SOURCE.path_laws(3)
    assert laws.shape == (2, 8)
    assert laws.sum(1) == pytest.approx(1)
    assert laws[0, 0b001] == pytest.approx(0.5 * 0.9 * 0.1)
    assert laws[1, 0b110] == pytest.approx(0.5 * 0.4 * 0.6)


def test_log_probabilities_add_up_to_the_path_law():
    texts = np.array([[0, 0, 1], [1, 1, 0]])
    logs = SOURCE.log_probabilities(texts)
    assert logs.shape == (2, 2, 3)
    assert np.exp(logs.sum(-1)) == pytest.approx(SOURCE.path_laws(3)[:, [0b001, 0b110]].T)


def test_samples_follow_their_prompt():
    prompts, texts = SOURCE.sample(20_000, 3, seed=1)
    places = texts @ [4, 2, 1]
    for prompt in range(2):
        counts = np.bincount(places[prompts == prompt], minlength=8)
        law = SOURCE.path_laws(3)[prompt]
        error = np.sqrt(law * (1 - law) / counts.sum())
        assert (abs(counts / counts.sum() - law) < 4 * error).all()
    assert (SOURCE.sample(5, 3, seed=1)[1] == SOURCE.sample(5, 3, seed=1)[1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PromptedChains([[0.5, 0.5]], [1.0]), "transitions: got shape"),
        (lambda: PromptedChains([[[1.0]]], [0.5, 0.5]), "transitions: got shape"),
        (lambda: PromptedChains([[[0.5]]], [1.0]), "transitions: row 0"),
        (lambda: SOURCE.path_laws(0), "length: got 0"),
        (lambda: SOURCE.sample(0, 3), "paths: got 0"),
        (lambda: SOURCE.sample(3, 0), "length: got 0"),
        (lambda: SOURCE.log_probabilities([[0, 2]]), "texts: got 0 to 2"),
        (lambda: SOURCE.log_probabilities(np.zeros((2, 0), int)), "texts: got shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
