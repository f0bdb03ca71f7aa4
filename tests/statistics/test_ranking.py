from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from entropylab.statistics import auroc


def test_ties_count_one_half():
    assert auroc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert auroc([1, 1, 1], [0, 1, 0]) == 0.5
    assert auroc([2, 1, 2], [1, 0, 0]) == 0.75


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_area_under_the_curve_and_the_mann_whitney_statistic(seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 5, 200), rng.random(200) < 0.3
    found = auroc(scores, labels)
    assert found == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    u = mannwhitneyu(scores[labels], scores[~labels]).statistic
    assert found == pytest.approx(u / (labels.sum() * (~labels).sum()), abs=1e-12)
    assert auroc(-scores, labels) == pytest.approx(1 - found, abs=1e-12)


def test_strata_count_their_own_pairs_only():
    """By brute force over pairs; and a score that only knows the stratum tells nothing within it."""
    rng = np.random.default_rng(5)
    strata = rng.choice(["a", "b", "c"], 120)
    scores, labels = rng.integers(0, 4, 120), rng.random(120) < 0.4
    wins = pairs = 0.0
    for i in np.flatnonzero(labels):
        for k in np.flatnonzero(~labels):
            if strata[i] == strata[k]:
                pairs += 1
                wins += (scores[i] > scores[k]) + (scores[i] == scores[k]) / 2
    assert auroc(scores, labels, strata) == pytest.approx(wins / pairs, abs=1e-12)
    level = {"a": 0.0, "b": 1.0, "c": 2.0}
    shares = {"a": 0.1, "b": 0.5, "c": 0.9}
    labels = rng.random(120) < [shares[s] for s in strata]
    only = [level[s] for s in strata]
    assert auroc(only, labels) > 0.7
    assert auroc(only, labels, strata) == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [True]), "got shapes \\(2,\\), \\(1,\\)"),
        (([1, 2], [True, False], [1]), "strata"),
        (([1, np.nan], [True, False]), "scores: got a number that is not finite"),
        (([1, 2], [True, 2]), "labels: got a value"),
        (([1, 2], [True, True]), "no pair"),
        (([1, 2], [True, False], [1, 2]), "no pair"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        auroc(*arguments)
