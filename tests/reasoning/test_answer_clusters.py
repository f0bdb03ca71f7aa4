from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy as shannon

from entropylab.reasoning import cluster_by_answer, cluster_entropy, cluster_sizes


def ids_of(*sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def test_equal_answers_share_a_cluster_and_unparsed_ones_share_none():
    assert cluster_by_answer([7, 3, 7, None, None, 3]).tolist() == [0, 1, 0, 2, 3, 1]
    assert cluster_by_answer(["a", "b"]).tolist() == [0, 1] and cluster_by_answer([]).tolist() == []


def test_sizes_are_counts():
    ids = np.random.default_rng(0).integers(0, 5, (3, 4, 5))
    found = cluster_sizes(ids)
    assert found.shape == (3, 4, 5)
    for place in np.ndindex(3, 4):
        assert found[place].tolist() == np.bincount(ids[place], minlength=5).tolist()
    with pytest.raises(ValueError, match="clusters: got numbers from 0 to 2"):
        cluster_sizes([0, 2])


def test_one_cluster_has_no_entropy_to_the_last_bit():
    assert all(cluster_entropy(np.zeros(size, dtype=int)) == 0 for size in range(1, 33))


@pytest.mark.parametrize(
    ("sizes", "mean", "count"),
    [
        ((8,), 0.0, 0.0),
        ((7, 1), 1.1064864671521792, 0.37677016125643675),
        ((4, 4), 0.6931471805599453, 0.6931471805599453),
        ((6, 1, 1), 1.482188385270484, 0.7356219397587946),
        ((2, 2, 2, 2), 1.3862943611198906, 1.3862943611198906),
        ((1,) * 8, 2.0794415416798357, 2.0794415416798357),
    ],
)
def test_two_estimators_by_hand(sizes, mean, count):
    ids = ids_of(*sizes)
    assert cluster_entropy(ids, estimator="mean") == pytest.approx(mean, abs=1e-12)
    assert cluster_entropy(ids) == pytest.approx(count, abs=1e-12)
    assert cluster_entropy(ids, estimator="mass") == pytest.approx(count, abs=1e-12)
    masses = np.array(sizes) / 8
    uniform = np.full(len(sizes), 1 / len(sizes))
    assert mean == pytest.approx(np.log(len(sizes)) + shannon(uniform, masses), abs=1e-12)


def test_likelihood_weights_by_hand():
    ids, likelihoods, lengths = [0, 0, 1, 2], [-10, -11, -12, -10.5], [20, 20, 30, 15]
    raw = cluster_entropy(ids, estimator="mass", log_likelihoods=likelihoods)
    per_token = cluster_entropy(ids, estimator="mass", log_likelihoods=likelihoods, lengths=lengths)
    assert raw == pytest.approx(0.8155005515316082, abs=1e-12)
    assert per_token == pytest.approx(1.031728718878469, abs=1e-12)
    assert cluster_entropy(ids) == pytest.approx(1.0397207708399179, abs=1e-12)


def test_raw_probabilities_of_texts_break_the_bound():
    found = cluster_entropy([0, 0], estimator="mean", log_likelihoods=[-100, -200], normalised=False)
    assert found == pytest.approx(100) and found > np.log(2)


def test_many_groups_at_once():
    generator = np.random.default_rng(0)
    ids, weights = generator.integers(0, 6, (5, 4, 6)), generator.normal(size=(5, 4, 6))
    for estimator in ("count", "mass", "mean"):
        extra = {} if estimator == "count" else {"log_likelihoods": weights}
        found = cluster_entropy(ids, estimator=estimator, **extra)
        assert found.shape == (5, 4)
        for place in np.ndindex(5, 4):
            one = {} if estimator == "count" else {"log_likelihoods": weights[place]}
            assert found[place] == pytest.approx(cluster_entropy(ids[place], estimator=estimator, **one))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clusters": [0.5]}, "clusters: got shape"),
        ({"clusters": 3}, "clusters: got shape"),
        ({"clusters": [0, 2]}, "clusters: got numbers from 0 to 2"),
        ({"clusters": [0, -1]}, "clusters: got numbers from -1"),
        ({"clusters": [0, 1], "estimator": "median"}, "estimator: got 'median'"),
        ({"clusters": [0, 1], "log_likelihoods": [0, 0]}, "log_likelihoods: got values"),
        ({"clusters": [0, 1], "normalised": False}, "normalised: got False"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster_entropy(**arguments)
