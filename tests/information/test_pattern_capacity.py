from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.pattern_capacity import (
    capacity,
    classical_retrieval,
    cover_probability,
    is_separable,
    modern_retrieval,
)


@pytest.mark.parametrize(
    ("dimension", "patterns", "expected"),
    [
        (20, 40, 0.5),
        (20, 60, 0.004320749841640867),
        (10, 15, 0.91021728515625),
        (10, 25, 0.15372812747955322),
        (5, 5, 1.0),
    ],
)
def test_cover_reference_cases(dimension, patterns, expected):
    assert cover_probability(patterns, dimension) == pytest.approx(expected, rel=1e-12)


def test_separability_is_decided():
    points = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert is_separable(points, [1, 1, 1])
    assert is_separable(points, [1, -1, 1])
    assert not is_separable(points, [1, 1, -1])  # the third point is the sum of the others


def test_random_labels_follow_covers_law():
    generator = np.random.default_rng(0)
    share = np.mean(
        [is_separable(generator.normal(size=(10, 5)), generator.choice([-1, 1], 10)) for _ in range(300)]
    )
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(300)


def test_a_memory_fails_when_it_is_full():
    assert modern_retrieval(2, 8) > 0.95
    assert modern_retrieval(10_000, 6) < 0.5
    assert classical_retrieval(2, 100) > 0.95
    assert classical_retrieval(60, 100) < 0.2
    assert modern_retrieval(50, 6, seed=3) == modern_retrieval(50, 6, seed=3)


def test_capacities_have_the_expected_size():
    assert 5 <= capacity(lambda P: modern_retrieval(P, 4)) <= 40
    assert 150 <= capacity(lambda P: modern_retrieval(P, 6)) <= 700
    assert 6 <= capacity(lambda P: classical_retrieval(P, 100)) <= 25


@pytest.mark.parametrize("limit", [0, 1, 2, 37, 64])
def test_bisection_finds_a_sharp_limit(limit):
    assert capacity(lambda P: float(limit >= P)) == limit


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cover_probability(0, 5), "patterns: got 0"),
        (lambda: is_separable([[1.0]], [0]), "points, labels: got shapes"),
        (lambda: is_separable([[1.0]], [1, 1]), "points, labels: got shapes"),
        (lambda: modern_retrieval(1, 0), "dimension: got 0"),
        (lambda: modern_retrieval(1, 2, noise=-1), "noise: got -1"),
        (lambda: modern_retrieval(1, 2, beta=0), "beta: got 0"),
        (lambda: classical_retrieval(1, 2, flips=2), "flips: got 2"),
        (lambda: capacity(lambda P: 1.0), "retrieval: got no failure"),
        (lambda: capacity(lambda P: 0.0, least=0), "least: got 0"),
        (lambda: capacity(lambda P: 0.0, ratio=1), "ratio: got 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
