from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from entropylab.information.finite_divergences import (
    DIVERGENCES,
    chi_squared,
    kl,
    named,
    renyi,
    reverse_kl,
    squared_hellinger,
    total_variation,
)

P, Q = np.random.default_rng(0).dirichlet(np.ones(6), (2, 50))


def test_they_agree_with_scipy_and_the_definitions():
    assert kl(P, Q) == pytest.approx(scipy.stats.entropy(P, Q, axis=-1))
    assert reverse_kl(P, Q) == pytest.approx(scipy.stats.entropy(Q, P, axis=-1))
    assert total_variation(P, Q) == pytest.approx(np.maximum(P - Q, 0).sum(-1))
    assert squared_hellinger(P, Q) == pytest.approx(2 * (1 - np.sqrt(P * Q).sum(-1)))
    assert chi_squared(P, Q) == pytest.approx((P**2 / Q).sum(-1) - 1)
    assert renyi(P, Q, 3) == pytest.approx(np.log((P**3 / Q**2).sum(-1)) / 2)
    assert renyi(P, Q, 0.5) == pytest.approx(-2 * np.log(np.sqrt(P * Q).sum(-1)))
    assert renyi(P, Q, 1) == pytest.approx(kl(P, Q))
    assert renyi(P, Q, 1 + 1e-6) == pytest.approx(kl(P, Q), abs=1e-4)


def test_a_hand_checked_pair_of_different_supports():
    p, q = [1.0, 0.0], [0.9, 0.1]
    assert kl(p, q) == pytest.approx(0.10536051565782635)
    assert squared_hellinger(p, q) == pytest.approx(0.10263340389897246)
    assert total_variation(p, q) ** 2 == pytest.approx(0.01)
    assert reverse_kl(p, q) == np.inf
    assert renyi(p, q) == pytest.approx(-np.log(0.9))
    assert renyi(q, p) == np.inf
    assert renyi(q, p, 0.5) == pytest.approx(-np.log(0.9))
    assert chi_squared(q, p) == np.inf
    assert chi_squared(p, q) == pytest.approx(1 / 9)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_equal_laws_are_at_distance_zero_and_leading_axes_broadcast(name):
    sparse = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert DIVERGENCES[name](sparse, sparse) == pytest.approx([0, 0], abs=1e-15)
    assert DIVERGENCES[name](P[:, None], Q[None]).shape == (50, 50)
    assert named(name) is DIVERGENCES[name]


def test_disjoint_supports():
    apart = ([1.0, 0.0], [0.0, 1.0])
    assert [float(DIVERGENCES[name](*apart)) for name in DIVERGENCES] == [
        np.inf,
        np.inf,
        1,
        2,
        np.inf,
        np.inf,
    ]
    assert renyi(*apart, order=0.5) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl([0.5, 0.6], [0.5, 0.5]), "p: row 0 is not a distribution"),
        (lambda: total_variation([0.5, 0.5], [[0.5, 0.5], [1.5, -0.5]]), "q: row 1"),
        (lambda: chi_squared([1.0], [0.5, 0.5]), "p, q: got 1 and 2 outcomes"),
        (lambda: renyi([1.0], [1.0], 0), "order: got 0"),
        (lambda: named("bregman"), "divergence: got 'bregman'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
