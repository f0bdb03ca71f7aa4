"""AUROC, hits at a false-alarm rate, and the bootstrap of a difference."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from entropylab import detection
from entropylab.detection import evaluation


def scores(seed, shift, count=150):
    rng = np.random.default_rng(seed)
    return rng.normal(size=count).round(1), rng.normal(shift, 1, count).round(1)  # rounded: with ties


def test_auroc_on_known_cases():
    assert detection.roc_auc([1, 2], [3, 4]) == 1.0
    assert detection.roc_auc([3, 4], [1, 2]) == 0.0
    assert detection.roc_auc([1, 1], [1, 1]) == 0.5
    assert detection.roc_auc([0, 2], [1, 2]) == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_hits_at_a_rate():
    human, machine = np.arange(100), np.array([98.5, 200, 201, 50])
    assert detection.tpr_at_fpr(human, machine, 0.01) == 0.75
    assert detection.tpr_at_fpr(human, machine, 0.0) == 0.5
    assert detection.tpr_at_fpr(human, machine, 1.0) == 1.0


def test_the_weighted_form_is_that_of_scikit_learn():
    human, machine = scores(0, 0.7)
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, 150, (2, 150))
    drawn = roc_auc_score(np.repeat([0, 1], 150), np.concatenate([human[columns], machine[rows]]))
    weights = [np.bincount(index, minlength=150) / 150 for index in (rows, columns)]
    assert weights[0] @ evaluation._wins(human, machine) @ weights[1] == pytest.approx(drawn, abs=1e-12)


def test_the_interval_covers_and_separates():
    human, machine = scores(2, 1.0)
    noise = np.random.default_rng(3).normal(size=(2, 150))
    worse = human + 2 * noise[0], machine + 2 * noise[1]
    found = detection.bootstrap_auc_difference((human, machine), worse)
    assert found.first == pytest.approx(detection.roc_auc(human, machine))
    assert found.second == pytest.approx(detection.roc_auc(*worse))
    assert found.difference == pytest.approx(found.first - found.second)
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert found.first_interval[0] < found.first < found.first_interval[1]
    same = detection.bootstrap_auc_difference((human, machine), (human, machine))
    assert same.interval == (0.0, 0.0)
    again = detection.bootstrap_auc_difference((human, machine), worse)
    assert again == found


def test_the_interval_has_about_the_right_width():
    human, machine = scores(4, 0.5, 400)
    found = detection.bootstrap_auc_difference((human, machine), (human, machine), draws=4000)
    area = found.first
    # Hanley and McNeil (1982): the standard error of an AUROC.
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt((area * (1 - area) + 399 * (q1 - area**2) + 399 * (q2 - area**2)) / 400**2)
    low, high = found.first_interval
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detection.roc_auc([], [1.0]), r"human: got shape \(0,\), allowed is a flat array"),
        (lambda: detection.roc_auc([1.0], [np.nan]), r"machine: got shape \(1,\), allowed .* without NaN"),
        (lambda: detection.tpr_at_fpr([1.0], [2.0], 1.5), "false_positive_rate: got 1.5"),
        (
            lambda: detection.bootstrap_auc_difference(([1, 2], [3]), ([1, 2], [3, 4])),
            r"second: got \(2, 2\) scores, allowed are \(2, 1\)",
        ),
        (lambda: detection.bootstrap_auc_difference(([1], [3]), ([1], [3]), draws=0), "draws: got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
