from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from entropylab.information.categorical_entropy import categorical_entropy, categorical_mutual_information


def test_reference_values_of_a_law_of_four():
    p = [1 / 2, 1 / 4, 1 / 8, 1 / 8]
    known = {
        "kl": 1.2130075659799042,
        "total_variation": 0.65625,
        "renyi2": 1.3862943611198906,
        "chi_squared": 3,
        "squared_hellinger": 0.8661165235168156,
        "reverse_kl": np.inf,
    }
    for name, value in known.items():
        assert categorical_entropy(p, name) == pytest.approx(value, abs=1e-13)


def test_closed_forms_on_random_rows_with_zeros():
    p = np.random.default_rng(0).dirichlet(np.full(7, 0.4), 40)
    p[:, 2] = 0
    p /= p.sum(1, keepdims=True)
    support = (p > 0).sum(1)
    assert categorical_entropy(p) == pytest.approx(scipy.stats.entropy(p, axis=1))
    assert categorical_entropy(p, "total_variation") == pytest.approx(1 - (p**2).sum(1))
    assert categorical_entropy(p, "squared_hellinger") == pytest.approx(2 * (1 - (p**1.5).sum(1)))
    assert categorical_entropy(p, "chi_squared") == pytest.approx(support - 1)
    assert categorical_entropy(p, "renyi2") == pytest.approx(np.log(support))


def test_a_point_mass_has_none_of_any_kind():
    for name in ("kl", "reverse_kl", "total_variation", "squared_hellinger", "chi_squared", "renyi2"):
        assert categorical_entropy([0.0, 1.0, 0.0], name) == pytest.approx(0)


def test_mutual_information_is_that_of_the_entropies_and_vanishes_for_independent_pairs():
    joint = np.random.default_rng(2).dirichlet(np.ones(12), 5).reshape(5, 3, 4)
    margins = scipy.stats.entropy(joint.sum(2), axis=1) + scipy.stats.entropy(joint.sum(1), axis=1)
    expected = margins - scipy.stats.entropy(joint.reshape(5, -1), axis=1)
    assert categorical_mutual_information(joint) == pytest.approx(expected)
    assert categorical_mutual_information(np.outer([0.3, 0.7], [0.1, 0.9]), "chi_squared") == pytest.approx(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: categorical_entropy([0.5, 0.4]), "p: row 0"),
        (lambda: categorical_entropy([1.0], "nothing"), "divergence: got 'nothing'"),
        (lambda: categorical_mutual_information([0.5, 0.5]), "joint: got shape"),
        (lambda: categorical_mutual_information([[0.5, 0.6]]), "joint: row 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
