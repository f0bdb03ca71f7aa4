from __future__ import annotations

import numpy as np
import pytest

from entropylab.models import load
from entropylab.reasoning import CountdownTask, sample_chains
from entropylab.reasoning.influence import answer_distance, influences, places_of
from entropylab.sources.tasks.countdown import problems


def test_the_distance_of_branches_by_hand():
    assert answer_distance([1, 1], [2, 2]) == 1 and answer_distance([1, 1], [1, 1]) == 0
    assert answer_distance([1, 2], [1, 2]) == -0.5  # different pairs only: unbiased, so it may be negative
    assert answer_distance([None, None], [None, None]) == 0
    with pytest.raises(ValueError, match="got 1 and 2 answers"):
        answer_distance([1], [1, 2])


def test_the_distance_is_unbiased():
    generator = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    found = [
        answer_distance(generator.choice(3, 4, p=p).tolist(), generator.choice(3, 4, p=q).tolist())
        for _ in range(4000)
    ]
    assert np.mean(found) == pytest.approx(((p - q) ** 2).sum() / 2, abs=4 * np.std(found) / 4000**0.5)


@pytest.fixture(scope="module")
def chains():
    model, tokenizer = load("lab/reasoner-chatty")
    task, pool = CountdownTask(tokenizer), problems("validation")[:60]
    return model, task, pool, sample_chains(model, task, pool, samples=1, seed=4)


def test_places_are_of_their_class_and_from_different_chains(chains):
    _, task, _, found = chains
    classes = task.classes(found)
    places = places_of(classes, ["strategy"], 40, seed=0)
    assert all(classes[place] == "strategy" for place in places) and len({row for row, _ in places}) == 40
    assert len(set(places_of(classes, ["synonym"], 80, seed=0))) == 80
    with pytest.raises(ValueError, match="count: got 100000"):
        places_of(classes, ["synonym"], 100_000, seed=0)


def test_synonyms_do_not_matter_and_retreats_do(chains):
    model, task, pool, found = chains
    classes = task.classes(found)
    means = {}
    for name in ("synonym", "retreat"):
        places = places_of(classes, [name], 20, seed=1)
        drawn = influences(model, task, pool, found, places, continuations=8, seed=2)
        assert all(0 <= one.probability <= 1 for one in drawn)
        means[name] = np.mean([one.weighted for one in drawn])
        assert drawn[:2] == influences(model, task, pool, found, places, continuations=8, seed=2)[:2]
    assert abs(means["synonym"]) < 0.04 < means["retreat"]


def test_bad_places_are_refused(chains):
    model, task, pool, found = chains
    for place in ((0, 79), (999, 0), (0, -1)):
        with pytest.raises(ValueError, match="places: got"):
            influences(model, task, pool, found, [place], seed=0)
    with pytest.raises(ValueError, match="continuations: got 1"):
        influences(model, task, pool, found, [(0, 0)], continuations=1, seed=0)
